/**
 * Words that a datapath shares with its workers, beside the table and the rings.
 *
 *   word 0        1: stop. Atomic. The datapath writes, the sweeper reads
 *   words 2, 3    a 64-bit float: the time that every PMD has reached. The datapath writes. The sweeper reads it if the
 *                 datapath's clock is that of the packets
 *   from 16 on    a word for each worker: its participant + 1; 0: no such worker. The datapath writes, any thread reads
 *   then          a line for each worker (WorkerWord)
 *
 * Workers, in this order: the PMDs, the sweeper, the control thread.
 */

import { readlinkSync } from 'node:fs';
import type { TrackerMemory } from '../../core/memory/memory.ts';
import { notify, peek, poke, store, type Words } from '../../shared/access.ts';
import { LINE_WORDS, wholeLines } from '../../shared/memory/cache-line.ts';

export const StatusWord = {
  STOP: 0,
  /** 64-bit float. */
  REACHED_MS: 2,
  PARTICIPANT: LINE_WORDS,
} as const;

/** Worker number of the sweeper. @param threads PMDs of the datapath */
export function sweeperNumber(threads: number): number {
  return threads;
}

/** Worker number of the control thread. @param threads PMDs of the datapath */
export function controlNumber(threads: number): number {
  return threads + 1;
}

/** Words of a worker's line. */
export const WorkerWord = {
  /**
   * Odd: the worker does a piece of work. Even: it does not. Counted up at the beginning and at the end of each piece. A plain word,
   * written by the worker alone, read as a hint.
   */
  HEARTBEAT: 0,
  /** 1: it is up. Atomic. The worker writes 1, the datapath writes 0 after its death, and waits for it at the start. */
  UP: 1,
  /** System thread id, as `top -H` shows it (Linux; else 0). Written as UP. */
  THREAD_ID: 2,
} as const;

/** The first word of a worker's line. */
export function workerLine(threads: number, worker: number): number {
  return StatusWord.PARTICIPANT + wholeLines(threads + 2) + worker * LINE_WORDS;
}

/** System thread id of the calling thread; 0 if unknown. */
function ownThreadId(): number {
  try {
    return Number(/(\d+)$/.exec(readlinkSync('/proc/thread-self'))![1]);
  } catch {
    return 0;
  }
}

/** Marks the calling worker as up. */
export function markUp(status: Words, line: number): void {
  endBeat(status, line);
  store(status, line + WorkerWord.THREAD_ID, ownThreadId());
  store(status, line + WorkerWord.UP, 1);
  notify(status, line + WorkerWord.UP, 1);
}

/** Begins a piece of work. */
export function beginBeat(status: Words, line: number): void {
  poke(status, line + WorkerWord.HEARTBEAT, peek(status, line + WorkerWord.HEARTBEAT) | 1);
}

/** Ends a piece of work. A worker also calls it at its start: its predecessor may have died inside a piece. */
export function endBeat(status: Words, line: number): void {
  poke(status, line + WorkerWord.HEARTBEAT, ((peek(status, line + WorkerWord.HEARTBEAT) | 1) + 1) | 0);
}

/** Whether the worker is inside a piece of work. */
export function isBusy(beat: number): boolean {
  return (beat & 1) !== 0;
}

export function statusWords(threads: number): number {
  return workerLine(threads, threads + 2);
}

/** The clock of a datapath: times of the packets, or of the system. */
export type DatapathClock = 'packets' | 'system';

/** The time of a datapath on the system clock, in ms; monotonic, and the same in all threads. */
export function systemTimeMs(): number {
  return performance.timeOrigin + performance.now();
}

/** The start data of the control thread: the table and the status words; structured-cloneable. */
export interface DatapathShare {
  memory: TrackerMemory;
  status: Words;
  clock: DatapathClock;
  /** PMDs. */
  threads: number;
}

/** The time of a datapath now, in ms; NaN on the packets' clock before the first packet. */
export function datapathTimeMs(share: { status: Words; clock: DatapathClock }): number {
  if (share.clock === 'system') {
    return systemTimeMs();
  }
  return new Float64Array(share.status.buffer, StatusWord.REACHED_MS * 4, 1)[0]!;
}
