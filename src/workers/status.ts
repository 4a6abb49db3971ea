/**
 * Words that a datapath shares with its workers, beside the table and the rings.
 *
 *   word 0        1: stop. atomic: the datapath writes, the sweeper reads
 *   words 2, 3    one 64-bit float: the time up to which every PMD has come, for the sweeper of a datapath whose clock
 *                 is the packets'. The datapath writes, the sweeper reads
 *   from 16 on    one word per PMD: its participant + 1, 0 before it is up. atomic: the PMD writes, the datapath waits
 */

import type { TrackerMemory } from '../core/memory.ts';
import type { Words } from '../shared/access.ts';
import { LINE_WORDS } from '../shared/cache-line.ts';

export const StatusWord = {
  STOP: 0,
  /** 64-bit float. */
  REACHED_MS: 2,
  PARTICIPANT: LINE_WORDS,
} as const;

export function statusWords(threads: number): number {
  return StatusWord.PARTICIPANT + threads;
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
