/** The slab: each record is allocated once, can be allocated again after it was freed, and is kept while a reader may see it. */

import { afterAll, describe, expect, it } from 'vitest';
import { allocateWords, type Words } from '../../../src/shared/access.ts';
import { LINE_WORDS } from '../../../src/shared/memory/cache-line.ts';
import { EPOCH_WORDS, Epochs } from '../../../src/shared/memory/epoch.ts';
import { Participant, PARTICIPANT_WORDS, type ParticipantRegion } from '../../../src/shared/memory/participant.ts';
import { RECORD_CLASSES, Slab, SLAB_WORDS } from '../../../src/shared/memory/slab.ts';
import { Crew } from '../../threads/crew.ts';
import type { SlabJobs, SlabSetUp } from '../../threads/slab-jobs.ts';

const THREADS = 4;

const SLAB_BASE = THREADS * PARTICIPANT_WORDS;
const EPOCH_BASE = SLAB_BASE + SLAB_WORDS;
const GATE = EPOCH_BASE + EPOCH_WORDS;
const FIRST_SLOT = GATE + LINE_WORDS;
const SLOTS = 64;
const WORDS = FIRST_SLOT + SLOTS;

const UNIT_WORDS = LINE_WORDS;
const LINK_WORD = 6;
const TAG_WORD = 7;
const FIRST_UNIT = 2;

interface Fixture extends SlabSetUp {
  region: ParticipantRegion;
  records: Words;
}

function makeSlab(units: number): Fixture {
  const words = allocateWords(WORDS);
  const records = allocateWords((FIRST_UNIT + units) * UNIT_WORDS);
  const region = { words, base: 0, maxParticipants: THREADS };
  const slab = {
    words,
    base: SLAB_BASE,
    records,
    firstUnit: FIRST_UNIT,
    endUnit: FIRST_UNIT + units,
    unitWords: UNIT_WORDS,
    linkWord: LINK_WORD,
    tagWord: TAG_WORD,
  };
  new Slab(slab).initialise();
  new Epochs(words, EPOCH_BASE, region).initialise();
  return { region, slab, epochBase: EPOCH_BASE, records };
}

/** All units of these records. */
function unitsOf(records: number[], recordClass: number): number[] {
  return recordClass === 0 ? records : records.flatMap((record) => [record, record + 1]);
}

describe('the slab', () => {
  const allocateAll = (slab: Slab, participant: Participant, recordClass: number): number[] => {
    const got: number[] = [];
    for (let record; (record = slab.allocate(participant, recordClass)) !== 0; ) {
      got.push(record);
    }
    return got;
  };

  it.each([0, 1])('hands every unit out once, until it returns 0 (class %i)', (recordClass) => {
    const fixture = makeSlab(1024);
    const slab = new Slab(fixture.slab);
    const got = allocateAll(slab, new Participant(fixture.region, 0), recordClass);
    const units = unitsOf(got, recordClass);
    expect(units.sort((a, b) => a - b)).toEqual(Array.from({ length: 1024 }, (_, i) => FIRST_UNIT + i));
  });

  it.each([0, 1])('keeps to its units when their number is odd (class %i)', (recordClass) => {
    const fixture = makeSlab(1061);
    const slab = new Slab(fixture.slab);
    const units = unitsOf(allocateAll(slab, new Participant(fixture.region, 0), recordClass), recordClass);
    expect(units.length).toBeGreaterThanOrEqual(1024);
    expect(new Set(units).size).toBe(units.length);
    expect(Math.min(...units)).toBe(FIRST_UNIT);
    expect(Math.max(...units)).toBeLessThan(fixture.slab.endUnit);
  });

  it('gives class 1 two units that stand next to each other, the first of even number, whatever else is taken', () => {
    const fixture = makeSlab(4096);
    const slab = new Slab(fixture.slab);
    const participants = [new Participant(fixture.region, 0), new Participant(fixture.region, 1)];
    const taken = new Set<number>();
    for (let i = 0; i < 1000; i++) {
      const recordClass = i % 3 === 0 ? 1 : 0;
      const record = slab.allocate(participants[i % 2]!, recordClass);
      expect(record).toBeGreaterThanOrEqual(FIRST_UNIT);
      if (recordClass === 1) {
        expect(record % 2).toBe(0);
      }
      for (const unit of unitsOf([record], recordClass)) {
        expect(unit).toBeLessThan(fixture.slab.endUnit);
        expect(taken.has(unit)).toBe(false);
        taken.add(unit);
      }
    }
  });

  it('returns 0 when it is used up, however often it is asked, and the freed record after', () => {
    const fixture = makeSlab(128);
    const slab = new Slab(fixture.slab);
    const participant = new Participant(fixture.region, 0);
    const got = allocateAll(slab, participant, 0);
    expect(got).toHaveLength(128);
    expect(slab.allocate(participant, 0)).toBe(0);
    for (const record of [got[5]!, got[77]!, got[5]!]) {
      slab.free(participant, 0, record);
      expect(slab.allocate(participant, 0)).toBe(record);
      expect(slab.allocate(participant, 0)).toBe(0);
    }
  });

  it('leaves the words of a freed record as they are until it is handed out again, but for the two of its own', () => {
    const fixture = makeSlab(256);
    const slab = new Slab(fixture.slab);
    const participant = new Participant(fixture.region, 0);
    const { records } = fixture;
    const got = allocateAll(slab, participant, 1);
    for (let word = FIRST_UNIT * UNIT_WORDS; word < records.length; word++) {
      records[word] = -word;
    }
    for (const [i, record] of got.entries()) {
      if (i % 2 === 0) {
        slab.free(participant, 1, record);
      } else {
        slab.retire(participant, 1, record, 1);
      }
    }
    slab.reclaim(participant, 2);
    const changed = new Set<number>();
    for (let word = FIRST_UNIT * UNIT_WORDS; word < records.length; word++) {
      if (records[word] !== -word) {
        changed.add(word % (2 * UNIT_WORDS));
      }
    }
    expect([...changed].sort()).toEqual([LINK_WORD, TAG_WORD]);
  });

  it('keeps a retired record until the epoch of its retirement is past, and those retired later longer', () => {
    const fixture = makeSlab(64);
    const slab = new Slab(fixture.slab);
    const participant = new Participant(fixture.region, 0);
    const got = allocateAll(slab, participant, 0);
    slab.retire(participant, 0, got[1]!, 10);
    slab.retire(participant, 0, got[2]!, 10);
    slab.retire(participant, 0, got[3]!, 11);
    expect(slab.retiredCount(participant)).toBe(3);
    for (const oldest of [9, 10]) {
      expect(slab.reclaim(participant, oldest)).toBe(0);
      expect(slab.allocate(participant, 0)).toBe(0);
    }
    expect(slab.reclaim(participant, 11)).toBe(2);
    expect(slab.retiredCount(participant)).toBe(1);
    expect(allocateAll(slab, participant, 0).sort()).toEqual([got[1]!, got[2]!].sort());
    expect(slab.reclaim(participant, 12)).toBe(1);
    expect(slab.retiredCount(participant)).toBe(0);
    expect(allocateAll(slab, participant, 0)).toEqual([got[3]]);
  });

  it('retires and reclaims both classes, each into its own', () => {
    const fixture = makeSlab(4096);
    const slab = new Slab(fixture.slab);
    const participant = new Participant(fixture.region, 0);
    const wide = slab.allocate(participant, 1);
    const narrow = allocateAll(slab, participant, 0);
    allocateAll(slab, participant, 1);
    slab.retire(participant, 1, wide, 5);
    slab.retire(participant, 0, narrow[0]!, 5);
    expect(slab.retiredCount(participant)).toBe(2);
    expect(slab.reclaim(participant, 6)).toBe(2);
    expect(allocateAll(slab, participant, 0)).toEqual([narrow[0]]);
    expect(allocateAll(slab, participant, 1)).toEqual([wide]);
  });

  it('can retire again after it has reclaimed everything, across the wrap of the epoch', () => {
    const fixture = makeSlab(64);
    const slab = new Slab(fixture.slab);
    const participant = new Participant(fixture.region, 0);
    const got = allocateAll(slab, participant, 0);
    for (const [tag, oldest] of [
      [7, 8],
      [0x7fffffff, -0x80000000],
      [-1, 1],
    ] as const) {
      slab.retire(participant, 0, got[0]!, tag);
      slab.retire(participant, 0, got[1]!, tag);
      expect(slab.reclaim(participant, tag)).toBe(0);
      expect(slab.reclaim(participant, oldest)).toBe(2);
      expect(allocateAll(slab, participant, 0)).toHaveLength(2);
    }
  });

  it('allocates nothing by touching or prefaulting', () => {
    const fixture = makeSlab(256);
    const slab = new Slab(fixture.slab);
    const participant = new Participant(fixture.region, 0);
    slab.prefault(256);
    slab.prefault(1 << 20);
    const first = slab.allocate(participant, 0);
    slab.touchNext(participant, 0, 1000, 16);
    slab.touchNext(participant, 1, 1000, 16);
    expect([first, ...allocateAll(slab, participant, 0)]).toHaveLength(256);
    slab.touchNext(participant, 0, 1000, 16);
    expect(slab.allocate(participant, 0)).toBe(0);
    expect(fixture.records.every((word) => word === 0)).toBe(true);
  });

  it('has units for the promised number of records, first all of class 0, then all of class 1', () => {
    const most = 5000;
    const fixture = makeSlab(Slab.unitsFor(most, THREADS));
    const slab = new Slab(fixture.slab);
    const participants = Array.from({ length: THREADS }, (_, id) => new Participant(fixture.region, id));
    for (let recordClass = 0; recordClass < RECORD_CLASSES; recordClass++) {
      const got = Array.from({ length: most }, () => slab.allocate(participants[0]!, recordClass));
      expect(got).not.toContain(0);
      expect(new Set(unitsOf(got, recordClass)).size).toBe(most * (1 + recordClass));
      /* Spread over all caches, which then hold back as much as they can. */
      for (const [i, record] of got.entries()) {
        slab.free(participants[i % THREADS]!, recordClass, record);
      }
    }
  });
});

describe.each([{ checked: false }, { checked: true }])(
  'the slab of several threads (checked: $checked)',
  ({ checked }) => {
    const crew = new Crew<SlabJobs>({ jobs: 'slab-jobs', threads: THREADS, checked });
    let fixture: Fixture;

    const setUp = async (units: number): Promise<void> => {
      fixture = makeSlab(units);
      await crew.run('setUp', fixture);
    };

    afterAll(() => crew.end());

    it.each([0, 1])(
      'moves batches from the thread that frees to the threads that need, through the common list (class %i)',
      async (recordClass) => {
        const count = 1024;
        await setUp(count * (1 + recordClass));
        const all = await crew.runOn(0, 'allocate', { recordClass, count: 10_000 });
        expect(all).toHaveLength(count);
        expect(await crew.runOn(1, 'allocate', { recordClass, count: 1 })).toEqual([]);
        await crew.runOn(3, 'free', { recordClass, records: all });
        /* Both take at once: no batch may go to both. */
        const moved = await Promise.all(
          [1, 2].map((thread) => crew.runOn(thread, 'allocate', { recordClass, count: 10_000 })),
        );
        const kept = await crew.runOn(3, 'allocate', { recordClass, count: 10_000 });
        expect(kept.length).toBeGreaterThan(0);
        expect(moved.flat().length).toBeGreaterThan(kept.length);
        expect([...moved.flat(), ...kept].sort()).toEqual(all.sort());
      },
    );

    it.each([
      { units: 1 << 15, mostHeld: 1500, scarce: false },
      { units: 1536, mostHeld: 1500, scarce: true },
    ])('never gives a unit to two threads at once ($units units)', async ({ units, mostHeld, scarce }) => {
      await setUp(units);
      const results = await crew.run('churn', {
        words: fixture.region.words,
        gate: GATE,
        threads: THREADS,
        rounds: 300_000,
        mostHeld,
      });
      const refusals = results.reduce((sum, result) => sum + result.refusals, 0);
      expect(refusals > 0).toBe(scarce);
      /* Every freed record can be allocated again, once. */
      const units0 = (await crew.run('allocate', { recordClass: 0, count: units })).flat();
      const units1 = unitsOf((await crew.run('allocate', { recordClass: 1, count: units })).flat(), 1);
      const handedOut = [...units0, ...units1];
      expect(new Set(handedOut).size).toBe(handedOut.length);
      expect(handedOut.length).toBe(units);
    });

    it('never hands out again what a racing reader may still see', async () => {
      await setUp(1 << 15);
      const results = await crew.run('retireAndRead', {
        words: fixture.region.words,
        gate: GATE,
        threads: THREADS,
        firstSlot: FIRST_SLOT,
        slots: SLOTS,
        replacements: 200_000,
      });
      const reclaimed = results.reduce((sum, result) => sum + result.reclaimed, 0);
      expect(Math.min(...results.map((result) => result.seen))).toBeGreaterThan(0);
      const published = fixture.region.words
        .subarray(FIRST_SLOT, FIRST_SLOT + SLOTS)
        .filter((slot) => slot !== 0).length;
      /* Many times as often as there are units. */
      expect(reclaimed + published).toBe(THREADS * 200_000);
    });
  },
);
