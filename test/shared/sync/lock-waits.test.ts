/** Who waits for whose lock, as the watch for hanging workers sees it. */

import { describe, expect, it } from 'vitest';
import { Conntrack } from '../../../src/core/conntrack.ts';
import type { EngineName } from '../../../src/core/engines/engine.ts';
import { LISTS_LOCK } from '../../../src/core/engines/lists.ts';
import { FragmentsWord } from '../../../src/core/fragments/region.ts';
import { memoryLayout } from '../../../src/core/memory/memory-layout.ts';
import type { Words } from '../../../src/shared/access.ts';
import { lockTagOf } from '../../../src/shared/sync/mutex.ts';
import { waitsForAnother } from '../../../src/workers/supervision/lock-waits.ts';

type Place = (ct: Conntrack) => { words: Words; index: number };

const PLACES: [string, Place][] = [
  ['a bucket', ({ memory, tracker }) => ({ words: tracker.words, index: memoryLayout(memory).buckets })],
  ['the held fragments', ({ memory }) => ({ words: memory.fragments, index: FragmentsWord.MUTEX })],
  ['the lists of ct-scale, or the wheel', ({ memory }) => ({ words: memory.lists, index: LISTS_LOCK })],
  [
    'zone lists',
    ({ memory, tracker }) => ({ words: memory.zoneLists, index: tracker.zoneLists.lockOf(tracker.participant.id) }),
  ],
];
const ENGINES: EngineName[] = ['ct-bucket', 'ct-scale', 'wheel'];

describe.each(ENGINES.flatMap((engine) => PLACES.map(([what, place]) => [what, engine, place] as const)))(
  'a participant that sleeps on the lock of %s, with the engine %s,',
  (what, engine, place) => {
    const ct = new Conntrack({ engine, maxConnections: 100, maxParticipants: 2 });
    const { participant } = ct.tracker;
    const { words, index } = place(ct);
    const others = PLACES.filter(([name]) => name !== what).map(([, other]) => other(ct));

    it('waits for another if another holds it, and whatever becomes of other locks', () => {
      participant.fallAsleep(words, index);
      words[index] = lockTagOf(1 - participant.id);
      expect(waitsForAnother(ct.tracker, participant.id)).toBe(true);
      words[index] = 0;
      for (const other of others) {
        other.words[other.index] = lockTagOf(1 - participant.id);
      }
      expect(waitsForAnother(ct.tracker, participant.id)).toBe(false);
      for (const other of others) {
        other.words[other.index] = 0;
      }
      participant.wakeUp();
      ct.close();
    });
  },
);
