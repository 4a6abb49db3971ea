/**
 * Signals that end a command: SIGINT, SIGTERM, SIGHUP. The first one lets a command that knows how to stop come to its
 * end; any other command ends at once, cleaned up, with exit code 128 + the signal's number. The second one ends
 * everything at once.
 *
 * One Ctrl-C may arrive twice: npm and tsx pass on to their child what the terminal has sent to it already. So what comes
 * within a second of the first counts for the same.
 */

import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { cleanUp } from './cleanup.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const SAME_SIGNAL_MS = 1000;

let isWatching = false;
let firstMs: number | undefined;
const stoppers = new Set<() => void>();

/** Was this process started so that it ignores the signal (nohup)? */
function isIgnored(signal: (typeof SIGNALS)[number]): boolean {
  try {
    const mask = /^SigIgn:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
    return ((BigInt(`0x${mask}`) >> BigInt(constants.signals[signal] - 1)) & 1n) === 1n;
  } catch {
    return false;
  }
}

function onSignal(signal: NodeJS.Signals): void {
  const nowMs = performance.now();
  if (firstMs !== undefined && nowMs - firstMs < SAME_SIGNAL_MS) {
    return;
  }
  if (firstMs === undefined && stoppers.size > 0) {
    firstMs = nowMs;
    [...stoppers].forEach((stop) => stop());
    return;
  }
  cleanUp();
  process.exit(128 + constants.signals[signal]);
}

/** From now on signals end this process as above. */
export function watchSignals(): void {
  if (isWatching) {
    return;
  }
  isWatching = true;
  for (const signal of SIGNALS) {
    /* nohup: the hang-up of a terminal is not to end it. A shell's background jobs ignore SIGINT, which is sent on purpose. */
    if (signal !== 'SIGHUP' || !isIgnored(signal)) {
      process.on(signal, onSignal);
    }
  }
}

/**
 * The first signal aborts it, and the command comes to its end by itself.
 * @returns with `release`: from then on a signal ends the process at once
 */
export function stopOnSignals(): { stop: AbortController; release: () => void } {
  watchSignals();
  const stop = new AbortController();
  const onStop = (): void => stop.abort();
  stoppers.add(onStop);
  return { stop, release: () => stoppers.delete(onStop) };
}
