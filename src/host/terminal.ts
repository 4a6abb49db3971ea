/** The terminal: its width, one line of progress, and numbers for people. */

const DEFAULT_COLUMNS = 80;
/** Time between two lines of progress without a terminal, as in the log of a CI job. */
const PLAIN_EVERY_MS = 10_000;

/** Columns of standard output's terminal; undefined if it is not a terminal. */
export function outputColumns(): number | undefined {
  return process.stdout.isTTY ? process.stdout.columns || DEFAULT_COLUMNS : undefined;
}

/** Columns for text that must fit a terminal, also through a pager. */
export function textColumns(): number {
  return Math.max(40, outputColumns() ?? DEFAULT_COLUMNS);
}

/** Whether standard error accepts control sequences. Not with NO_COLOR (https://no-color.org), nor on a dumb terminal. */
function takesControl(): boolean {
  return process.stderr.isTTY && process.env['TERM'] !== 'dumb' && !process.env['NO_COLOR'];
}

function cut(text: string, columns: number): string {
  const letters = [...text];
  return letters.length < columns ? text : `${letters.slice(0, Math.max(0, columns - 4)).join('')}...`;
}

let plainMs: number | undefined;
let isShown = false;

export interface ProgressOptions {
  /** Earliest time of the first line without a terminal, in ms after the start of the process; default 0. */
  firstAfterMs?: number;
}

/**
 * Shows progress on standard error: on a terminal one line that is overwritten, else a line every ten seconds. '' removes the line.
 * Never call it during a measurement.
 */
export function showProgress(text: string, { firstAfterMs = 0 }: ProgressOptions = {}): void {
  if (takesControl()) {
    if (text !== '' || isShown) {
      process.stderr.write(`\r\u001b[K${cut(text, process.stderr.columns || DEFAULT_COLUMNS)}`);
      isShown = text !== '';
    }
    return;
  }
  const nowMs = performance.now();
  if (text !== '' && nowMs >= (plainMs === undefined ? firstAfterMs : plainMs + PLAIN_EVERY_MS)) {
    plainMs = nowMs;
    process.stderr.write(`ct-bucket: ${text}\n`);
  }
}

/** Shows progress by a timer, once the work has taken a while. Not for measurements. @returns a function that ends it */
export function watchProgress(text: () => string): () => void {
  const startMs = performance.now();
  const timer = setInterval(() => {
    if (performance.now() - startMs > 1500) {
      showProgress(text(), { firstAfterMs: startMs + 2 * PLAIN_EVERY_MS });
    }
  }, 500);
  timer.unref();
  return () => {
    clearInterval(timer);
    showProgress('');
  };
}

/** "1 packet", "2 packets". */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** 1000000 as 1,000,000. */
export function thousands(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}
