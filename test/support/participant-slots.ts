/** Participant slots of threads that only pretend to have died. */

import { Conntrack } from '../../src/core/conntrack.ts';
import type { TrackerMemory } from '../../src/core/memory/memory.ts';
import { Claim, keepForToken, NO_THREAD, participantAt } from '../../src/shared/memory/participant-slots.ts';
import { ParticipantWord } from '../../src/shared/memory/participant.ts';

/** Marks the thread of this handle as ended. Another thread may repair after it only then. */
export function pretendDead({ tracker }: Conntrack): void {
  tracker.words[tracker.participant.base + ParticipantWord.THREAD] = NO_THREAD;
}

/** Takes a slot without a repair, even if its thread still runs. */
export function takeSlot(memory: TrackerMemory, { tracker }: Conntrack): Conntrack {
  const participant = participantAt(tracker.participants, tracker.participant.id);
  const token = keepForToken(participant, Claim.reserved);
  const taken = Conntrack.attach(memory, { participant: participant.id, token });
  /* As in a table without any repair. */
  participant.words[participant.base + ParticipantWord.CLAIMED] = Claim.claimed;
  return taken;
}
