/**
 * Participants: the threads that work on a table (PMDs, the sweeper, whoever dumps or flushes). Each has a block of
 * shared words that only it writes, a multiple of the cache line apart from everybody else's.
 *
 *   line        word   0         1         2           3         4               5
 *            +---------------------------------------------------------------------------------------------+
 *    0       | CLAIMED * EPOCH   * SLEEPS_ON h THREAD  * THREAD_STARTED  REPAIRER *                          |  who and when
 *    1       | INTENT_KIND  INTENT_RECORD  INTENT_REASON  RECORD_IN_FLIGHT                                     |  intents: what it
 *            |   +4 QUOTA_CREDIT, 4 words   +8 ZONE_CREDIT, 4 words   +12 PREFETCHED_CREDITS CONNECTION_LOCK EVENT BATCH  |  has in hand
 *    2, 3    | CACHES: of each record class, then of the line arena                                          |  free, retired
 *    4-11    | COUNTERS: 64 floats of 64 bits                                                              h |  counters.ts
 *   12       | GROW_BUCKET GROW_OLD GROW_NEW  POOL POOL_IS_KNOWN POOL_RESERVED POOL_UNITS                  |  slow intents
 *   13-15    | ENGINE: of the other engines                                                                |  core/engines
 *            +---------------------------------------------------------------------------------------------+
 *
 *   *   atomic, see the field     h   a hint: the owner writes plainly, anyone reads
 *   all else: the owner only, and whoever repairs after it
 *
 * The intents are for whoever repairs after this participant's thread has died (core/repair). They are plain stores of the
 * owner, and one rule makes them exact: V8 ends a thread where a function begins and where a loop goes round, so what
 * stands between two such points happens as a whole or not at all. A store that says what an atomic operation has done
 * follows it directly, with no call of a function in between; that is why such stores are written out where they are.
 */

import { compareExchange, load, store, type Words } from '../access.ts';
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
   * A Claim, and above it a token: of the thread that may take the place, or by which its thread took it, in one step. 0: it
   * claimed a free one. Atomic: any thread claims, the owner releases, the thread that repairs makes it vacant or reserved.
   */
  CLAIMED: 1,
  /** Epoch announced at the last quiescent point, 0 while offline. Atomic: owner writes, all read. */
  EPOCH: 1,
  /** Word index of the mutex that it sleeps on, its complement if that is not in the table's words; 0: it does not. A hint. */
  SLEEPS_ON: 1,
  /**
   * The thread that has the place (core/thread-mark.ts); 0: it has not said so yet, or is just giving the place back; NO_THREAD.
   * Atomic: the owner writes it, after THREAD_STARTED (plain), who would repair reads.
   */
  THREAD: 1,
  THREAD_STARTED: 1,
  /** Who repairs after its thread: participant + 1; 0: nobody. Atomic: whoever repairs takes and releases it (core/repair-turn.ts). */
  REPAIRER: 1,
  _LINE_0: LINE_WORDS - 6,

  /** An IntentKind. This and all other intents: owner only, and whoever repairs after it. */
  INTENT_KIND: 1,
  /** The record that is being removed. */
  INTENT_RECORD: 1,
  /** The counter that its removal belongs in. */
  INTENT_REASON: 1,
  /** A record taken from the slab and not linked yet: record << 1 | class. 0: none. */
  RECORD_IN_FLIGHT: 1,
  /** A quota pool's hand (CreditWord): that of the table, and that of zones. */
  QUOTA_CREDIT: 4,
  ZONE_CREDIT: 4,
  /** Units of the table's room that were taken ahead for a batch and are not used up. */
  PREFETCHED_CREDITS: 1,
  /** Word index of the connection lock that was taken last, or is about to be. */
  CONNECTION_LOCK: 1,
  /** An EventIntent. */
  EVENT: 1,
  /** Serial number of the last batch: the next thread that has this place goes on counting. */
  BATCH: 1,

  /** SLAB_CACHE_WORDS for each record class, then the line arena's. Owner only. */
  CACHES: 2 * LINE_WORDS,
  /** Float64s. Owner writes, all read. */
  COUNTERS: COUNTER_WORDS,

  /** Growth of a bucket: its number, the directory word before, and after: a block that is not in use yet. 0: none. */
  GROW_BUCKET: 1,
  GROW_OLD: 1,
  GROW_NEW: 1,
  /** The quota pool whose mutex was taken last, or is about to be. */
  POOL: 1,
  /** 1 while POOL_RESERVED says what the pool's RESERVED should be, were it left as it is now. */
  POOL_IS_KNOWN: 1,
  POOL_RESERVED: 1,
  /** Units that are reserved, and on their way to this participant's unused word. */
  POOL_UNITS: 1,
  _LINE_12: LINE_WORDS - 7,
  /** Of the other engines (core/engines). */
  ENGINE: 3 * LINE_WORDS,
});

/** States of a place at the table. */
export const Claim = {
  free: 0,
  /** A thread has it. */
  claimed: 1,
  /** Its thread has died and was repaired after: for the thread that has the token, or if no other place is left for anyone. */
  vacant: 2,
  /** For the thread that has the token, and for nobody else. */
  reserved: 3,
} as const;
const CLAIM_MASK = 3;
const TOKEN_SHIFT = 2;
const MAX_TOKEN = 0x1fffffff;

/** In THREAD: the thread that had the place has no more to do with it, though it stays claimed. */
export const NO_THREAD = -1;

/** What a participant is in the middle of. */
export const IntentKind = {
  none: 0,
  /** The locks are held; RECORD_IN_FLIGHT is being linked. It is linked, counted and nobody's in hand in one step. */
  link: 1,
  /** It has set `cleaned` of INTENT_RECORD, which is linked, or no longer in both of its buckets. */
  unlink: 2,
  /** INTENT_RECORD is unlinked and counted, its unit of the table's room in hand; its zone's is still taken. */
  unlinked: 3,
  /** So is the zone's unit given back; expectations may be left, the record is not retired. */
  zoneReleased: 4,
  /** As link: RECORD_IN_FLIGHT found no room in the second of its buckets; it has `cleaned` set and goes back. */
  undo: 5,
} as const;

/** What of an event is still to be done; `publish` makes it none. */
export const EventIntent = {
  none: 0,
  /** The event of a creation is complete, and tells of RECORD_IN_FLIGHT. */
  created: 1,
  /** The same, and the connection is linked. */
  due: 2,
  /** With IntentKind.unlink: the removal was not told. */
  removal: 3,
  update: 4,
} as const;

/** What a participant has taken from the pools of one region (quota-pool.ts) and not made use of. */
export const CreditWord = { UNITS: 0, POOL: 1, GENERATION: 2 } as const;

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
  /** For ever, but inside calls that put in order what they leave when they give up (Conntrack). */
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
    this.words[this.base + ParticipantWord.SLEEPS_ON] = words.buffer === this.words.buffer ? index : ~index;
  }

  wakeUp(): void {
    this.words[this.base + ParticipantWord.SLEEPS_ON] = 0;
  }
}

/**
 * Claims a free block for the calling thread; if there is none, that of a thread that has died and was repaired after.
 * @throws RangeError when all are taken.
 */
export function claimParticipant(region: ParticipantRegion): Participant {
  return claimAs(region, Claim.claimed);
}

/** @param claimed what the claim word becomes */
function claimAs(region: ParticipantRegion, claimed: number): Participant {
  for (const from of [Claim.free, Claim.vacant]) {
    for (let id = 0; id < region.maxParticipants; id++) {
      const word = load(region.words, claimWord(region, id));
      if (
        (word & CLAIM_MASK) === from &&
        compareExchange(region.words, claimWord(region, id), word, claimed) === word
      ) {
        return new Participant(region, id);
      }
    }
  }
  throw new RangeError(`all ${region.maxParticipants} participants of this table are taken; raise maxParticipants`);
}

function claimWord(region: ParticipantRegion, id: number): number {
  return region.base + id * PARTICIPANT_WORDS + ParticipantWord.CLAIMED;
}

function newToken(): number {
  return 1 + Math.floor(Math.random() * MAX_TOKEN);
}

/**
 * Claims a free block for a thread that is yet to start, and gives the token with which that thread takes it (adoptParticipant).
 * @throws RangeError when all are taken
 */
export function reserveParticipant(region: ParticipantRegion): { participant: Participant; token: number } {
  const token = newToken();
  return { participant: claimAs(region, Claim.reserved | (token << TOKEN_SHIFT)), token };
}

/**
 * Takes a place that is kept for the calling thread: a reserved one, or that of a thread that has died and was repaired after.
 * With the place come its caches of free records, what is retired there, its unused room and its counters.
 * @param token what reserveParticipant or the repair gave; it is good for one taking
 * @throws RangeError when the token is not that of the place
 */
export function adoptParticipant(region: ParticipantRegion, id: number, token: number): Participant {
  const isSlot = Number.isInteger(id) && id >= 0 && id < region.maxParticipants;
  if (!isSlot) {
    throw new RangeError(`there is no such participant to take over: they are 0 to ${region.maxParticipants - 1}`);
  }
  if (!isKept(claimOf(region, id))) {
    throw new RangeError(
      `participant ${id} cannot be taken over: a thread has it, or it is not one that was repaired after`,
    );
  }
  const isToken = Number.isInteger(token) && token > 0 && token <= MAX_TOKEN;
  const above = token << TOKEN_SHIFT;
  const takes = (claim: number) => {
    const word = claim | above;
    return compareExchange(region.words, claimWord(region, id), word, Claim.claimed | above) === word;
  };
  if (!isToken || !(takes(Claim.vacant) || takes(Claim.reserved))) {
    const isTaken = !isKept(claimOf(region, id));
    const reason = isTaken ? 'another thread has just taken it' : 'the token is not the one that the last repair gave';
    throw new RangeError(`participant ${id} cannot be taken over: ${reason}`);
  }
  const participant = participantAt(region, id);
  /* Its thread may have died asleep. */
  participant.wakeUp();
  return participant;
}

/** Is a place with this claim kept for a thread with a token? */
function isKept(claim: number): boolean {
  return claim === Claim.vacant || claim === Claim.reserved;
}

/** The block of another thread, for the thread that repairs after it. */
export function participantAt(region: ParticipantRegion, id: number): Participant {
  return new Participant(region, id);
}

/**
 * The repaired place of a dead thread waits for its replacement.
 * @param claim Claim.vacant or Claim.reserved
 * @returns the token with which the replacement takes it
 */
export function keepForToken(participant: Participant, claim: number): number {
  const token = newToken();
  store(participant.words, participant.base + ParticipantWord.THREAD, 0);
  store(participant.words, participant.base + ParticipantWord.CLAIMED, claim | (token << TOKEN_SHIFT));
  return token;
}

/** The token of a block: the one by which its thread took it, or by which one may take it; 0: it has none. */
export function tokenOf(region: ParticipantRegion, id: number): number {
  return load(region.words, claimWord(region, id)) >>> TOKEN_SHIFT;
}

/** Does a thread have this block now, or did one that has died? */
export function isClaimed(region: ParticipantRegion, id: number): boolean {
  return load(region.words, claimWord(region, id)) !== Claim.free;
}

/** A Claim. */
export function claimOf(region: ParticipantRegion, id: number): number {
  return load(region.words, claimWord(region, id)) & CLAIM_MASK;
}

/** Gives the block back. The caller is offline and holds nothing. */
export function releaseParticipant(participant: Participant): void {
  store(participant.words, participant.base + ParticipantWord.THREAD, 0);
  store(participant.words, participant.base + ParticipantWord.EPOCH, 0);
  store(participant.words, participant.base + ParticipantWord.CLAIMED, 0);
}
