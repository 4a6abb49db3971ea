/**
 * The words of the zone lists (zone-lists.ts). They have an array of their own: behind the table's words in the memory of the packet
 * module, or else in a separate region. A zone has a list for each participant that created connections in it. A list consists of
 * segments, each a cache line.
 *
 *   -           one line
 *   slab        the segments' slab (shared/memory/slab.ts)
 *   locks       a cache line for each participant: the mutex of its lists
 *   heads       zone 0: one word for each participant; zone 1: ... The first segment of the list, 0: it is empty
 *   tails       participant 0: two words for each zone; participant 1: ...
 *   segments
 *
 *                heads[zone, participant]
 *                   |
 *                   v   LIVE  LIST  NEXT  PREVIOUS   12 places
 *                 +-------------------------------------------------------+
 *      segment    |  5  | id  |  o  |  0   | a 0 0 b 0 c 0 0 d 0 e 0       |   full once, 7 of its connections are gone
 *                 +-----------------|-------------------------------------+
 *                                   v
 *                 +-------------------------------------------------------+
 *      segment    | 11  | id  |  0  |  o   | f 0 g . . . . . . . . .       |   1 is gone, 9 places were never used
 *                 +-----------------------------^-------------------------+
 *                                               |
 *                            tails[participant, zone].NEXT_PLACE; and LAST, the last segment
 *
 *   word          meaning, who may write it, and when
 *   mutex         of all lists of the participant
 *   head          atomic: stored under the mutex, loaded without it
 *   NEXT_PLACE    the word of the next free place; a multiple of 16: the last segment is full, or there is none. Only the participant
 *                 itself writes and reads it
 *   LAST          under the mutex
 *   LIVE          places that may still be used or cleared: 12 at first. atomic: whoever clears a place subtracts 1
 *   LIST          zone * participants + participant. immutable; the slab's tag while the segment is free or retired
 *   NEXT          atomic: stored under the mutex, loaded without it. A segment that was taken out keeps it for its readers
 *   PREVIOUS      under the mutex; the slab's link while the segment is free or retired
 *   place         a record, 0: none. The participant stores it; the thread that removes the connection clears it. Loaded by any
 */

import { LINE_WORDS, wholeLines } from '../../shared/memory/cache-line.ts';
import { RECORD_CLASSES, Slab, SLAB_CACHE_WORDS, SLAB_WORDS } from '../../shared/memory/slab.ts';
import { ParticipantWord } from '../../shared/memory/participant.ts';
import type { MemorySizes } from '../memory/memory-limits.ts';
import { ARENA_CACHE_END } from '../table/line-arena.ts';
import { MAX_ZONE } from './zone.ts';

export const ZONES: number = MAX_ZONE + 1;

/** Words of a segment, and log2 of it. */
export const SEGMENT_WORDS: number = LINE_WORDS;
export const SEGMENT_SHIFT = 4;
export const SegmentWord = { LIVE: 0, LIST: 1, NEXT: 2, PREVIOUS: 3 } as const;
export const FIRST_PLACE = 4;
/** Places of a segment. */
export const PLACES: number = SEGMENT_WORDS - FIRST_PLACE;

/** Words of a tail. */
export const TAIL_WORDS = 2;
export const TailWord = { NEXT_PLACE: 0, LAST: 1 } as const;

/** The slab's caches in a participant's block: the last of the CACHES. */
export const SEGMENT_CACHE = 3;

if (1 << SEGMENT_SHIFT !== SEGMENT_WORDS || RECORD_CLASSES > SEGMENT_CACHE) {
  throw new Error('the constants of the zone lists disagree');
}
if (
  ARENA_CACHE_END > ParticipantWord.CACHES + SEGMENT_CACHE * SLAB_CACHE_WORDS ||
  ParticipantWord.CACHES + (SEGMENT_CACHE + 1) * SLAB_CACHE_WORDS > ParticipantWord.COUNTERS
) {
  throw new Error("the caches of the zone lists do not fit into a participant's block");
}

/** Word index at which each part starts. */
export interface ZoneListsLayout {
  slab: number;
  locks: number;
  heads: number;
  tails: number;
  /** Numbers of the first segment, and of the one after the last. Segment s starts at word s * SEGMENT_WORDS. */
  firstSegment: number;
  endSegment: number;
  /** Words in all. */
  end: number;
}

/**
 * Every segment but the last of a list has a live place, so it belongs to a connection of its own in the worst case. The system
 * commits only segments that are used: about 5 bytes a connection. The most connections with the most participants take less than
 * 2^31 words, so every place has an index of 31 bits.
 */
export function zoneListsLayout({ maxConnections, maxParticipants }: MemorySizes): ZoneListsLayout {
  /* Not in the first line: the words of the locks in the smaller regions tell which region it is (workers/supervision/lock-waits.ts). */
  const slab = LINE_WORDS;
  const locks = slab + SLAB_WORDS;
  const heads = locks + maxParticipants * LINE_WORDS;
  const tails = heads + wholeLines(ZONES * maxParticipants);
  const segments = tails + ZONES * maxParticipants * TAIL_WORDS;
  const firstSegment = Math.ceil(segments / (2 * SEGMENT_WORDS)) * 2;
  const endSegment = firstSegment + Slab.unitsForOneClass(maxConnections + ZONES * maxParticipants, maxParticipants);
  return { slab, locks, heads, tails, firstSegment, endSegment, end: endSegment * SEGMENT_WORDS };
}
