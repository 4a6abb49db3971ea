/** The invariants of the expiration lists, and of the wheel, while no thread works. */

import { expect } from 'vitest';
import type { Conntrack } from '../../src/core/conntrack.ts';
import { visitBucket } from '../../src/core/inspect/table-walk.ts';
import { LISTS, NodeWord } from '../../src/core/engines/lists.ts';
import { listProblems } from './deep-accounting.ts';

/**
 * Fails the test unless the links of every list are consistent and each node names its list. Each connection must be in a list
 * (baseline), or in a list or a queue (ct-scale), or in the wheel or an inbox (wheel). In baseline the lists must hold no other record.
 */
export function expectAllListed(ct: Conntrack): void {
  const { tracker } = ct;
  const { lists } = tracker.expiry;
  if (lists === undefined) {
    expect(listProblems(ct)).toEqual([]);
    return;
  }
  const listed = new Set<number>();
  for (let list = 0; list < LISTS; list++) {
    let previous = 0;
    for (let record = lists.firstOf(list); record !== 0; record = lists.nextLocked(record)) {
      expect(listed.has(record)).toBe(false);
      listed.add(record);
      const node = lists.nodeOf(record);
      expect(lists.words[node + NodeWord.LIST]).toBe(list + 1);
      expect(lists.words[node + NodeWord.PREV]).toBe(previous);
      previous = record;
    }
  }
  const linked = new Set<number>();
  tracker.enter();
  for (let bucket = 0; bucket < tracker.table.bucketCount; bucket++) {
    visitBucket(tracker, bucket, (record) => linked.add(record));
  }
  tracker.leave();
  const isQueued = (record: number) => lists.words[lists.nodeOf(record) + NodeWord.QUEUED] !== 0;
  const lost = [...linked].filter(
    (record) => !listed.has(record) && !(tracker.memory.engine === 'ct-scale' && isQueued(record)),
  );
  expect(lost).toEqual([]);
  if (tracker.memory.engine === 'baseline') {
    expect([...listed].filter((record) => !linked.has(record))).toEqual([]);
  }
}
