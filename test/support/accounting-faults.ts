/** The accounting of a table, which must add up while no thread works. It needs no test runner. */

import type { Conntrack } from '../../src/core/conntrack.ts';
import { visitBucket } from '../../src/core/inspect/table-walk.ts';
import { hashParsed } from '../../src/core/path/key-hash.ts';
import { findConn } from '../../src/core/path/lookup.ts';
import { BucketTable } from '../../src/core/table/bucket-table.ts';
import { ConnFlag, ConnWord, LIFE_FLAGS, UNIT_SHIFT } from '../../src/core/table/conn.ts';
import { zoneListFaults } from '../../src/core/zones/zone-lists-check.ts';
import { parseTuple, type Tuple } from '../../src/core/inspect/tuple.ts';

/** Counts the entries of each record in the index. Adds a fault where the index contradicts its counts or the records. */
function entriesByRecord(ct: Conntrack, faults: string[]): Map<number, number> {
  const { table, words } = ct.tracker;
  const entries = new Map<number, number>();
  for (let bucket = 0; bucket < table.bucketCount; bucket++) {
    const block = table.blockOfBucket(bucket);
    let inBucket = 0;
    for (let n = 0; n < BucketTable.slotsOf(block); n++) {
      const slot = BucketTable.slotInBlock(block, n);
      const record = table.recordAt(slot);
      if (record === 0) {
        continue;
      }
      inBucket++;
      const r = record << UNIT_SHIFT;
      const hash = table.hashAt(slot);
      const owner = table.bucketOf(hash, words, r + ConnWord.META);
      if (owner !== bucket) {
        faults.push(`record ${record} stands in bucket ${bucket}, its key belongs to ${owner}`);
      }
      const isTwice = (words[r + ConnWord.FLAGS]! & ConnFlag.TWO_ENTRIES) !== 0;
      if (hash !== words[r + ConnWord.HASH] && !(isTwice && hash === words[r + ConnWord.REV_HASH])) {
        faults.push(`record ${record} stands in the index with the hash ${hash}, which is not its own`);
      }
      entries.set(record, (entries.get(record) ?? 0) + 1);
    }
    if (table.entriesIn(bucket) !== inBucket) {
      faults.push(`bucket ${bucket} counts ${table.entriesIn(bucket)} entries and has ${inBucket}`);
    }
  }
  return entries;
}

function countFaults(ct: Conntrack, faults: string[]): void {
  const { tracker } = ct;
  let live = 0;
  tracker.enter();
  const entries = entriesByRecord(ct, faults);
  for (let bucket = 0; bucket < tracker.table.bucketCount; bucket++) {
    visitBucket(tracker, bucket, (record, r) => {
      live++;
      if (tracker.words[r + ConnWord.LOCK] !== 0) {
        faults.push(`the connection ${record} is locked`);
      }
      const wanted = (tracker.words[r + ConnWord.FLAGS]! & ConnFlag.TWO_ENTRIES) !== 0 ? 2 : 1;
      if (entries.get(record) !== wanted) {
        faults.push(`the connection ${record} has ${entries.get(record)} entries instead of ${wanted}`);
      }
    });
  }
  tracker.leave();
  if (entries.size !== live || ct.connCount !== live) {
    faults.push(`${live} connections, but ${entries.size} records in the index and a count of ${ct.connCount}`);
  }
  const { created, expiredAtLookup, expiredAtSweep, killed, flushed, evicted } = ct.counters();
  const removed = expiredAtLookup + expiredAtSweep + killed + flushed + evicted;
  if (created !== live + removed) {
    faults.push(`${created} connections were created, but ${live} live and ${removed} were removed`);
  }
}

function isTurned(orig: Tuple, reply: Tuple): boolean {
  const ends = (tuple: Tuple) => ('id' in tuple ? [tuple.id, tuple.id] : [tuple.sport, tuple.dport]);
  const [sport, dport] = ends(orig);
  const [replySport, replyDport] = ends(reply);
  return orig.src === reply.dst && orig.dst === reply.src && sport === replyDport && dport === replySport;
}

/**
 * The faults in the accounting of a table; empty if it holds. It holds if created = live + removed, each connection is in the
 * index once, and both of its directions find it.
 *
 * @param options.anyTranslations true if the packets had arbitrary translations. Then, as in Open vSwitch, a packet can open an
 * untranslated connection between the original ends of a translated one. A translated ICMP connection may have different
 * identifiers at its two ends, which its tuple does not show
 */
export function accountingFaults(ct: Conntrack, nowMs: number, options: { anyTranslations?: boolean } = {}): string[] {
  const isStrict = options.anyTranslations !== true;
  const { tracker } = ct;
  const faults: string[] = [];
  countFaults(ct, faults);
  faults.push(...zoneListFaults(tracker));
  const dumped = [...ct.dump({ nowMs })].flat();
  /** For each tuple: whether a translated connection has it. */
  const keys = new Map<string, boolean>();
  for (const { zone, orig, reply } of dumped) {
    const isTranslated = !isTurned(orig, reply);
    /* A connection of an end with itself has the same tuple twice. */
    for (const key of new Set([JSON.stringify([zone, orig]), JSON.stringify([zone, reply])])) {
      if (keys.has(key) && (isStrict || (!isTranslated && keys.get(key) === false))) {
        faults.push(`the tuple ${key} is there twice`);
      }
      keys.set(key, isTranslated || keys.get(key) === true);
    }
  }
  tracker.enter();
  for (const { zone, orig, reply } of dumped) {
    const isShown = isStrict || isTurned(orig, reply) || !('id' in orig);
    for (const [direction, tuple] of (isShown ? [orig, reply] : [orig]).entries()) {
      parseTuple(tuple, zone, tracker.scratch.parsed, 0);
      hashParsed(tracker.keys, tracker.scratch.parsed, 0);
      const match = findConn(tracker, 0, nowMs | 0);
      const isDead = (tracker.words[((match >>> 1) << UNIT_SHIFT) + ConnWord.LIFE]! & LIFE_FLAGS) !== 0;
      const isOther = (match & 1) !== direction && JSON.stringify(orig) !== JSON.stringify(reply);
      if (match === 0 || (isOther && isStrict) || isDead) {
        faults.push(`the connection with ${JSON.stringify(tuple)} is not found by it`);
      }
    }
  }
  tracker.leave();
  return faults;
}
