/**
 * How the room of a table is divided between its index and its records.
 *
 * A table reserves address space for the worst case: each connection has two entries in the index (it is translated), every bucket
 * has doubled its index step by step, and all records were IPv4 first and are IPv6 later. That takes about 500 bytes a connection. It
 * fits below 8 GiB up to about 16 million connections.
 *
 * A larger table reserves at least what untranslated IPv4 connections need: one unit each, and an index that has its final size from
 * the start. What is left over goes to both, in the proportion of what they lack for the worst case.
 */

import { LINE_WORDS } from '../../shared/memory/cache-line.ts';
import { Slab } from '../../shared/memory/slab.ts';
import { indexLinesAtOnce, indexLinesFor } from '../table/bucket-layout.ts';
import { UNIT_WORDS } from '../table/conn.ts';
import type { MemorySizes } from './memory-limits.ts';

export interface TableShares {
  /** Lines of the index. */
  lineCount: number;
  /** Units of the records. */
  recordUnits: number;
  /** Does the room suffice for any mix of connections? If not, the index has its final size from the start. */
  isWhole: boolean;
}

/** A line, and its link in the line arena. */
const LINE_COST: number = LINE_WORDS + 1;
/** Words that may be lost to the rounding of both parts. */
const ROUNDING_WORDS: number = 4 * UNIT_WORDS;

/** @param room words for both parts. If it is too small for the least, the result exceeds it */
export function tableShares({ bucketBits, maxConnections, maxParticipants }: MemorySizes, room: number): TableShares {
  const worst = {
    lineCount: indexLinesFor(maxConnections * 2, bucketBits),
    recordUnits: Slab.unitsFor(maxConnections, maxParticipants),
  };
  const left = room - ROUNDING_WORDS;
  if (wordsOf(worst) <= left) {
    return { ...worst, isWhole: true };
  }
  const least = {
    lineCount: Math.min(worst.lineCount, indexLinesAtOnce(maxConnections, bucketBits)),
    recordUnits: Slab.unitsForOneClass(maxConnections, maxParticipants),
  };
  const part = Math.max(0, (left - wordsOf(least)) / (wordsOf(worst) - wordsOf(least)));
  return {
    lineCount: least.lineCount + Math.floor(part * (worst.lineCount - least.lineCount)),
    recordUnits: least.recordUnits + Math.floor(part * (worst.recordUnits - least.recordUnits)),
    isWhole: false,
  };
}

function wordsOf({ lineCount, recordUnits }: { lineCount: number; recordUnits: number }): number {
  return lineCount * LINE_COST + recordUnits * UNIT_WORDS;
}
