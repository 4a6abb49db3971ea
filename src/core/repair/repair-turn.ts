/**
 * Of two threads that repair after the same one at once, one waits for the other: both would act in the dead one's place. The turn is
 * a word of the dead one's block that names who has it; of one who has died as well it is taken over.
 */

import { compareExchange, load } from '../../shared/access.ts';
import { Claim, claimOf, participantAt } from '../../shared/memory/participant-slots.ts';
import { type ParticipantRegion, ParticipantWord } from '../../shared/memory/participant.ts';
import { UsageError } from '../errors.ts';
import { isThreadShown } from './thread-mark.ts';

/** A repair takes less than a millisecond, and a thread may be shown for a moment after its 'exit' event. */
const WAIT_MS = 100;
const POLL_MS = 1;

function turnWord(region: ParticipantRegion, id: number): number {
  return participantAt(region, id).base + ParticipantWord.REPAIRER;
}

/**
 * Takes the turn to repair after participant `id`, for participant `own`, the calling thread's.
 * @throws UsageError if another thread, which lives, does not end its turn in time
 */
export function takeRepairTurn(region: ParticipantRegion, id: number, own: number): void {
  const { words } = region;
  const turn = turnWord(region, id);
  const deadline = performance.now() + WAIT_MS;
  for (;;) {
    const seen = load(words, turn);
    if (!isAnothers(region, seen, own) && compareExchange(words, turn, seen, own + 1) === seen) {
      return;
    }
    if (performance.now() > deadline) {
      throw new UsageError(`participant ${id} is being repaired by another thread: leave it to that one`);
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, POLL_MS);
  }
}

function isAnothers(region: ParticipantRegion, seen: number, own: number): boolean {
  const isFree = seen === 0 || seen === own + 1;
  return !isFree && claimOf(region, seen - 1) === Claim.claimed && isThreadShown(participantAt(region, seen - 1));
}

/** Nobody has the turn of participant `own` to repair after participant `id` any more. */
export function endRepairTurn(region: ParticipantRegion, id: number, own: number): void {
  compareExchange(region.words, turnWord(region, id), own + 1, 0);
}

/** Participant `id` was repaired after: the turns that it had, nobody has. Its place may soon be another thread's. */
export function endRepairTurnsOf(region: ParticipantRegion, id: number): void {
  for (let other = 0; other < region.maxParticipants; other++) {
    endRepairTurn(region, other, id);
  }
}
