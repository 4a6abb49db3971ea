/** What must hold in a wheel while no thread works: tests and the soak ask. */

import type { Words } from '../../../shared/access.ts';
import { ConnWord, UNIT_SHIFT } from '../../table/conn.ts';
import type { ExpiryStrategy } from '../expiry.ts';
import type { WheelSlots } from './slots.ts';
import { TimerWheel } from './timer-wheel.ts';
import { FAR_SLOTS, headOf, inboxOf, LAST, NEAR_SLOTS, NodeWord, wheelLayout, WheelWord } from './wheel-layout.ts';

/** Expiries that differ by more come from clocks that differ: they cannot be compared. */
const COMPARABLE_MS: number = 2 ** 30;

/**
 * The faults in a wheel; none for another engine. The next sweep must find every connection, and in time.
 * @param linked all records in the index
 */
export function wheelFaults(expiry: ExpiryStrategy, maxParticipants: number, linked: Iterable<number>): string[] {
  if (!(expiry instanceof TimerWheel)) {
    return [];
  }
  const { slots, region, words } = expiry;
  const faults: string[] = [];
  if (region[WheelWord.MUTEX] !== 0) {
    faults.push('the mutex of the wheel is held');
  }
  const listed = nodesInLists(region, maxParticipants, faults);
  const queued = recordsInInboxes(region, slots, maxParticipants, faults);
  for (const record of linked) {
    const node = slots.nodeOf(record);
    const r = record << UNIT_SHIFT;
    const late = (region[node + NodeWord.DUE]! - words[r + ConnWord.EXPIRES]!) | 0;
    if (queued.has(record)) {
      continue;
    }
    if (!listed.has(node)) {
      faults.push(`record ${record} is linked, and neither in the wheel nor in an inbox`);
    } else if (late > 0 && late < COMPARABLE_MS) {
      faults.push(`record ${record} is due in the wheel ${late} ms after its expiry`);
    }
  }
  return faults;
}

/** Walks each list, and checks that it can be walked back. */
function nodesInLists(region: Words, maxParticipants: number, faults: string[]): Set<number> {
  const { near, far } = wheelLayout(maxParticipants);
  const heads: number[] = [WheelWord.PENDING];
  for (let slot = 0; slot < NEAR_SLOTS; slot++) {
    heads.push(headOf(near, slot));
  }
  for (let slot = 0; slot < FAR_SLOTS; slot++) {
    heads.push(headOf(far, slot));
  }
  const listed = new Set<number>();
  for (const head of heads) {
    let previous = head;
    let node = region[head + NodeWord.NEXT]!;
    while (node !== head) {
      if (listed.has(node) || region[node + NodeWord.PREV] !== previous) {
        faults.push(`the list at word ${head} is broken at node ${node}`);
        return listed;
      }
      listed.add(node);
      previous = node;
      node = region[node + NodeWord.NEXT]!;
    }
    if (region[head + NodeWord.PREV] !== previous) {
      faults.push(`the list at word ${head} does not end where its head says`);
    }
  }
  return listed;
}

/** Walks each inbox, and the rest of one that a sweeper has taken. */
function recordsInInboxes(region: Words, slots: WheelSlots, maxParticipants: number, faults: string[]): Set<number> {
  const queued = new Set<number>();
  const firsts = [region[WheelWord.TAKEN]!];
  for (let participant = 0; participant < maxParticipants; participant++) {
    firsts.push(region[inboxOf(participant)]!);
  }
  for (const first of firsts) {
    let record = first;
    while (record !== 0) {
      const behind = region[slots.nodeOf(record) + NodeWord.QUEUE]!;
      if (queued.has(record) || behind === 0) {
        faults.push(`record ${record} is in an inbox twice, or not queued`);
        return queued;
      }
      queued.add(record);
      record = behind === LAST ? 0 : behind;
    }
  }
  return queued;
}
