/**
 * Participants: the threads that work on a table (PMDs, the sweeper, whoever dumps or flushes). Each has a block of
 * shared words that only it writes, a multiple of the cache line apart from everybody else's.
 *
 *   line 0       who and when     claimed flag, announced epoch
 *   line 1       intent           what this participant is in the middle of (see below)
 *   lines 2-3    caches           free records and line blocks of its own, and those it has retired
 *   lines 4-11   counters         64-bit floats, read by anyone (counters.ts)
 *
 * The intent is written under the bucket's lock before the first change and cleared after the last. Whoever finds
 * the lock of a dead participant reads there what has to be finished or undone.
 */

import { compareExchange, load, store, type Words } from './access.ts';
import { LINE_WORDS } from './cache-line.ts';
import { LockRecorder, PROFILED } from './lock-profile.ts';
import { lockTagOf, type LockOwner } from './mutex.ts';

/** Word offsets inside a participant's block. */
export const ParticipantWord = {
  /** 0 free, 1 claimed. Atomic: any thread claims, the owner releases. */
  CLAIMED: 0,
  /** Epoch announced at the last quiescent point, 0 while offline. Atomic: owner writes, all read. */
  EPOCH: 1,
  /** An IntentKind. Owner writes under a bucket's lock; read by a repairer after the owner died. */
  INTENT_KIND: LINE_WORDS,
  INTENT_BUCKET_A: LINE_WORDS + 1,
  INTENT_BUCKET_B: LINE_WORDS + 2,
  /** Record being linked or unlinked. */
  INTENT_RECORD: LINE_WORDS + 3,
  /** For growth: directory word before and after. */
  INTENT_OLD_DIRECTORY: LINE_WORDS + 4,
  INTENT_NEW_DIRECTORY: LINE_WORDS + 5,
  /** SLAB_CACHE_WORDS for each record class, then the line arena's. Owner only. */
  CACHES: 2 * LINE_WORDS,
  /** Float64s. Owner writes, all read. */
  COUNTERS: 4 * LINE_WORDS,
} as const;

export const PARTICIPANT_WORDS: number = 12 * LINE_WORDS;

/** What a participant is in the middle of. */
export const IntentKind = { none: 0, link: 1, unlink: 2, grow: 3 } as const;

/** Where the participants' blocks lie. */
export interface ParticipantRegion {
  readonly words: Words;
  /** Word offset of participant 0's block. */
  readonly base: number;
  readonly maxParticipants: number;
  /** Of a profiled process (lock-profile.ts). */
  readonly profile?: Words | undefined;
}

/** A thread's own handle on its block: make one per thread. */
export class Participant implements LockOwner {
  readonly id: number;
  readonly words: Words;
  /** Word offset of this participant's block. */
  readonly base: number;
  readonly lockTag: number;
  spinEstimate = 20;
  readonly recorder?: LockRecorder | undefined;

  constructor(region: ParticipantRegion, id: number) {
    this.id = id;
    this.words = region.words;
    this.base = region.base + id * PARTICIPANT_WORDS;
    this.lockTag = lockTagOf(id);
    this.recorder = PROFILED && region.profile !== undefined ? new LockRecorder(region.profile, id) : undefined;
  }
}

/**
 * Claims a free block for the calling thread.
 * @throws RangeError when all are taken.
 */
export function claimParticipant(region: ParticipantRegion): Participant {
  for (let id = 0; id < region.maxParticipants; id++) {
    const claimed = region.base + id * PARTICIPANT_WORDS + ParticipantWord.CLAIMED;
    if (compareExchange(region.words, claimed, 0, 1) === 0) {
      return new Participant(region, id);
    }
  }
  throw new RangeError(`all ${region.maxParticipants} participants of this table are taken; raise maxParticipants`);
}

/** Does a thread have this block now? */
export function isClaimed(region: ParticipantRegion, id: number): boolean {
  return load(region.words, region.base + id * PARTICIPANT_WORDS + ParticipantWord.CLAIMED) !== 0;
}

/** Gives the block back. The caller is offline and holds nothing. */
export function releaseParticipant(participant: Participant): void {
  store(participant.words, participant.base + ParticipantWord.EPOCH, 0);
  store(participant.words, participant.base + ParticipantWord.CLAIMED, 0);
}

/** Records that `record` is about to be linked into (or unlinked from) the buckets; under their locks. */
export function declareLinkIntent(
  participant: Participant,
  kind: typeof IntentKind.link | typeof IntentKind.unlink,
  bucketA: number,
  bucketB: number,
  record: number,
): void {
  const words = participant.words;
  const base = participant.base;
  words[base + ParticipantWord.INTENT_BUCKET_A] = bucketA;
  words[base + ParticipantWord.INTENT_BUCKET_B] = bucketB;
  words[base + ParticipantWord.INTENT_RECORD] = record;
  words[base + ParticipantWord.INTENT_KIND] = kind;
}

/** The change that was declared is complete. */
export function clearIntent(participant: Participant): void {
  participant.words[participant.base + ParticipantWord.INTENT_KIND] = IntentKind.none;
}
