/** The held locks of a table. */

import type { Conntrack } from '../../src/core/conntrack.ts';
import { visitBucket } from '../../src/core/inspect/table-walk.ts';
import { FragmentsWord } from '../../src/core/fragments/region.ts';
import { memoryLayout, SettingWord } from '../../src/core/memory/memory-layout.ts';
import { BUCKET_WORDS, BucketWord } from '../../src/core/table/bucket-layout.ts';
import { ConnWord } from '../../src/core/table/conn.ts';
import { until } from '../threads/steps.ts';

/** Offsets of the mutex in a quota pool and in the zone limits, in words. */
const POOL_MUTEX = 2;
const ZONES_MUTEX = 1;

/** Waits until no lock is held. A dead thread's lock would stay held; the sweeper holds one only for a moment. */
export function untilNoLockIsHeld(ct: Conntrack): Promise<void> {
  return until('no lock is held', () => heldLocks(ct).length === 0);
}

/** The names of the held locks. Locks of dead connections are left out. */
export function heldLocks(ct: Conntrack): string[] {
  const { words, alg, table } = ct.tracker;
  const layout = memoryLayout(ct.memory);
  const locks: [string, Int32Array, number][] = [
    ['slab', words, layout.slab],
    ['line arena', words, layout.arena],
    ['quota', words, layout.quota + POOL_MUTEX],
    ['timeout policies', words, layout.timeouts],
    ['helper names', words, layout.helperNames],
    ['expectations', words, alg.expectations.mutex],
    ['zone limits', words, layout.zones + ZONES_MUTEX],
    ['clock', words, layout.settings + SettingWord.CLOCK_MUTEX],
    ['fragments', ct.memory.fragments, FragmentsWord.MUTEX],
  ];
  const { zoneLists, participants } = ct.tracker;
  for (let id = 0; id < participants.maxParticipants; id++) {
    locks.push([`zone lists of participant ${id}`, zoneLists.words, zoneLists.lockOf(id)]);
  }
  ct.tracker.enter();
  for (let bucket = 0; bucket < table.bucketCount; bucket++) {
    locks.push([`bucket ${bucket}`, words, layout.buckets + bucket * BUCKET_WORDS + BucketWord.LOCK]);
    visitBucket(ct.tracker, bucket, (record, r) => locks.push([`connection ${record}`, words, r + ConnWord.LOCK]));
  }
  ct.tracker.leave();
  return locks
    .filter(([, region, index]) => region[index] !== 0)
    .map(([name, region, index]) => `${name}: ${region[index]}`);
}
