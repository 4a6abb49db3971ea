/**
 * Who has which participant slot. A thread claims a free slot, or takes over a slot that is kept for it by a token.
 *
 *      free      --> claimed             claimParticipant
 *      free      --> reserved            reserveParticipant, for a thread that is not started yet
 *      reserved  --> claimed             adoptParticipant, with the token
 *      claimed   --> free                releaseParticipant
 *      claimed   --> vacant, reserved    keepForToken, after the thread died and the repair is complete
 *      reserved  --> vacant, reserved    the same, if the thread died before it took the slot
 *      vacant    --> claimed             adoptParticipant with the token; claimParticipant if no slot is free
 *
 * Each arrow is one atomic operation on the slot's claim word (ParticipantWord.CLAIMED), so no two threads get one slot.
 */

import { compareExchange, load, store } from '../access.ts';
import { PARTICIPANT_WORDS, Participant, ParticipantWord, type ParticipantRegion } from './participant.ts';

/** State of a participant slot. */
export const Claim = {
  free: 0,
  /** A thread has it. */
  claimed: 1,
  /** Its thread has died and was repaired after. The thread with the token takes it; any thread does if no slot is free. */
  vacant: 2,
  /** Only the thread with the token takes it. */
  reserved: 3,
} as const;
const CLAIM_MASK = 3;
const TOKEN_SHIFT = 2;
const MAX_TOKEN = 0x1fffffff;

/** In ParticipantWord.THREAD: the owner has left the slot for a successor. The slot stays claimed. */
export const NO_THREAD = -1;

/**
 * Claims a free slot for the calling thread. If there is none, claims a vacant one.
 * @throws RangeError when all slots are taken
 */
export function claimParticipant(region: ParticipantRegion): Participant {
  return claimAs(region, Claim.claimed);
}

/** @param claimed the new value of the claim word */
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
  throw new RangeError(
    `all ${region.maxParticipants} participants of this table are taken: raise maxParticipants, or close a handle`,
  );
}

function claimWord(region: ParticipantRegion, id: number): number {
  return region.base + id * PARTICIPANT_WORDS + ParticipantWord.CLAIMED;
}

function newToken(): number {
  return 1 + Math.floor(Math.random() * MAX_TOKEN);
}

/**
 * Claims a slot for a thread that is not started yet.
 * @returns the slot, and the token with which that thread takes it (adoptParticipant)
 * @throws RangeError when all slots are taken
 */
export function reserveParticipant(region: ParticipantRegion): { participant: Participant; token: number } {
  const token = newToken();
  return { participant: claimAs(region, Claim.reserved | (token << TOKEN_SHIFT)), token };
}

/**
 * Takes a slot that is kept for the calling thread: a reserved one, or that of a dead thread after its repair. The caches of
 * free and retired records, the unused credits and the counters belong to the slot and come with it.
 * @param token of reserveParticipant or of the repair; it can be used once
 * @throws RangeError when the slot is not kept, or not for this token
 */
export function adoptParticipant(region: ParticipantRegion, id: number, token: number): Participant {
  const isSlot = Number.isInteger(id) && id >= 0 && id < region.maxParticipants;
  if (!isSlot) {
    throw new RangeError(`there is no such participant to take over: they are 0 to ${region.maxParticipants - 1}`);
  }
  if (!isKept(claimOf(region, id))) {
    throw new RangeError(
      `participant ${id} cannot be taken over: a thread has it, or it was not repaired after its thread died`,
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
  /* The dead thread may have died asleep. */
  participant.wakeUp();
  return participant;
}

/** Is a slot with this claim kept for a thread with a token? */
function isKept(claim: number): boolean {
  return claim === Claim.vacant || claim === Claim.reserved;
}

/** Another thread's slot, for the thread that repairs after it. */
export function participantAt(region: ParticipantRegion, id: number): Participant {
  return new Participant(region, id);
}

/**
 * Keeps the repaired slot of a dead thread for its replacement.
 * @param claim Claim.vacant or Claim.reserved
 * @returns the token with which the replacement takes it
 */
export function keepForToken(participant: Participant, claim: number): number {
  const token = newToken();
  store(participant.words, participant.base + ParticipantWord.THREAD, 0);
  store(participant.words, participant.base + ParticipantWord.CLAIMED, claim | (token << TOKEN_SHIFT));
  return token;
}

/** The token in a slot's claim word: by it the slot's thread took it, or a thread may take it. 0: there is none. */
export function tokenOf(region: ParticipantRegion, id: number): number {
  return load(region.words, claimWord(region, id)) >>> TOKEN_SHIFT;
}

/** Is the slot not free? A thread has it, or it is kept for one. */
export function isClaimed(region: ParticipantRegion, id: number): boolean {
  return load(region.words, claimWord(region, id)) !== Claim.free;
}

/** The slot's Claim. */
export function claimOf(region: ParticipantRegion, id: number): number {
  return load(region.words, claimWord(region, id)) & CLAIM_MASK;
}

/** Frees the slot. The caller must be offline, hold no lock, and have nothing in flight. */
export function releaseParticipant(participant: Participant): void {
  store(participant.words, participant.base + ParticipantWord.THREAD, 0);
  store(participant.words, participant.base + ParticipantWord.EPOCH, 0);
  store(participant.words, participant.base + ParticipantWord.CLAIMED, 0);
}
