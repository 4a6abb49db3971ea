/**
 * Fragments of the same datagrams come by different threads: each comes back once, with the verdict on the whole
 * datagram.
 */

import { afterAll, describe, expect, it } from 'vitest';
import { Conntrack } from '../../../src/core/conntrack.ts';
import { FragmentsWord } from '../../../src/core/fragments/region.ts';
import { allocateWords } from '../../../src/shared/access.ts';
import { BARRIER_WORDS } from '../../../src/shared/sync/barrier.ts';
import { expectAccountingHolds } from '../../support/accounting.ts';
import { ofThisProcess } from '../../support/checked.ts';
import { Crew } from '../../threads/crew.ts';
import type { FragmentJobs } from '../../threads/fragment-jobs.ts';

describe.each(
  ofThisProcess([
    { threads: 2, checked: false, rounds: 60 },
    { threads: 4, checked: false, rounds: 60 },
    { threads: 3, checked: true, rounds: 20 },
  ]),
)('$threads threads with fragments of the same datagrams (checked: $checked)', ({ threads, checked, rounds }) => {
  const crew = new Crew<FragmentJobs>({ jobs: 'fragment-jobs', threads, checked });

  afterAll(() => crew.end());

  it('complete each one exactly once and hold nothing in the end', async () => {
    const ct = new Conntrack({ buckets: 16, maxConnections: 50_000 });
    const datagrams = 40;
    const pieces = 6;
    await crew.run('setUp', { memory: ct.memory, barrier: allocateWords(BARRIER_WORDS), parties: threads });
    const back = await crew.run('bringMine', { rounds, datagrams, pieces });

    const total = back[0]!.map((_, packet) => back.reduce((sum, ofThread) => sum + ofThread[packet]!, 0));
    expect(new Set(total)).toEqual(new Set([rounds]));
    expect(ct.counters().created).toBe(rounds * datagrams);
    expectAccountingHolds(ct, rounds);
    const fragments = rounds * datagrams * pieces;
    expect(ct.fragments.status()).toMatchObject({
      nfrag: 0,
      v4: { accepted: fragments, completedSent: fragments, overlap: 0, expiredSent: 0, purged: 0 },
    });
    const { fragments: words } = ct.memory;
    expect([words[FragmentsWord.LISTS], words[FragmentsWord.CHUNKS_IN_USE], words[FragmentsWord.MUTEX]]).toEqual([
      0, 0, 0,
    ]);
    /* Memory was reused: never more was taken than was held at one time. */
    expect(words[FragmentsWord.NEXT_FRAGMENT]).toBeLessThanOrEqual(datagrams * pieces + 1);
    expect(words[FragmentsWord.NEXT_CHUNK]).toBeLessThanOrEqual(datagrams * pieces + 1);
    expect(words[FragmentsWord.NEXT_LIST]).toBeLessThanOrEqual(datagrams + 1);
    ct.close();
  });
});
