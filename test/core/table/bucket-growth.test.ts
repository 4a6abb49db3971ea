/** The index of a bucket grows, holds many entries under one hash, and loses none. */

import { afterAll, describe, expect, it } from 'vitest';
import { Conntrack } from '../../../src/core/conntrack.ts';
import { CtAction } from '../../../src/core/action.ts';
import { PacketBatch } from '../../../src/core/packet/batch.ts';
import { stateText } from '../../../src/core/inspect/state-names.ts';
import { BucketTable } from '../../../src/core/table/bucket-table.ts';
import { udp } from '../../support/frames.ts';
import { dumpAll, send } from '../../support/tracking.ts';
import type { BucketJobs, RandomWork } from '../../threads/bucket-jobs.ts';
import { Crew } from '../../threads/crew.ts';
import { randomSequence } from '../../threads/steps.ts';

const LINE_ENTRIES = 7;

/** Links entries without connections: their records are mere numbers. */
class Index {
  readonly ct: Conntrack;
  readonly table: BucketTable;

  constructor(buckets = 1, maxConnections = 100_000) {
    this.ct = new Conntrack({ buckets, maxConnections, maxParticipants: 1 });
    this.table = this.ct.tracker.table;
  }

  place(hash: number, record: number): boolean {
    const { participant } = this.ct.tracker;
    const bucket = this.table.bucketOf(hash, this.table.words, 0);
    this.table.lockBucket(bucket, participant);
    const isPlaced = this.table.placeLocked(bucket, hash, record, participant);
    this.table.unlockBucket(bucket);
    return isPlaced;
  }

  unlink(hash: number, record: number): boolean {
    const bucket = this.table.bucketOf(hash, this.table.words, 0);
    this.table.lockBucket(bucket, this.ct.tracker.participant);
    const wasThere = this.table.unlinkLocked(bucket, hash, record);
    this.table.unlockBucket(bucket);
    return wasThere;
  }

  /** The records under a hash, in the bucket's present block or in the block of an earlier search. */
  under(hash: number, block = this.table.blockOf(hash, this.table.words, 0)): number[] {
    const found: number[] = [];
    for (let slot = this.table.next(block, hash, 0); slot !== 0; slot = this.table.next(block, hash, slot)) {
      expect(this.table.hashAt(slot)).toBe(hash);
      found.push(this.table.recordAt(slot));
    }
    return found.toSorted((a, b) => a - b);
  }

  get growths(): number {
    return this.ct.buckets().reduce((sum, { growths }) => sum + growths, 0);
  }

  /** The first word of every line: how many entries went past it. */
  get overflows(): number[] {
    const block = this.table.blockOfBucket(0);
    const lines = BucketTable.slotsOf(block) / LINE_ENTRIES;
    return Array.from({ length: lines }, (_, line) => {
      const firstSlot = BucketTable.slotInBlock(block, line * LINE_ENTRIES);
      return this.table.words[firstSlot - 1 - LINE_ENTRIES]!;
    });
  }
}

describe('a bucket that grows', () => {
  it.each([1, 4])('finds every entry after each growth (%i buckets)', (buckets) => {
    const index = new Index(buckets);
    const next = randomSequence(3);
    const hashes: number[] = [];
    let growths = 0;
    for (let record = 1; record <= 10_000; record++) {
      const hash = next() << 1;
      hashes.push(hash);
      expect(index.place(hash, record)).toBe(true);
      const before = growths;
      growths = record % 64 === 0 ? index.growths : growths;
      if (growths > before) {
        for (const [i, each] of hashes.entries()) {
          expect(index.under(each)).toContain(i + 1);
        }
      }
    }
    expect(growths).toBeGreaterThan(7 * buckets);
    const figures = index.ct.buckets();
    expect(figures.reduce((sum, { entries }) => sum + entries, 0)).toBe(10_000);
    for (const { entries, lines, growths: grown } of figures) {
      expect(lines).toBe(2 << grown);
      expect(entries).toBeLessThanOrEqual(lines * LINE_ENTRIES * 0.75);
      expect(entries).toBeGreaterThan(lines * LINE_ENTRIES * 0.37);
    }
  });

  it('does not disturb a search that began before', () => {
    const index = new Index();
    const next = randomSequence(4);
    const hashes = Array.from({ length: 10 }, next);
    hashes.forEach((hash, i) => index.place(hash, i + 1));
    const { tracker } = index.ct;
    tracker.enter();
    const block = index.table.blockOfBucket(0);
    for (let record = 11; record <= 100; record++) {
      index.place(next(), record);
    }
    expect(index.table.blockOfBucket(0)).not.toBe(block);
    hashes.forEach((hash, i) => expect(index.under(hash, block)).toEqual([i + 1]));
    tracker.leave();
  });

  it('frees its old block, which other buckets get cleared', () => {
    const index = new Index(64);
    const { tracker } = index.ct;
    const next = randomSequence(5);
    const linked = new Map<number, number>();
    const blocks = new Set<number>();
    let isReused = false;
    for (let record = 1; record <= 20_000; record++) {
      const hash = next() << 1;
      const bucket = index.table.bucketOf(hash, index.table.words, 0);
      const before = index.table.blockOfBucket(bucket);
      index.place(hash, record);
      linked.set(hash, record);
      const after = index.table.blockOfBucket(bucket);
      isReused ||= after !== before && blocks.has(after);
      blocks.add(before);
      tracker.enter();
      tracker.quiesce();
      tracker.leave();
    }
    expect(isReused).toBe(true);
    for (const [hash, record] of linked) {
      expect(index.under(hash)).toContain(record);
    }
    expect(index.ct.buckets().reduce((sum, { entries }) => sum + entries, 0)).toBe(20_000);
  });

  it('keeps connections findable for packets', () => {
    const ct = new Conntrack({ buckets: 1, maxConnections: 5000 });
    const frames = Array.from({ length: 4000 }, (_, i) =>
      udp({ src: `10.0.${i >> 8}.${i & 255}`, dst: '10.9.9.9', sport: 1000 + i, dport: 53 }),
    );
    const batch = PacketBatch.allocate();
    for (let from = 0; from < frames.length; from += 32) {
      batch.clear();
      frames.slice(from, from + 32).forEach((frame) => batch.add(frame));
      ct.execute(batch, new CtAction({ commit: true }), 0);
      for (let i = 0; i < batch.count; i++) {
        expect(stateText(batch.state(i))).toBe('new|trk');
      }
    }
    expect(ct.counters()).toMatchObject({ created: 4000, clash: 0 });
    for (const frame of frames) {
      send(ct, frame, 0);
    }
    expect(ct.counters()).toMatchObject({ created: 4000 });
    expect(dumpAll(ct, 0)).toHaveLength(4000);
  });

  it('refuses an entry only without a free slot and without memory to grow, and accepts one after an unlink', () => {
    const index = new Index(1, 1);
    let placed = 0;
    while (index.place(placed * 977, placed + 1)) {
      placed++;
    }
    const [figures] = index.ct.buckets();
    expect(figures!.entries).toBe(placed);
    expect(placed).toBe(figures!.lines * LINE_ENTRIES);
    /* A search in an index without a free slot ends. */
    expect(index.under(123_456_789)).toEqual([]);
    expect(index.under(976 * 977)).toEqual([977]);
    expect(index.unlink(500 * 977, 501)).toBe(true);
    expect(index.under(500 * 977)).toEqual([]);
    expect(index.place(42, 999_999)).toBe(true);
    expect(index.under(42)).toEqual([999_999]);
    expect(index.place(43, 1_000_000)).toBe(false);
  });
});

describe('entries under the same hash', () => {
  it.each([
    ['in the first line', 0],
    ['in the last line', -1],
    ['somewhere', 0x12345678],
  ])('by the hundreds are all found, and each goes alone (%s)', (_where, hash) => {
    const index = new Index();
    const records = Array.from({ length: 700 }, (_, i) => i + 1);
    for (const record of records) {
      expect(index.place(hash, record)).toBe(true);
    }
    expect(index.under(hash)).toEqual(records);
    expect(index.under(hash ^ 1)).toEqual([]);

    const next = randomSequence(6);
    const left = new Set(records);
    while (left.size > 0) {
      const record = [...left][next() % left.size]!;
      expect(index.unlink(hash, record)).toBe(true);
      expect(index.unlink(hash, record)).toBe(false);
      left.delete(record);
      if (left.size % 50 === 0) {
        expect(index.under(hash)).toEqual([...left]);
      }
    }
    expect(index.ct.buckets()).toMatchObject([{ entries: 0, displaced: 0 }]);
    expect(new Set(index.overflows)).toEqual(new Set([0]));
  });

  it('do not hide entries of other hashes with the same home line', () => {
    const index = new Index();
    const hashes = Array.from({ length: 5 }, (_, i) => 0x00100003 + (i << 24));
    for (let record = 1; record <= 500; record++) {
      index.place(hashes[record % 5]!, record);
    }
    hashes.forEach((hash, i) => {
      const records = Array.from({ length: 500 }, (_, n) => n + 1).filter((record) => record % 5 === i);
      expect(index.under(hash)).toEqual(records);
    });
    expect(index.unlink(hashes[0]!, 1)).toBe(false);
    expect(index.unlink(hashes[1]!, 1)).toBe(true);
  });
});

describe('the fast path of placing an entry', () => {
  const HASH = 0x00700004;

  function placeAbsent(index: Index, hash: number, record: number): boolean {
    index.table.lockBucket(0, index.ct.tracker.participant);
    const isPlaced = index.table.placeAbsentLocked(0, hash, record);
    index.table.unlockBucket(0);
    return isPlaced;
  }

  it('links it if no entry has its hash', () => {
    const index = new Index();
    expect(placeAbsent(index, HASH, 1)).toBe(true);
    expect(placeAbsent(index, HASH + (1 << 24), 2)).toBe(true);
    expect(index.under(HASH)).toEqual([1]);
    expect(index.ct.buckets()).toMatchObject([{ entries: 2, displaced: 0 }]);
  });

  it('does nothing if an entry has its hash, in its home line or beyond', () => {
    const index = new Index();
    expect(index.place(HASH, 1)).toBe(true);
    expect(placeAbsent(index, HASH, 2)).toBe(false);
    for (let record = 2; record <= LINE_ENTRIES + 1; record++) {
      index.place(HASH, record);
    }
    for (let record = 1; record <= LINE_ENTRIES; record++) {
      index.unlink(HASH, record);
    }
    expect(index.ct.buckets()).toMatchObject([{ entries: 1, displaced: 1 }]);
    expect(placeAbsent(index, HASH, 100)).toBe(false);
    expect(index.under(HASH)).not.toContain(100);
  });

  it('does nothing if the home line is full or the bucket must grow', () => {
    const full = new Index();
    for (let record = 1; record <= LINE_ENTRIES; record++) {
      expect(placeAbsent(full, HASH + (record << 24), record)).toBe(true);
    }
    expect(placeAbsent(full, HASH, 100)).toBe(false);
    const large = new Index();
    let record = 1;
    while (placeAbsent(large, record, record)) {
      record++;
    }
    expect(large.ct.buckets()).toMatchObject([{ entries: record - 1, growths: 0, displaced: 0 }]);
    expect(large.place(record, record)).toBe(true);
    expect(large.ct.buckets()).toMatchObject([{ entries: record, growths: 1 }]);
  });
});

describe('an index under random links and unlinks', () => {
  const crew = new Crew<BucketJobs>({ jobs: 'bucket-jobs', threads: 1, checked: true });
  afterAll(() => crew.end());

  const usual: RandomWork = { seed: 1, changes: 4000, buckets: 1, entries: 300, hashMask: -1, checkEvery: 1 };

  it.each<[string, Partial<RandomWork>]>([
    ['random hashes', {}],
    ['random hashes in four buckets', { buckets: 4, entries: 1200, changes: 8000 }],
    ['hashes that agree in their low bits', { hashMask: -1 << 12 }],
    ['hashes of eight values', { hashMask: 7 << 5 }],
    ['one hash', { hashMask: 0, entries: 100 }],
    ['an index that is emptied and filled again and again', { entries: 12, changes: 20_000 }],
    ['a large index', { entries: 8000, changes: 40_000, checkEvery: 500 }],
  ])('keeps its counts of entries and overflows right with %s', async (_what, work) => {
    const [result] = await crew.run('linkAndUnlink', { ...usual, ...work });
    expect(result!.growths).toBeGreaterThan(0);
    expect(result!.mostDisplaced).toBeGreaterThan(0);
  });

  it('is reported if it is wrong', async () => {
    await expect(crew.run('looksAtUnlocked', null as never)).rejects.toThrow('must be held');
    await expect(crew.run('looksAtWrongCount', null as never)).rejects.toThrow(
      'overflow count 1, but 0 entries went past it',
    );
  });
});
