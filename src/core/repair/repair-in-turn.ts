/** Runs a repair only if the participant's thread is gone, and only one repair of a participant at a time. */

import { Claim, claimOf, participantAt } from '../../shared/memory/participant-slots.ts';
import { UsageError } from '../errors.ts';
import { expectRepair, repairParticipant, type RepairOptions, type RepairReport } from './repair.ts';
import { endRepairTurn, takeRepairTurn } from './repair-turn.ts';
import { isThreadAlive } from './thread-mark.ts';
import type { Tracker } from '../tracker.ts';

/**
 * As repairParticipant. If two threads repair the same participant at once, one waits for the other.
 * @param tracker the calling thread's own
 * @throws UsageError if there is no such participant, or if the system shows that its thread is alive
 */
export function repairInTurn(tracker: Tracker, id: number, given: RepairOptions): RepairReport {
  const options = expectRepair(given);
  const { participants, participant } = tracker;
  if (!isOtherSlot(tracker, id)) {
    return repairParticipant(tracker, id, options);
  }
  takeRepairTurn(participants, id, participant.id);
  try {
    assertGone(tracker, id, options);
    return repairParticipant(tracker, id, options);
  } finally {
    endRepairTurn(participants, id, participant.id);
  }
}

/** Is `id` a participant slot other than the caller's? */
function isOtherSlot({ participants, participant }: Tracker, id: number): boolean {
  return Number.isInteger(id) && id >= 0 && id < participants.maxParticipants && id !== participant.id;
}

function assertGone({ participants }: Tracker, id: number, { token }: RepairOptions): void {
  if (
    token === undefined &&
    claimOf(participants, id) === Claim.claimed &&
    isThreadAlive(participantAt(participants, id))
  ) {
    throw new UsageError(
      `participant ${id} belongs to a thread that is alive: close its handle, or wait until the thread has ended`,
    );
  }
}
