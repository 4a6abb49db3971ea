/**
 * Draws the plots of a page. It runs in the browser after uPlot, once for the whole page.
 *
 * A plot is drawn when its place first has a width: those within closed parts are drawn when the reader opens them.
 */

/** @typedef {import('./plot-data.ts').PlotData} PlotData */
/** @typedef {PlotData['series'][number]} Series */

{
  const FONT = '12px system-ui, sans-serif';
  const BAR = 4;
  /** Pixels that the text of an x needs. */
  const TICK_WIDTH = 44;
  const LEAST_HEIGHT = 220;
  const MOST_HEIGHT = 340;

  /** @param {string} name of a variable of the style @returns {string} */
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  /** @param {Series} series @returns {string} */
  const inkOf = ({ kind, style }) => colour(kind === 'reference' ? '--soft' : `--c${style}`);

  /** @param {number} value @returns {string} */
  const tickText = (value) => {
    for (const [scale, letter] of /** @type {const} */ ([
      [1e9, 'G'],
      [1e6, 'M'],
      [1e3, 'k'],
    ])) {
      if (Math.abs(value) >= scale) {
        return `${Number((value / scale).toPrecision(3))} ${letter}`;
      }
    }
    return String(Number(value.toPrecision(3)));
  };

  /** @param {number} least @param {number} greatest @returns {number[]} 1, 2 and 5 times powers of ten; powers alone over many decades */
  const logTicks = (least, greatest) => {
    const factors = greatest / least > 1000 ? [1] : [1, 2, 5];
    const ticks = [];
    for (let power = Math.floor(Math.log10(least)); power <= Math.log10(greatest); power++) {
      ticks.push(...factors.map((factor) => factor * 10 ** power));
    }
    return ticks.filter((tick) => tick >= least * 0.999 && tick <= greatest * 1.001);
  };

  /** @param {number} least @param {number} greatest @param {number} most how many @returns {number[]} */
  const linearTicks = (least, greatest, most) => {
    const wanted = (greatest - least) / most;
    const power = 10 ** Math.floor(Math.log10(wanted));
    const step = power * ([1, 2, 5].find((factor) => factor * power >= wanted * 0.999) ?? 10);
    const ticks = [];
    for (let i = Math.ceil(least / step - 1e-9); i * step <= greatest + 1e-9 * step; i++) {
      ticks.push(i * step);
    }
    return ticks;
  };

  /** The figures of the lines that are shown, with their intervals. @param {PlotData} data @param {(i: number) => boolean} isShown */
  const extent = (data, isShown) => {
    const shown = data.series.filter((_, i) => isShown(i));
    const values = (shown.length === 0 ? data.series : shown)
      .flatMap(({ ys, lows, highs }) => [...ys, ...lows, ...highs])
      .filter((value) => value !== null);
    return { least: Math.min(...values), greatest: Math.max(...values) };
  };

  /** @param {PlotData} data @param {(i: number) => boolean} isShown @returns {[number, number]} */
  const rangeY = (data, isShown) => {
    const { least, greatest } = extent(data, isShown);
    if (data.isLogY) {
      return [least / 1.25, greatest * 1.25];
    }
    if (data.isZoomed) {
      const room = (greatest - least) * 0.1 || 1;
      return [least - room, greatest + room];
    }
    const low = Math.min(0, least);
    return [low === 0 ? 0 : low * 1.08, greatest > 0 ? greatest * 1.08 : 1];
  };

  /** @param {PlotData} data @returns {[number, number]} */
  const rangeX = ({ xs, xBase }) => {
    const [first, last] = [xs[0] ?? 1, xs.at(-1) ?? 1];
    if (xBase > 1) {
      const room = first === last ? 2 : (last / first) ** 0.06;
      return [first / room, last * room];
    }
    const room = (last - first) * 0.04 || 1;
    return [first - room, last + room];
  };

  /** @param {CanvasRenderingContext2D} canvas @param {number} x @param {number} low @param {number} high */
  const drawInterval = (canvas, x, low, high) => {
    canvas.beginPath();
    for (const y of [low, high]) {
      canvas.moveTo(x - BAR * devicePixelRatio, y);
      canvas.lineTo(x + BAR * devicePixelRatio, y);
    }
    canvas.moveTo(x, low);
    canvas.lineTo(x, high);
    canvas.stroke();
  };

  /** Intervals and points of one line. uPlot draws the line itself. @param {uPlot} plot @param {PlotData} data @param {number} i */
  const drawPoints = (plot, data, i) => {
    const series = /** @type {Series} */ (data.series[i]);
    const { ctx: canvas } = plot;
    const shape = new Path2D(series.shape);
    canvas.save();
    canvas.strokeStyle = inkOf(series);
    canvas.fillStyle = series.kind === 'predicted' ? colour('--back') : inkOf(series);
    canvas.lineWidth = 1.3 * devicePixelRatio;
    canvas.setLineDash([]);
    for (const [at, y] of series.ys.entries()) {
      if (y === null || series.kind === 'reference') {
        continue;
      }
      const x = plot.valToPos(/** @type {number} */ (data.xs[at]), 'x', true);
      const [low, high] = [series.lows[at] ?? null, series.highs[at] ?? null];
      if (low !== null && high !== null) {
        drawInterval(canvas, x, plot.valToPos(low, 'y', true), plot.valToPos(high, 'y', true));
      }
      canvas.save();
      canvas.translate(x, plot.valToPos(y, 'y', true));
      canvas.scale(devicePixelRatio, devicePixelRatio);
      /* oxlint-disable-next-line unicorn/no-array-fill-with-reference-type -- a canvas is no array */
      canvas.fill(shape);
      canvas.stroke(shape);
      canvas.restore();
    }
    canvas.restore();
  };

  /** @param {uPlot} plot @param {PlotData} data */
  const drawShade = (plot, { xs, xBase, shade }) => {
    const last = xs.filter((x) => shade !== undefined && x <= shade.beyond).at(-1);
    const next = xs.find((x) => shade !== undefined && x > shade.beyond);
    if (shade === undefined || next === undefined) {
      return;
    }
    const { ctx: canvas } = plot;
    const { left, top, width, height } = plot.bbox;
    const middle = xBase > 1 ? Math.sqrt((last ?? next) * next) : ((last ?? next) + next) / 2;
    const from = last === undefined ? left : plot.valToPos(middle, 'x', true);
    canvas.save();
    canvas.fillStyle = colour('--shade');
    canvas.fillRect(from, top, left + width - from, height);
    canvas.fillStyle = colour('--soft');
    canvas.font = FONT.replace('12', String(12 * devicePixelRatio));
    canvas.textAlign = 'right';
    canvas.fillText(shade.text, left + width - 6 * devicePixelRatio, top + height - 8 * devicePixelRatio);
    canvas.restore();
  };

  /** Writes the figures at an x beside the names of the lines. @param {Element} figure @param {PlotData} data @param {number} at */
  const readAt = (figure, { xTexts, series }, at) => {
    const place = figure.querySelector('.at');
    if (place !== null) {
      place.textContent = `at ${xTexts[at] ?? ''}:`;
    }
    for (const [i, value] of figure.querySelectorAll('.legend .value').entries()) {
      value.textContent = series[i]?.texts[at] || '–';
    }
  };

  /** The x of all points, without those whose text would touch the one before. @param {PlotData} data @param {number} width */
  const ticksX = (data, width) => {
    const [from, to] = rangeX(data);
    const pixels = (/** @type {number} */ x) =>
      (data.xBase > 1 ? Math.log(x / from) / Math.log(to / from) : (x - from) / (to - from)) * width;
    const kept = /** @type {number[]} */ ([]);
    for (const x of data.xs) {
      const last = kept.at(-1);
      if (last === undefined || pixels(x) - pixels(last) >= TICK_WIDTH) {
        kept.push(x);
      }
    }
    return kept;
  };

  /** @param {PlotData} data @param {(i: number) => boolean} isShown @returns {number[]} */
  const ticksY = (data, isShown) => {
    const [least, greatest] = rangeY(data, isShown);
    return data.isLogY ? logTicks(least, greatest) : linearTicks(least, greatest, 5);
  };

  /** @param {PlotData} data @param {(i: number) => boolean} isShown @returns {uPlot.Axis[]} */
  const axesOf = (data, isShown) => {
    const widest = Math.max(...ticksY(data, isShown).map((tick) => tickText(tick).length));
    const both = /** @type {uPlot.Axis} */ ({
      stroke: () => colour('--text'),
      font: FONT,
      ticks: { stroke: () => colour('--rule'), size: 5 },
      filter: (_, splits) => splits,
      values: (_, splits) => splits.map(tickText),
    });
    return [
      {
        ...both,
        label: data.xLabel,
        labelFont: FONT,
        labelSize: 20,
        size: 28,
        grid: { show: false },
        splits: ({ width }) => ticksX(data, width),
      },
      {
        ...both,
        size: 18 + 7 * widest,
        grid: { stroke: () => colour('--grid'), width: 1 },
        splits: () => ticksY(data, isShown),
      },
    ];
  };

  /** @param {PlotData} data @param {Element} figure @param {{ width: number, height: number }} size @returns {uPlot.Options} */
  const optionsOf = (data, figure, size) => {
    const isShown = (/** @type {number} */ i) => figure.querySelectorAll('.legend button')[i]?.ariaPressed !== 'false';
    return {
      ...size,
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
      scales: {
        x: { time: false, distr: data.xBase > 1 ? 3 : 1, log: data.xBase === 2 ? 2 : 10, range: () => rangeX(data) },
        y: { distr: data.isLogY ? 3 : 1, log: 10, range: () => rangeY(data, isShown) },
      },
      axes: axesOf(data, isShown),
      series: [
        {},
        ...data.series.map((series) => ({
          stroke: () => inkOf(series),
          width: 2,
          spanGaps: true,
          dash: { measured: [], predicted: [6, 4], reference: [2, 4] }[series.kind],
          points: { show: false },
        })),
      ],
      hooks: {
        drawClear: [(plot) => drawShade(plot, data)],
        drawSeries: [(plot, i) => (i > 0 && isShown(i - 1) ? drawPoints(plot, data, i - 1) : undefined)],
        setCursor: [({ cursor }) => readAt(figure, data, cursor.idx ?? data.xs.length - 1)],
      },
    };
  };

  /** @param {uPlot} plot @param {Element} figure @param {PlotData} data @param {HTMLElement} place */
  const control = (plot, figure, data, place) => {
    for (const [i, button] of figure.querySelectorAll('.legend button').entries()) {
      button.addEventListener('click', () => {
        const isShown = button.ariaPressed === 'false';
        button.ariaPressed = String(isShown);
        plot.setSeries(i + 1, { show: isShown });
      });
    }
    let at = data.xs.length - 1;
    place.addEventListener('keydown', (event) => {
      const last = data.xs.length - 1;
      const next = { ArrowLeft: Math.max(0, at - 1), ArrowRight: Math.min(last, at + 1), Home: 0, End: last }[
        event.key
      ];
      if (next === undefined) {
        return;
      }
      event.preventDefault();
      at = next;
      plot.setCursor({ left: plot.valToPos(/** @type {number} */ (data.xs[at]), 'x'), top: 10 });
      const spoken = figure.querySelector('.hidden');
      if (spoken !== null) {
        const names = [...figure.querySelectorAll('.legend button')].map((button) => button.textContent);
        const figures = data.series.flatMap(({ texts }, i) => (texts[at] ? [`${names[i]} ${texts[at]}`] : []));
        spoken.textContent = `${data.xTexts[at]}: ${figures.join('; ')}`;
      }
    });
    place.addEventListener('pointermove', () => {
      at = plot.cursor.idx ?? at;
    });
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => plot.redraw());
  };

  const figures = typeof uPlot === 'function' ? document.querySelectorAll('figure[data-plot]') : [];
  if (typeof uPlot !== 'function') {
    /* A browser in which the library fails shows the tables, as one without scripts does. */
    document.documentElement.classList.add('plain');
    document.querySelectorAll('figure[data-plot] details').forEach((each) => each.setAttribute('open', ''));
  }
  for (const figure of figures) {
    const place = /** @type {HTMLElement} */ (figure.querySelector('.plot'));
    const data = /** @type {PlotData} */ (JSON.parse(figure.querySelector('script')?.textContent ?? ''));
    /** @type {uPlot | undefined} */
    let plot;
    new ResizeObserver(() => {
      const width = Math.floor(place.clientWidth);
      const size = { width, height: Math.round(Math.min(MOST_HEIGHT, Math.max(LEAST_HEIGHT, width * 0.6))) };
      if (width === 0) {
        return;
      }
      if (plot === undefined) {
        plot = new uPlot(optionsOf(data, figure, size), [data.xs, ...data.series.map(({ ys }) => ys)], place);
        readAt(figure, data, data.xs.length - 1);
        control(plot, figure, data, place);
      } else {
        plot.setSize(size);
      }
    }).observe(place);
  }
}
