/** Places at a table, of threads that died for a test alone. */

import { Conntrack } from '../../src/core/conntrack.ts';
import type { TrackerMemory } from '../../src/core/memory/memory.ts';
import { Claim, keepForToken, NO_THREAD, participantAt } from '../../src/shared/memory/participant-slots.ts';
import { ParticipantWord } from '../../src/shared/memory/participant.ts';

/** As if the thread of this handle had ended: only then may others repair after it. */
export function pretendDead({ tracker }: Conntrack): void {
  tracker.words[tracker.participant.base + ParticipantWord.THREAD] = NO_THREAD;
}

/** Takes a place whatever became of its thread, without any repair. */
export function takeSlot(memory: TrackerMemory, { tracker }: Conntrack): Conntrack {
  const participant = participantAt(tracker.participants, tracker.participant.id);
  const token = keepForToken(participant, Claim.reserved);
  const taken = Conntrack.attach(memory, { participant: participant.id, token });
  /* As in a table that nobody was repaired in. */
  participant.words[participant.base + ParticipantWord.CLAIMED] = Claim.claimed;
  return taken;
}
