/** What must hold of the expiration lists when no thread is at work. */

import { expect } from 'vitest';
import type { Conntrack } from '../../src/core/conntrack.ts';
import { visitBucket } from '../../src/core/inspect/dump.ts';
import { LISTS, NodeWord } from '../../src/core/engines/lists.ts';

/**
 * Fails the test unless every list can be walked from its head, with a node's links and list as they should be, and unless every
 * connection stands in a list (baseline), or in a list or a queue (ct-scale), and in baseline nobody else.
 */
export function expectAllListed(ct: Conntrack): void {
  const { tracker } = ct;
  const { lists } = tracker.expiry;
  if (lists === undefined) {
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
