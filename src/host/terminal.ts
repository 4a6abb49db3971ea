/** What a terminal shows: how wide it is, whether it takes control sequences, and one line of progress. */

const DEFAULT_COLUMNS = 80;
/** Without a terminal, as in the log of a CI job, a line of progress comes so often. */
const PLAIN_EVERY_MS = 10_000;

/** Columns of standard output's terminal; undefined if it is none. */
export function outputColumns(): number | undefined {
  return process.stdout.isTTY ? process.stdout.columns || DEFAULT_COLUMNS : undefined;
}

/** For text that must fit a terminal, also when it goes to a pager. */
export function textColumns(): number {
  return Math.max(40, outputColumns() ?? DEFAULT_COLUMNS);
}

/** May standard error get control sequences? Not with NO_COLOR (https://no-color.org), nor on a dumb terminal. */
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
  /** Without a terminal, how long after the start of the process the first line may come; default: at once. */
  firstAfterMs?: number;
}

/**
 * Shows what is being done: on a terminal one line that is written over, else a line every ten seconds. Both on standard
 * error. '' takes the line away. Call it between measurements, never while one runs.
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

/** Shows progress of work that takes no measurements, by a timer, once it takes long. @returns what ends it */
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
