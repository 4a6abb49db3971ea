/**
 * A flame graph of two CPU profiles (a differential flame graph, Brendan Gregg 2014). A frame is as wide as its samples in the second
 * profile, and its colour says how the samples in the function itself changed. No script: the text of a frame appears below the graph
 * while the pointer is on it, or after a tap. The table has the same figures, also for those who use a keyboard.
 */

import { escapeText, folded, htmlTable } from './page.ts';

/** A function in a stack. Each frame stands before those that it calls. */
export interface FlameFrame {
  name: string;
  /** Number of frames below it. */
  depth: number;
  /** Samples in the function and in all that it calls: of the first profile, and of the second. */
  before: number;
  after: number;
  /** Samples in the function itself. */
  ownBefore: number;
  ownAfter: number;
}

/** Frames with a smaller share are not drawn. */
const LEAST_SHARE = 0.005;
const ROW_EM = 1.55;
/** A change by fewer standard errors of a count may be chance, and gets no colour. */
const STANDARD_ERRORS = 3;
/** From these changes on a frame gets the next stronger colour, in percent of the first profile. */
const LEVELS = [0.5, 2, 8] as const;
const MOST_ROWS = 20;

/**
 * The colours of ColorBrewer's scale RdBu, which readers with any kind of colour blindness can tell apart. The text on each has a
 * contrast of at least 4.5 to 1 (WCAG 2.2, 1.4.3).
 */
export const FLAME_COLOURS = {
  light: {
    text: '#1c2128',
    same: '#e6eaee',
    more: ['#fddbc7', '#f4a582', '#e8826a'],
    less: ['#d1e5f0', '#92c5de', '#5ba3d0'],
  },
  dark: {
    text: '#f0f3f6',
    same: '#2d333b',
    more: ['#573226', '#85391f', '#a8431f'],
    less: ['#1f3d52', '#20567a', '#22689a'],
  },
} as const;

function inks(mode: keyof typeof FLAME_COLOURS): string {
  const { text, same, more, less } = FLAME_COLOURS[mode];
  const levels = LEVELS.map((_, i) => `--more${i + 1}:${more[i]};--less${i + 1}:${less[i]}`).join(';');
  return `--ink:${text};--same:${same};${levels}`;
}

/** Stands once in a page with flame graphs. */
export const FLAME_STYLE = `<style>
.flame,.keys{${inks('light')}}.flame{margin:.5em 0 1em;overflow:hidden;position:relative}
@media(prefers-color-scheme:dark){.flame,.keys{${inks('dark')}}}
.flame b,.keys b{background:var(--fill);border:1px solid var(--back);border-radius:3px;color:var(--ink);font-size:.8em;font-weight:400}
.flame b{cursor:default;height:${ROW_EM}em;line-height:${ROW_EM}em;overflow:hidden;padding:0 .25em;position:absolute;text-overflow:ellipsis;white-space:nowrap}
.flame b:is(:hover,:focus){outline:2px solid var(--text);outline-offset:-2px}
.flame span{background:var(--head);border:1px solid var(--rule);bottom:0;display:none;left:0;min-height:3.4em;padding:.2em .6em;position:absolute;right:0}
.flame:not(:has(b:is(:hover,:focus)))>.hint,.flame b:is(:hover,:focus)+span{display:block}.flame b:hover+span{z-index:2}
.flame .hint{color:var(--soft)}.keys{display:flex;flex-wrap:wrap;gap:.4em;margin:.4em 0}.keys b{padding:.1em .5em}
.same{--fill:var(--same)}${LEVELS.map((_, i) => `.more${i + 1}{--fill:var(--more${i + 1})}.less${i + 1}{--fill:var(--less${i + 1})}`).join('')}
</style>`;

export interface FlameGraph {
  /** Text of the graph for those who do not see it. */
  label: string;
  frames: readonly FlameFrame[];
}

interface Whole {
  before: number;
  after: number;
}

function wholeOf(frames: readonly FlameFrame[]): Whole {
  const roots = frames.filter(({ depth }) => depth === 0);
  return {
    before: roots.reduce((sum, { before }) => sum + before, 0),
    after: roots.reduce((sum, { after }) => sum + after, 0),
  };
}

const share = (samples: number, whole: number): string => `${((100 * samples) / (whole || 1)).toFixed(1)} %`;

/** Both builds did the same work, so a difference in percent of the first profile is a difference of time. */
function difference(before: number, after: number, { before: whole }: Whole): string {
  const percent = (100 * (after - before)) / (whole || 1);
  return `${percent < 0 ? '−' : '+'}${Math.abs(percent).toFixed(1)} %`;
}

/** The colour of a change, as a class. */
export function flameClass(before: number, after: number, whole: Whole): string {
  const percent = (100 * Math.abs(after - before)) / (whole.before || 1);
  const level = LEVELS.filter((from) => percent >= from).length;
  const isChance = Math.abs(after - before) <= STANDARD_ERRORS * Math.sqrt(before + after);
  return isChance || level === 0 ? 'same' : `${after > before ? 'more' : 'less'}${level}`;
}

/** The graph, its legend and its table. */
export function htmlFlameGraph({ label, frames }: FlameGraph): string {
  const whole = wholeOf(frames);
  if (whole.after === 0) {
    return '';
  }
  const drawn = placed(frames, whole);
  const dropped = frames.length - drawn.length;
  const rows = Math.max(...drawn.map(({ frame }) => frame.depth)) + 1;
  const height = `height:calc(${(rows * ROW_EM * 0.8).toFixed(2)}em + 4.4em)`;
  return [
    legend(),
    `<div class="flame" style="${height}" role="group" aria-label="${escapeText(label)}">`,
    ...drawn.map((each) => htmlFrame(each, whole)),
    '<span class="hint">Point at a function, or tap it, to see its figures.</span></div>',
    dropped === 0
      ? ''
      : `<p class="soft">${dropped} ${dropped === 1 ? 'frame' : 'frames'} below ${LEAST_SHARE * 100} % of the samples ${dropped === 1 ? 'is' : 'are'} not drawn.</p>`,
    folded('The functions as a table', functionTable(frames, whole)),
  ].join('\n');
}

interface Placed {
  frame: FlameFrame;
  /** Share of the whole width at which it begins. */
  from: number;
}

/** The frames that are drawn. A frame begins where its caller begins, or where its left neighbour ends. */
function placed(frames: readonly FlameFrame[], { after }: Whole): Placed[] {
  const next: number[] = [0];
  const drawn: Placed[] = [];
  let hiddenBelow = Number.POSITIVE_INFINITY;
  for (const frame of frames) {
    const { depth } = frame;
    const from = next[depth] ?? 0;
    next[depth] = from + frame.after;
    next[depth + 1] = from;
    hiddenBelow = depth <= hiddenBelow ? Number.POSITIVE_INFINITY : hiddenBelow;
    if (hiddenBelow === Number.POSITIVE_INFINITY && frame.after < LEAST_SHARE * after) {
      hiddenBelow = depth;
    }
    if (hiddenBelow === Number.POSITIVE_INFINITY) {
      drawn.push({ frame, from: from / after });
    }
  }
  return drawn;
}

function htmlFrame({ frame, from }: Placed, whole: Whole): string {
  const { name, depth, before, after, ownBefore, ownAfter } = frame;
  const look = flameClass(ownBefore, ownAfter, whole);
  const text = escapeText(
    `${name}: ${share(before, whole.before)} before, ${share(after, whole.after)} after; ` +
      `difference ${difference(before, after, whole)}, in the function itself ${difference(ownBefore, ownAfter, whole)}`,
  );
  const shown = escapeText(look === 'same' ? name : `${name} ${difference(ownBefore, ownAfter, whole)}`);
  const style = `left:${(100 * from).toFixed(3)}%;top:${(depth * ROW_EM).toFixed(2)}em;width:${((100 * after) / whole.after).toFixed(3)}%`;
  return `<b class="${look}" style="${style}" tabindex="-1" title="${text}">${shown}</b><span>${text}</span>`;
}

function legend(): string {
  const [small, middle, large] = LEVELS;
  const keys = [
    ['less3', `less by ${large} % or more`],
    ['less2', `${middle} %`],
    ['less1', `${small} %`],
    ['same', 'the same, or chance'],
    ['more1', `more by ${small} %`],
    ['more2', `${middle} %`],
    ['more3', `${large} % or more`],
  ].map(([look, text]) => `<b class="${look}">${text}</b>`);
  return (
    '<p>A function stands below the one that calls it. It is as wide as its samples in the head. The colour says how much time the function itself takes more or less than in the base, in percent of the whole time of the base.</p>' +
    `<div class="keys">${keys.join('')}</div>`
  );
}

function functionTable(frames: readonly FlameFrame[], whole: Whole): string {
  const own = new Map<string, [number, number]>();
  for (const { name, ownBefore, ownAfter } of frames) {
    const [before, after] = own.get(name) ?? [0, 0];
    own.set(name, [before + ownBefore, after + ownAfter]);
  }
  const all = [...own].toSorted(([, a], [, b]) => Math.abs(b[1] - b[0]) - Math.abs(a[1] - a[0]));
  const rows = all.slice(0, MOST_ROWS).map(([name, [before, after]]) => ({
    cells: [
      name,
      share(before, whole.before),
      share(after, whole.after),
      difference(before, after, whole),
      flameClass(before, after, whole) === 'same' ? 'may be chance' : after > before ? 'more' : 'less',
    ],
  }));
  const left = all.length - rows.length;
  const head = ['function', 'share before', 'share after', 'difference', ''];
  const title = `Time in each function itself, the largest difference first${left > 0 ? ` (${left} more functions are left out)` : ''}`;
  return htmlTable({ title, head, rows });
}
