/**
 * A participant is a thread that works on a table: a PMD, the sweeper, a thread that dumps or flushes. Each has a
 * participant slot: a block of shared words that only this thread writes. Blocks begin and end at cache lines.
 *
 *   line        word   0         1         2           3         4               5
 *            +---------------------------------------------------------------------------------------------+
 *    0       | CLAIMED * EPOCH   * SLEEPS_ON h THREAD  * THREAD_STARTED  REPAIRER *                        |  the thread
 *    1       | INTENT_KIND  INTENT_RECORD  INTENT_REASON  RECORD_IN_FLIGHT                                 |  intents
 *            |   +4 QUOTA_CREDIT, 4 words   +8 ZONE_CREDIT, 4 words                                        |
 *            |   +12 PREFETCHED_CREDITS  CONNECTION_LOCK  EVENT  BATCH                                     |
 *    2, 3    | CACHES: of each record class, then of the line arena, then of the zone lists                |  free, retired
 *    4-11    | COUNTERS: 64 floats of 64 bits                                                            h |  counters.ts
 *   12       | GROW_BUCKET GROW_OLD GROW_NEW  QUOTA_POOL  _IS_KNOWN  _RESERVED  _IN_TRANSIT                |  rare intents
 *            |   +7 LIST_SEGMENT  LIST_PLACE  LIST_EMPTIED  LIST_UNLINKED                                  |  zone lists
 *   13-15    | ENGINE: of the other engines                                                                |  core/engines
 *            +---------------------------------------------------------------------------------------------+
 *
 *   *   atomic, see the field     h   a hint: the owner writes plainly, any thread reads
 *   all others: only the owner, and the thread that repairs after it, reads and writes them
 *
 * The intents say what the thread is about to change, and what it has taken. If the thread dies, another thread reads them
 * and repairs (core/repair). They are plain stores of the owner. One rule makes them exact:
 *
 *   V8 ends a thread only where a function begins and where a loop goes round. Everything between two such points happens
 *   as a whole or not at all. So a store that notes what an atomic operation did must follow that operation directly, with
 *   no function call in between. This is why such stores are written out in place, and not moved into a function.
 */

import type { Words } from '../access.ts';
import { LINE_WORDS } from './cache-line.ts';
import { LockRecorder, PROFILED } from '../sync/lock-profile.ts';
import { lockTagOf, type LockOwner } from '../sync/mutex.ts';
import { wordLayout } from './word-layout.ts';

/** Words of a participant's block. */
export const PARTICIPANT_WORDS: number = 16 * LINE_WORDS;
/** Words of its counters. */
export const COUNTER_WORDS: number = 8 * LINE_WORDS;

/** Offset of each field in a participant's block. */
export const ParticipantWord = wordLayout("a participant's block", PARTICIPANT_WORDS, {
  /**
   * The slot's Claim (participant-slots.ts), and above it a token: the one by which its thread took the slot, or by which a
   * thread may take it; 0: there is none. Atomic: any thread claims a free slot, the owner frees it, the thread that repairs
   * makes it vacant or reserved.
   */
  CLAIMED: 1,
  /** Epoch published at the last quiescent point; 0 while offline. Atomic: the owner writes, all read. */
  EPOCH: 1,
  /**
   * Word index of the mutex on which the thread sleeps; the index's complement if the mutex lies in another region; 0: it
   * does not sleep. A hint.
   */
  SLEEPS_ON: 1,
  /**
   * The system's number of the owning thread (core/repair/thread-mark.ts); NO_THREAD: it has left. 0: a thread is just
   * claiming or freeing the slot. Atomic: the owner writes it, after THREAD_STARTED (plain). A thread that wants to repair
   * reads it.
   */
  THREAD: 1,
  THREAD_STARTED: 1,
  /**
   * The participant that repairs after this one, + 1; 0: none. Atomic: the thread that repairs takes and releases it
   * (core/repair/repair-turn.ts).
   */
  REPAIRER: 1,
  _LINE_0: LINE_WORDS - 6,

  /** An IntentKind. */
  INTENT_KIND: 1,
  /** The record that is being removed. */
  INTENT_RECORD: 1,
  /** The counter that its removal will increment. */
  INTENT_REASON: 1,
  /** A record that was allocated and is not linked yet: record << 1 | class. 0: none. */
  RECORD_IN_FLIGHT: 1,
  /** Credits in flight (CreditWord): of the table's quota pool, and of the zones' pools. */
  QUOTA_CREDIT: 4,
  ZONE_CREDIT: 4,
  /** The table's credits that were prefetched for the present batch and are not used yet. */
  PREFETCHED_CREDITS: 1,
  /** Word index of the connection lock that the thread took last, or is about to take. */
  CONNECTION_LOCK: 1,
  /** An EventIntent. */
  EVENT: 1,
  /** Serial number of the last batch. The next thread in this slot continues the count. */
  BATCH: 1,

  /** SLAB_CACHE_WORDS for each record class, then the line arena's cache; the last SLAB_CACHE_WORDS are the zone lists'. */
  CACHES: 2 * LINE_WORDS,
  /** 64-bit floats. The owner writes, all read. */
  COUNTERS: COUNTER_WORDS,

  /**
   * A bucket that is growing: its number, its directory word before the growth, and after. The latter names a block that
   * is not in use yet; 0: none.
   */
  GROW_BUCKET: 1,
  GROW_OLD: 1,
  GROW_NEW: 1,
  /** The quota pool whose mutex the thread took last, or is about to take. */
  QUOTA_POOL: 1,
  /** 1 while QUOTA_RESERVED is the right value of the pool's RESERVED, should the thread die now. */
  QUOTA_IS_KNOWN: 1,
  QUOTA_RESERVED: 1,
  /** Credits that are counted in QUOTA_RESERVED and not yet in this participant's unused word. */
  QUOTA_IN_TRANSIT: 1,
  /** Intents of the zone lists (core/zones/zone-lists.ts). A segment that was allocated and is in no list yet; 0: none. */
  LIST_SEGMENT: 1,
  /** A place that is being cleared, and is not uncounted in its segment yet; 0: none. */
  LIST_PLACE: 1,
  /** A segment without live places that must be taken out of its list; 0: none. */
  LIST_EMPTIED: 1,
  /** A segment that was taken out of its list and is not retired yet; 0: none. */
  LIST_UNLINKED: 1,
  _LINE_12: LINE_WORDS - 11,
  /** Words of the other engines (core/engines). */
  ENGINE: 3 * LINE_WORDS,
});

/** The change that a participant has begun. */
export const IntentKind = {
  none: 0,
  /**
   * It holds the bucket locks and links RECORD_IN_FLIGHT. In one step the record becomes linked, is counted, and is no
   * longer in flight.
   */
  link: 1,
  /** It has set `cleaned` of INTENT_RECORD. The record may be linked in both buckets, in one, or in none. */
  unlink: 2,
  /** INTENT_RECORD is unlinked and counted. Its table credit is in flight. Its zone credit is still taken. */
  unlinked: 3,
  /** The same, and its zone credit is released. Expectations may be left. The record is not retired. */
  zoneReleased: 4,
  /** As link, but RECORD_IN_FLIGHT did not fit into its second bucket. `cleaned` is set, and the record will be freed. */
  undo: 5,
} as const;

/** An event that is not published yet. Publishing it sets `none`. */
export const EventIntent = {
  none: 0,
  /** The `new` event for RECORD_IN_FLIGHT is complete. The record is not linked yet. */
  created: 1,
  /** The same, and the record is linked. */
  due: 2,
  /** With IntentKind.unlink: the `destroy` event is missing. */
  removal: 3,
  update: 4,
} as const;

/** Credits that a participant took from pools of one region (quota-pool.ts) and has not used. */
export const CreditWord = { UNITS: 0, POOL: 1, GENERATION: 2 } as const;

/** The memory of all participants' blocks. */
export interface ParticipantRegion {
  readonly words: Words;
  /** Word offset of participant 0's block. */
  readonly base: number;
  readonly maxParticipants: number;
  /** The profiler's region, in a profiled process (lock-profile.ts). */
  readonly profile?: Words | undefined;
}

/** A view of one participant's block: of the thread's own, or of a dead thread's for the thread that repairs. */
export class Participant implements LockOwner {
  readonly id: number;
  readonly words: Words;
  /** Word offset of this participant's block. */
  readonly base: number;
  readonly lockTag: number;
  spinEstimate = 20;
  /** 0, no limit, except inside calls of Conntrack that can undo their work when they throw a LockTimeoutError. */
  timeoutMs?: number = 0;
  readonly recorder?: LockRecorder | undefined;

  constructor(region: ParticipantRegion, id: number) {
    this.id = id;
    this.words = region.words;
    this.base = region.base + id * PARTICIPANT_WORDS;
    this.lockTag = lockTagOf(id);
    this.recorder = PROFILED && region.profile !== undefined ? new LockRecorder(region.profile, id) : undefined;
  }

  fallAsleep(words: Words, index: number): void {
    this.words[this.base + ParticipantWord.SLEEPS_ON] = isSamePlace(words, this.words) ? index : ~index;
  }

  wakeUp(): void {
    this.words[this.base + ParticipantWord.SLEEPS_ON] = 0;
  }
}

/** Do two regions begin at the same word? Several regions may lie in one buffer. */
function isSamePlace(a: Words, b: Words): boolean {
  return a.buffer === b.buffer && a.byteOffset === b.byteOffset;
}
