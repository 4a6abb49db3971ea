/** Repair after a participant by one thread at a time, and only where its thread is gone. */

import { Claim, claimOf, participantAt } from '../../shared/memory/participant-slots.ts';
import { UsageError } from '../errors.ts';
import { expectRepair, repairParticipant, type RepairOptions, type RepairReport } from './repair.ts';
import { endRepairTurn, takeRepairTurn } from './repair-turn.ts';
import { isThreadAlive } from './thread-mark.ts';
import type { Tracker } from '../tracker.ts';

/**
 * As repairParticipant, for which of two threads that repair at once one waits for the other.
 * @param tracker the calling thread's own
 * @throws UsageError if there is no such participant, or its thread lives as far as can be known
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

/** Is this the number of a place that is not the caller's own? */
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
      `participant ${id} belongs to a thread that lives: close its handle, or wait until the thread has ended`,
    );
  }
}
