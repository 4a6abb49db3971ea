/**
 * A queue of many producers and one consumer, after D. Vyukov's intrusive MPSC node-based queue. A producer makes its node the
 * newest by one exchange, then links the previous newest node to it. It never waits. Between the two steps the queue seems to end
 * early, and the consumer takes the rest the next time.
 *
 *   line 0   NEWEST (record number, or STUB). atomic
 *   line 1   OLDEST. Only the consumer uses it, under the lists' lock
 *   line 2   the stub's node: it keeps an empty queue non-empty
 */

import { exchange, load, peek, poke, store } from '../../../shared/access.ts';
import { LINE_WORDS } from '../../../shared/memory/cache-line.ts';
import {
  DEQUEUED,
  EngineIntent,
  type ExpirationLists,
  FIRST_QUEUE,
  KINDS,
  NodeWord,
  QUEUE_BIAS,
  QUEUE_WORDS,
} from '../lists.ts';

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

/** The thread that allocated the region calls this once. */
export function initialiseQueues(lists: ExpirationLists): void {
  for (let queue = 0; queue < KINDS; queue++) {
    store(lists.words, queueAt(queue) + NEWEST, STUB);
    store(lists.words, queueAt(queue) + OLDEST, STUB);
  }
}

function append(lists: ExpirationLists, queue: number, record: number): void {
  const { intents, intentBase } = lists;
  intents[intentBase + EngineIntent.QUEUE] = queue;
  intents[intentBase + EngineIntent.QUEUE_BEFORE] = 0;
  intents[intentBase + EngineIntent.QUEUE_RECORD] = record + QUEUE_BIAS;
  store(lists.words, nextWord(lists, queue, record), 0);
  const before = exchange(lists.words, queueAt(queue) + NEWEST, record);
  intents[intentBase + EngineIntent.QUEUE_BEFORE] = before + QUEUE_BIAS;
  store(lists.words, nextWord(lists, queue, before), record);
  intents[intentBase + EngineIntent.QUEUE_RECORD] = 0;
}

/** Finishes an append that the participant had begun. */
export function redoAppend(lists: ExpirationLists): void {
  const { intents, intentBase } = lists;
  if (intents[intentBase + EngineIntent.QUEUE_RECORD] === 0) {
    return;
  }
  const queue = intents[intentBase + EngineIntent.QUEUE]!;
  const record = intents[intentBase + EngineIntent.QUEUE_RECORD]! - QUEUE_BIAS;
  if (intents[intentBase + EngineIntent.QUEUE_BEFORE] === 0) {
    append(lists, queue, record);
  } else {
    const before = intents[intentBase + EngineIntent.QUEUE_BEFORE]! - QUEUE_BIAS;
    store(lists.words, nextWord(lists, queue, before), record);
    intents[intentBase + EngineIntent.QUEUE_RECORD] = 0;
  }
}

/**
 * Passes a record to the consumer, unless it is already in a queue. The consumer sees all that the producer wrote
 * before.
 */
export function enqueue(lists: ExpirationLists, queue: number, record: number): void {
  if (exchange(lists.words, lists.nodeOf(record) + NodeWord.QUEUED, 1) === 0) {
    /* In the same step as the exchange (participant.ts). `append` writes these words again, but only after a function
     * call, where V8 may end the thread. */
    const { intents, intentBase } = lists;
    intents[intentBase + EngineIntent.QUEUE] = queue;
    intents[intentBase + EngineIntent.QUEUE_BEFORE] = 0;
    intents[intentBase + EngineIntent.QUEUE_RECORD] = record + QUEUE_BIAS;
    append(lists, queue, record);
  }
}

/**
 * Takes the oldest record from a queue; 0: none. From now on producers may enqueue it again. The lists' lock is held.
 * MOVE_RECORD names the record until the caller has put it into a list.
 */
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
  const queued = lists.nodeOf(oldest) + NodeWord.QUEUED;
  const { intents, intentBase } = lists;
  poke(words, at + OLDEST, next);
  intents[intentBase + EngineIntent.MOVE_RECORD] = oldest;
  intents[intentBase + EngineIntent.MOVE_LIST] = DEQUEUED;
  store(words, queued, 0);
  intents[intentBase + EngineIntent.MOVE_LIST] = 0;
  return oldest;
}
