/**
 * Signals that end a command: SIGINT, SIGTERM, SIGHUP. At the first one, a command that can stop by itself does so. Other commands
 * clean up and end at once, with exit code 128 + the number of the signal. The second signal ends every command at once.
 *
 * One Ctrl-C may arrive twice: the terminal sends it to the child, and npm and tsx pass it on again. So signals within a second of
 * the first are ignored.
 */

import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { cleanUp } from './cleanup.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const SAME_SIGNAL_MS = 1000;

let isWatching = false;
let firstMs: number | undefined;
const stoppers = new Set<() => void>();

/** Whether this process was started with the signal ignored (nohup). */
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

/** From now on, signals end this process as described above. */
export function watchSignals(): void {
  if (isWatching) {
    return;
  }
  isWatching = true;
  for (const signal of SIGNALS) {
    /* An ignored SIGHUP stays ignored (nohup). An ignored SIGINT is handled: background jobs of a shell start with it ignored, and then
       somebody sends it on purpose. */
    if (signal !== 'SIGHUP' || !isIgnored(signal)) {
      process.on(signal, onSignal);
    }
  }
}

/**
 * For a command that can stop by itself: the first signal aborts `stop`.
 * @returns call `release` when the command no longer watches `stop`: then a signal ends the process at once
 */
export function stopOnSignals(): { stop: AbortController; release: () => void } {
  watchSignals();
  const stop = new AbortController();
  const onStop = (): void => stop.abort();
  stoppers.add(onStop);
  return { stop, release: () => stoppers.delete(onStop) };
}
