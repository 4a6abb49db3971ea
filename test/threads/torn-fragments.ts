/** A thread dies in the middle of a change of the held fragments. */

import { Conntrack } from '../../src/core/conntrack.ts';
import { expireOneLocked } from '../../src/core/fragments/list-expiry.ts';
import { holdFragmentLocked } from '../../src/core/fragments/lists.ts';
import { FragmentsWord } from '../../src/core/fragments/region.ts';
import { ParsedWord } from '../../src/core/packet/key.ts';
import { parsePacket } from '../../src/core/packet/parse.ts';
import type { Tracker } from '../../src/core/tracker.ts';
import { forgetHeld, LockClass } from '../../src/shared/sync/lockdep.ts';
import { lock } from '../../src/shared/sync/mutex.ts';
import { fragmentsOf } from '../support/fragments.ts';
import { udp } from '../support/frames.ts';
import { pretendDead } from '../support/participant-slots.ts';
import { NOW_MS, batch, send, ends, SMALL, DATAGRAM, keepFragments, check, OTHER_DATAGRAM } from './repair-traffic.ts';
import { Killed, tearingAt } from './dying.ts';

/**
 * Dies before the n-th plain store of a change of the held fragments. V8 can end a thread at fewer points, so this covers
 * all of them.
 */
export function tearFragments(n: number, change: (tracker: Tracker) => void): { isDone: boolean; problems: string[] } {
  const ct = new Conntrack(SMALL);
  keepFragments(ct);
  send(ct, [...DATAGRAM.slice(0, 1), ...DATAGRAM.slice(2), ...OTHER_DATAGRAM.slice(0, 1)]);
  const victim = Conntrack.attach(ct.memory);
  const { tracker } = victim;
  batch.clear();
  batch.add(DATAGRAM[1]!);
  parsePacket(batch.words, batch.slots[0]!, tracker.scratch.parsed, 0, 0);
  const { fragments } = tracker;
  const torn = Object.create(tracker, {
    fragments: { value: Object.create(fragments, { words: { value: tearingAt(fragments.words, n) } }) },
  }) as Tracker;
  lock(fragments.words, FragmentsWord.MUTEX, tracker.participant, LockClass.fragments);
  let isDone = true;
  try {
    change(torn);
  } catch (error) {
    if (!(error instanceof Killed)) {
      throw error;
    }
    isDone = false;
  }
  forgetHeld();
  pretendDead(victim);
  ct.repair(victim.participant);
  const problems = check(ct, 'after the repair');
  const states = send(ct, fragmentsOf(udp(ends(5), Buffer.alloc(2992)), 9, 1000), { commit: true });
  if (states.join() !== 'new|trk,new|trk,new|trk') {
    problems.push(`a datagram after the repair: ${states.join()}`);
  }
  return { isDone, problems };
}

export const FRAGMENT_CHANGES: Record<string, (tracker: Tracker) => void> = {
  'a fragment that is held': (tracker) => {
    /* With another identification it begins a new list. */
    tracker.scratch.parsed[ParsedWord.FRAGMENT_ID] = 99;
    holdFragmentLocked(tracker.fragments, batch.words, batch.slots[0]!, 0, NOW_MS);
  },
  'a fragment that completes its list': (tracker) => {
    holdFragmentLocked(tracker.fragments, batch.words, batch.slots[0]!, 0, NOW_MS);
  },
  'a list that expires': (tracker) => expireOneLocked(tracker.fragments, NOW_MS + 20_000),
};
