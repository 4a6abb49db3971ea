/** Who waits for whose lock: of two workers that do not get on, which one hangs. */

import { LISTS_LOCK } from '../../core/engines/lists.ts';
import type { TableHandle } from '../../core/memory/table-handle.ts';
import { peek } from '../../shared/access.ts';
import { ownerOf } from '../../shared/sync/mutex.ts';
import { PARTICIPANT_WORDS, ParticipantWord } from '../../shared/memory/participant.ts';

/** The participant that holds the lock that participant `id` sleeps on; -1: it sleeps on none, or on one that is free. */
function holderBefore(tracker: TableHandle, id: number): number {
  const { words, base } = tracker.participants;
  const at = peek(words, base + id * PARTICIPANT_WORDS + ParticipantWord.SLEEPS_ON);
  if (at === 0) {
    return -1;
  }
  if (at > 0) {
    return ownerOf(words, at);
  }
  /* Two mutexes lie elsewhere: that of the held fragments, and that of the lists of ct-scale. */
  return ownerOf(~at === LISTS_LOCK ? tracker.memory.lists : tracker.memory.fragments, ~at);
}

/**
 * Does a participant sleep on a lock that another one holds? Not if that one, or whoever it waits for in turn, waits for this
 * participant. A snapshot.
 */
export function waitsForAnother(tracker: TableHandle, id: number): boolean {
  const first = holderBefore(tracker, id);
  let holder = first;
  for (let steps = 0; holder >= 0 && steps < tracker.participants.maxParticipants; steps++) {
    if (holder === id) {
      return false;
    }
    holder = holderBefore(tracker, holder);
  }
  return first >= 0;
}
