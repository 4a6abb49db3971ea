/**
 * Words that a datapath shares with its workers, beside the table and the rings.
 *
 *   word 0        1: stop. atomic: the datapath writes, the sweeper reads
 *   words 2, 3    one 64-bit float: the time up to which every PMD has come, for the sweeper of a datapath whose clock
 *                 is the packets'. The datapath writes, the sweeper reads
 *   from 16 on    one word per worker: its participant + 1, 0 if there is no such worker. The datapath writes, any thread reads
 *   then          one line per worker (WorkerWord)
 *
 * Workers: the PMDs, the sweeper, the control thread.
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

/** Number of the sweeper among the workers of a datapath with this many PMDs, and of the control thread. */
export function sweeperNumber(threads: number): number {
  return threads;
}

export function controlNumber(threads: number): number {
  return threads + 1;
}

/** Words of a worker's line. */
export const WorkerWord = {
  /**
   * Plain, written by the worker alone, read as a hint. Counted up when it takes up a piece of work (odd from then on) and
   * when that is done (even).
   */
  HEARTBEAT: 0,
  /** 1: it is up. atomic: the worker writes 1, and the datapath 0 when it has died; the datapath waits for it. */
  UP: 1,
  /** Number of its thread in the system (Linux; else 0), for `top -H` and the like. As UP. */
  THREAD_ID: 2,
} as const;

/** Where the line of a worker is. */
export function workerLine(threads: number, worker: number): number {
  return StatusWord.PARTICIPANT + wholeLines(threads + 2) + worker * LINE_WORDS;
}

/** The calling thread's number in the system; 0 where it cannot be told. */
function ownThreadId(): number {
  try {
    return Number(/(\d+)$/.exec(readlinkSync('/proc/thread-self'))![1]);
  } catch {
    return 0;
  }
}

/** A worker is up. */
export function tellUp(status: Words, line: number): void {
  endBeat(status, line);
  store(status, line + WorkerWord.THREAD_ID, ownThreadId());
  store(status, line + WorkerWord.UP, 1);
  notify(status, line + WorkerWord.UP, 1);
}

/** A worker takes up a piece of work. */
export function beginBeat(status: Words, line: number): void {
  poke(status, line + WorkerWord.HEARTBEAT, peek(status, line + WorkerWord.HEARTBEAT) | 1);
}

/** It is done; also at the start, where a predecessor may have died in the middle of one. */
export function endBeat(status: Words, line: number): void {
  poke(status, line + WorkerWord.HEARTBEAT, ((peek(status, line + WorkerWord.HEARTBEAT) | 1) + 1) | 0);
}

/** Is it in the middle of a piece of work? */
export function isBusy(beat: number): boolean {
  return (beat & 1) !== 0;
}

export function statusWords(threads: number): number {
  return workerLine(threads, threads + 2);
}

/** Where the time of a packet clock comes from. */
export type DatapathClock = 'packets' | 'system';

/** The time of a datapath on the system clock, in ms; monotonic, and the same in all threads. */
export function systemTimeMs(): number {
  return performance.timeOrigin + performance.now();
}

/** What a datapath gives to threads that watch and steer it; structured-cloneable. */
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
