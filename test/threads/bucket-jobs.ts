/**
 * Jobs of the tests of a bucket's index that need a checked thread, which checks the whole index after every change.
 */

import { Conntrack } from '../../src/core/conntrack.ts';
import type { ConntrackOptions } from '../../src/core/memory/table-options.ts';
import { assertConsistentLocked } from '../../src/core/table/bucket-check.ts';
import { bucketFigures } from '../../src/core/table/bucket-figures.ts';
import { serve } from './serve.ts';
import { randomSequence } from './steps.ts';

export interface RandomWork {
  seed: number;
  changes: number;
  buckets: number;
  /** The number of entries around which the table grows and shrinks. */
  entries: number;
  /** Bits of a hash that vary. */
  hashMask: number;
  /** Check the whole index only after this many changes. */
  checkEvery: number;
}

/**
 * A table whose records are numbers that the slab has not allocated: the test checks its index, not the ledger of
 * records.
 */
function tableOfNumbers(options: ConntrackOptions): Conntrack {
  return Conntrack.attach({ ...new Conntrack({ ...options, maxParticipants: 2 }).memory, ledger: undefined });
}

const jobs = {
  /**
   * Links and unlinks at random while the index is checked. In the end every entry must be found under its hash, and no
   * other.
   * @returns how often buckets grew, and the most entries outside their home line
   */
  linkAndUnlink(work: RandomWork): { growths: number; mostDisplaced: number } {
    const { buckets, seed, changes, entries, hashMask, checkEvery } = work;
    const ct = tableOfNumbers({ buckets, maxConnections: 10 * entries });
    const { table, participant } = ct.tracker;
    const next = randomSequence(seed);
    const linked: { record: number; hash: number }[] = [];
    let lastRecord = 0;
    let mostDisplaced = 0;
    ct.tracker.enter();
    for (let change = 0; change < changes; change++) {
      const grows = next() % (2 * entries) >= linked.length;
      let hash: number;
      if (grows) {
        hash = (next() << 1) & hashMask;
        const bucket = table.bucketOf(hash, table.words, 0);
        const record = ++lastRecord;
        table.lockBucket(bucket, participant);
        const isPlaced =
          (next() & 1) === 0 && !linked.some((entry) => entry.hash === hash)
            ? table.placeAbsentLocked(bucket, hash, record) || table.placeLocked(bucket, hash, record, participant)
            : table.placeLocked(bucket, hash, record, participant);
        if (!isPlaced) {
          throw new Error(`entry ${record} was not placed`);
        }
        linked.push({ record, hash });
      } else {
        const at = next() % linked.length;
        const entry = linked[at]!;
        linked[at] = linked.at(-1)!;
        linked.pop();
        hash = entry.hash;
        table.lockBucket(table.bucketOf(hash, table.words, 0), participant);
        if (!table.unlinkLocked(table.bucketOf(hash, table.words, 0), hash, entry.record)) {
          throw new Error(`entry ${entry.record} was not there`);
        }
      }
      const bucket = table.bucketOf(hash, table.words, 0);
      if (change % checkEvery === 0) {
        assertConsistentLocked(table, bucket);
        mostDisplaced = Math.max(mostDisplaced, bucketFigures(table, bucket).displaced);
      }
      table.unlockBucket(bucket);
      ct.tracker.quiesce();
    }
    ct.tracker.leave();
    for (const hash of new Set(linked.map((entry) => entry.hash))) {
      const found = [];
      const block = table.blockOf(hash, table.words, 0);
      for (let slot = table.next(block, hash, 0); slot !== 0; slot = table.next(block, hash, slot)) {
        found.push(table.recordAt(slot));
      }
      const expected = linked.filter((entry) => entry.hash === hash).map((entry) => entry.record);
      if (found.toSorted((a, b) => a - b).join() !== expected.toSorted((a, b) => a - b).join()) {
        throw new Error(`under hash ${hash}: expected ${expected.join()}, found ${found.join()}`);
      }
    }
    const growths = ct.buckets().reduce((sum, bucket) => sum + bucket.growths, 0);
    return { growths, mostDisplaced };
  },

  /** Must throw: reads an index without its bucket's lock. */
  looksAtUnlocked(): void {
    const ct = tableOfNumbers({ buckets: 1, maxConnections: 10 });
    assertConsistentLocked(ct.tracker.table, 0);
  },

  /** Must throw: an overflow count is wrong. */
  looksAtWrongCount(): void {
    const ct = tableOfNumbers({ buckets: 1, maxConnections: 10 });
    const { table, participant, words } = ct.tracker;
    table.lockBucket(0, participant);
    table.placeLocked(0, 0, 1, participant);
    words[table.homeLine(0, words, 0)] = 1;
    assertConsistentLocked(table, 0);
  },
};

export type BucketJobs = typeof jobs;
serve(jobs);
