/**
 * A queue of many producers and one consumer, after D. Vyukov's intrusive MPSC node-based queue: a producer
 * makes itself the newest by one exchange and then links its predecessor to itself, so it never waits. Between the two steps
 * the consumer sees the queue end early, and takes the rest the next time.
 *
 *   line 0   NEWEST (record number, or STUB). atomic
 *   line 1   OLDEST. Of the consumer, who holds the lists' lock
 *   line 2   the stub's node: stands in the queue whenever nobody else does
 */

import { exchange, load, peek, poke, store } from '../../shared/access.ts';
import { LINE_WORDS } from '../../shared/cache-line.ts';
import { type ExpirationLists, FIRST_QUEUE, KINDS, NodeWord, QUEUE_WORDS } from './lists.ts';

const NEWEST = 0;
const OLDEST: number = LINE_WORDS;
const STUB_NODE: number = 2 * LINE_WORDS;
const STUB = -1;

function queueAt(queue: number): number {
  return FIRST_QUEUE + queue * QUEUE_WORDS;
}

function nextWord(lists: ExpirationLists, queue: number, record: number): number {
  return (record === STUB ? queueAt(queue) + STUB_NODE : lists.nodeOf(record)) + NodeWord.QUEUE_NEXT;
}

/** Once, by whoever made the region. */
export function initialiseQueues(lists: ExpirationLists): void {
  for (let queue = 0; queue < KINDS; queue++) {
    store(lists.words, queueAt(queue) + NEWEST, STUB);
    store(lists.words, queueAt(queue) + OLDEST, STUB);
  }
}

function append(lists: ExpirationLists, queue: number, record: number): void {
  store(lists.words, nextWord(lists, queue, record), 0);
  const before = exchange(lists.words, queueAt(queue) + NEWEST, record);
  store(lists.words, nextWord(lists, queue, before), record);
}

/** Hands a record to the consumer, unless it already waits for it. Whatever was written before, the consumer sees. */
export function enqueue(lists: ExpirationLists, queue: number, record: number): void {
  if (exchange(lists.words, lists.nodeOf(record) + NodeWord.QUEUED, 1) === 0) {
    append(lists, queue, record);
  }
}

/** The oldest record of a queue, which may be handed over again from now on; 0: none. The lists' lock is held. */
export function dequeueLocked(lists: ExpirationLists, queue: number): number {
  const { words } = lists;
  const at = queueAt(queue);
  let oldest = peek(words, at + OLDEST);
  let next = load(words, nextWord(lists, queue, oldest));
  if (oldest === STUB) {
    if (next === 0) {
      return 0;
    }
    poke(words, at + OLDEST, next);
    oldest = next;
    next = load(words, nextWord(lists, queue, oldest));
  }
  if (next === 0) {
    if (load(words, at + NEWEST) !== oldest) {
      /* A producer is between its two steps. */
      return 0;
    }
    append(lists, queue, STUB);
    next = load(words, nextWord(lists, queue, oldest));
    if (next === 0) {
      return 0;
    }
  }
  poke(words, at + OLDEST, next);
  store(words, lists.nodeOf(oldest) + NodeWord.QUEUED, 0);
  return oldest;
}
