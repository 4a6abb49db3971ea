/**
 * Only one thread at a time repairs a participant: two would both act in the dead thread's place. The turn is a word of
 * the dead thread's block that names the repairing thread. If that thread dies too, another one takes the turn over.
 */

import { compareExchange, load } from '../../shared/access.ts';
import { Claim, claimOf, participantAt } from '../../shared/memory/participant-slots.ts';
import { type ParticipantRegion, ParticipantWord } from '../../shared/memory/participant.ts';
import { UsageError } from '../errors.ts';
import { isThreadShown } from './thread-mark.ts';

/** A repair takes less than a millisecond, but the system may show a thread for a moment after its 'exit' event. */
const WAIT_MS = 100;
const POLL_MS = 1;

function turnWord(region: ParticipantRegion, id: number): number {
  return participantAt(region, id).base + ParticipantWord.REPAIRER;
}

/**
 * Takes the turn to repair participant `id`. @param own the calling thread's participant
 * @throws UsageError if another living thread does not end its turn in time
 */
export function takeRepairTurn(region: ParticipantRegion, id: number, own: number): void {
  const { words } = region;
  const turn = turnWord(region, id);
  const deadline = performance.now() + WAIT_MS;
  for (;;) {
    const seen = load(words, turn);
    if (!isTakenByOther(region, seen, own) && compareExchange(words, turn, seen, own + 1) === seen) {
      return;
    }
    if (performance.now() > deadline) {
      throw new UsageError(`participant ${id} is being repaired by another thread: let that thread finish`);
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, POLL_MS);
  }
}

function isTakenByOther(region: ParticipantRegion, seen: number, own: number): boolean {
  const isFree = seen === 0 || seen === own + 1;
  return !isFree && claimOf(region, seen - 1) === Claim.claimed && isThreadShown(participantAt(region, seen - 1));
}

/** Ends the turn of participant `own` to repair participant `id`, if it has it. */
export function endRepairTurn(region: ParticipantRegion, id: number, own: number): void {
  compareExchange(region.words, turnWord(region, id), own + 1, 0);
}

/** Ends all turns of participant `id`, which was repaired. Another thread may soon have its slot. */
export function endRepairTurnsOf(region: ParticipantRegion, id: number): void {
  for (let other = 0; other < region.maxParticipants; other++) {
    endRepairTurn(region, other, id);
  }
}
