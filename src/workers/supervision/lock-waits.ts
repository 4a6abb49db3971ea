/** Which worker waits for a lock of which other. Of two workers without progress, this tells which one hangs. */

import { LISTS_LOCK } from '../../core/engines/lists.ts';
import type { TableHandle } from '../../core/memory/table-handle.ts';
import { FragmentsWord } from '../../core/fragments/region.ts';
import { peek, type Words } from '../../shared/access.ts';
import { ownerOf } from '../../shared/sync/mutex.ts';
import { PARTICIPANT_WORDS, ParticipantWord } from '../../shared/memory/participant.ts';

/** The owner of the lock on which participant `id` sleeps; -1: it sleeps on no lock, or the lock is free. */
function holderBefore(tracker: TableHandle, id: number): number {
  const { words, base } = tracker.participants;
  const at = peek(words, base + id * PARTICIPANT_WORDS + ParticipantWord.SLEEPS_ON);
  if (at === 0) {
    return -1;
  }
  if (at > 0) {
    return ownerOf(words, at);
  }
  return ownerOf(otherRegion(tracker, ~at), ~at);
}

/** The region other than the table's words that has a mutex at this word. Each of the others has one mutex, in its first line. */
function otherRegion({ memory }: TableHandle, index: number): Words {
  if (index === FragmentsWord.MUTEX) {
    return memory.fragments;
  }
  return index === LISTS_LOCK ? memory.lists : memory.zoneLists;
}

/**
 * Whether a participant sleeps on a lock of another one. False in a cycle: if the owner of that lock, directly or through others, waits
 * for this participant. A snapshot.
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
