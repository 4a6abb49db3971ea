/**
 * Expiration lists of the engines `baseline` and `ct-scale`, in a shared region of their own:
 *
 *   lists    HEAD and TAIL (record numbers, 0: none) of every list
 *   disorder a word for each list, only used by baseline (expiration-lists/disorder.ts)
 *   queues   one for each kind of timeout, only used by ct-scale (queues/queue.ts)
 *   nodes    one for each unit of the slab, by record number (NodeWord)
 *
 * A list holds connections of one kind of timeout and one timeout policy, so that whoever is appended expires last. Policies
 * share POLICY_LISTS sets of lists. A policy that changes while connections live breaks that order (expiration-lists/disorder.ts).
 *
 * Lists and their nodes are changed under one lock: in baseline the lock of the only bucket, in ct-scale LOCK.
 */

import { peek, poke, type Words } from '../../shared/access.ts';
import { LINE_WORDS, wholeLines } from '../../shared/memory/cache-line.ts';
import { type Participant, ParticipantWord } from '../../shared/memory/participant.ts';
import { Slab } from '../../shared/memory/slab.ts';
import { Timeout } from '../expiry/timeouts.ts';

/** A connection's node. Under the lists' lock, unless said. */
export const NodeWord = {
  NEXT: 0,
  PREV: 1,
  /** Number of the list that it is in, plus 1; 0: in none. */
  LIST: 2,
  /** ct-scale: when it has to be looked at. */
  EXPIRY: 3,
  /** ct-scale, atomic: next node of the queue. */
  QUEUE_NEXT: 4,
  /** ct-scale, atomic: 1 while it stands in a queue. */
  QUEUED: 5,
  /** ct-scale, atomic: the generation that was linked last. Written by whoever links, after it. */
  GENERATION: 6,
  /** The Timeout that it waits for. A single word, written by whoever changed it last. */
  KIND: 7,
} as const;
const NODE_WORDS = 8;

/** Kinds of timeout. */
export const KINDS: number = Timeout.ICMP_REPLY + 1;
/** Sets of lists: one for connections without a policy of their own, the rest for those with one, by its id. */
const POLICY_LISTS = 64;
export const LISTS: number = KINDS * POLICY_LISTS;

/** What is put into a list out of turn goes at most so many places forward. */
const MOST_STEPS = 64;

const HEAD = 0;
const TAIL = 1;
const LIST_WORDS = 2;

/** ct-scale: the mutex of lists and queues' ends. Not at the index of another region's mutex: sleepers are found by it. */
export const LISTS_LOCK = 1;
const FIRST_LIST: number = LINE_WORDS;
export const FIRST_QUEUE: number = FIRST_LIST + wholeLines(LISTS * LIST_WORDS);
/** A queue: a line for producers, a line for the consumer, a line for the stub. */
export const QUEUE_WORDS: number = 3 * LINE_WORDS;
/** Under the lists' lock; read as a hint. */
export const FIRST_DISORDER: number = FIRST_QUEUE + KINDS * QUEUE_WORDS;
const FIRST_NODE: number = FIRST_DISORDER + wholeLines(LISTS);

/**
 * What a participant is changing, in its block from ParticipantWord.ENGINE on, for whoever repairs after it (repair.ts): enough to
 * do it once more, with the same outcome.
 */
export const EngineIntent = {
  /** A ListChange, the list and the record; for an insertion the records before and after. */
  CHANGE: 0,
  LIST: 1,
  RECORD: 2,
  AFTER: 3,
  NEXT: 4,
  /** A record that is in no list for now, 0: none. baseline: where it is to go, a list or FRONT; ct-scale: DEQUEUED or 0. */
  MOVE_RECORD: 5,
  MOVE_LIST: 6,
  /** ct-scale: record + QUEUE_BIAS that is being put into a queue, 0: none; which; what was the newest, biased as well, once that is known. */
  QUEUE_RECORD: 7,
  QUEUE: 8,
  QUEUE_BEFORE: 9,
  /** ct-scale: a record that is linked, and not yet made known to the sweeper. */
  SCHEDULE_RECORD: 10,
  /** How many of SWEEP_FOUND are still to be removed. */
  SWEEP_LEFT: 11,
  /** MAX_SWEEP_FOUND records. */
  SWEEP_FOUND: LINE_WORDS,
} as const;
/** Stale records that a sweep of lists takes from them before it gives the lock back to remove them. */
const MAX_SWEEP_FOUND = 32;
export const FRONT = -1;
/** It was taken from a queue and is still marked as QUEUED. */
export const DEQUEUED = -2;
export const QUEUE_BIAS = 2;
const ListChange = { none: 0, append: 1, prepend: 2, insert: 3, remove: 4 } as const;

/** Words of the region for a table of this size. */
export function listsWords({ maxConnections, maxParticipants }: TableSize): number {
  return FIRST_NODE + (Slab.unitsFor(maxConnections, maxParticipants) + 2) * NODE_WORDS;
}

export interface TableSize {
  maxConnections: number;
  maxParticipants: number;
}

export class ExpirationLists {
  readonly words: Words;
  /** The calling thread's EngineIntent: `intents[intentBase + ...]`. */
  readonly intents: Words;
  readonly intentBase: number;
  readonly #firstNode: number;
  /** Stale records that a sweep has found, in the participant's block: a repair goes on with them. */
  readonly found: Int32Array;

  /** @param firstUnit the lowest record number that the slab hands out */
  constructor(words: Words, firstUnit: number, participant: Participant) {
    this.words = words;
    this.intents = participant.words;
    this.intentBase = participant.base + ParticipantWord.ENGINE;
    const found = this.intentBase + EngineIntent.SWEEP_FOUND;
    this.found = participant.words.subarray(found, found + MAX_SWEEP_FOUND);
    this.#firstNode = FIRST_NODE - firstUnit * NODE_WORDS;
  }

  /** Word index of a record's node. */
  nodeOf(record: number): number {
    return this.#firstNode + record * NODE_WORDS;
  }

  /** The list for a kind of timeout under a policy. */
  static listOf(timeout: number, policyId: number): number {
    const set = policyId === 0 ? 0 : 1 + ((policyId >>> 0) % (POLICY_LISTS - 1));
    return set * KINDS + timeout;
  }

  isListedLocked(record: number): boolean {
    return peek(this.words, this.nodeOf(record) + NodeWord.LIST) !== 0;
  }

  /** The first record of a list, 0: it is empty. A hint without the lock. */
  firstOf(list: number): number {
    return peek(this.words, FIRST_LIST + list * LIST_WORDS + HEAD);
  }

  nextLocked(record: number): number {
    return peek(this.words, this.nodeOf(record) + NodeWord.NEXT);
  }

  #begin(change: number, list: number, record: number): void {
    const { intents, intentBase } = this;
    intents[intentBase + EngineIntent.LIST] = list;
    intents[intentBase + EngineIntent.RECORD] = record;
    intents[intentBase + EngineIntent.CHANGE] = change;
  }

  /** Does once more what the participant had begun. The lists' lock is held. */
  redoLocked(): void {
    const { intents, intentBase, words } = this;
    const list = intents[intentBase + EngineIntent.LIST]!;
    const record = intents[intentBase + EngineIntent.RECORD]!;
    const at = FIRST_LIST + list * LIST_WORDS;
    /* The last store of each says that it was done. */
    switch (intents[intentBase + EngineIntent.CHANGE]) {
      case ListChange.append:
        if (words[at + TAIL] !== record) {
          this.appendLocked(list, record);
        }
        break;
      case ListChange.prepend:
        if (words[at + HEAD] !== record) {
          this.prependLocked(list, record);
        }
        break;
      case ListChange.insert:
        this.#linkBetween(list, record);
        break;
      case ListChange.remove:
        this.removeLocked(record);
        break;
      default:
    }
    intents[intentBase + EngineIntent.CHANGE] = ListChange.none;
  }

  appendLocked(list: number, record: number): void {
    const { words } = this;
    this.#begin(ListChange.append, list, record);
    const at = FIRST_LIST + list * LIST_WORDS;
    const node = this.nodeOf(record);
    const last = peek(words, at + TAIL);
    poke(words, node + NodeWord.NEXT, 0);
    poke(words, node + NodeWord.PREV, last);
    poke(words, node + NodeWord.LIST, list + 1);
    poke(words, last === 0 ? at + HEAD : this.nodeOf(last) + NodeWord.NEXT, record);
    poke(words, at + TAIL, record);
    this.intents[this.intentBase + EngineIntent.CHANGE] = ListChange.none;
  }

  /**
   * Puts a record where its DUE belongs, looking from the end; behind the last where that is further than MOST_STEPS away:
   * what stands before it is then looked at first, and it goes late.
   */
  insertByExpiryLocked(list: number, record: number): void {
    const { words } = this;
    const at = FIRST_LIST + list * LIST_WORDS;
    const node = this.nodeOf(record);
    const due = peek(words, node + NodeWord.EXPIRY);
    let after = peek(words, at + TAIL);
    for (let steps = 0; after !== 0 && ((peek(words, this.nodeOf(after) + NodeWord.EXPIRY) - due) | 0) > 0; steps++) {
      if (steps === MOST_STEPS) {
        this.appendLocked(list, record);
        return;
      }
      after = peek(words, this.nodeOf(after) + NodeWord.PREV);
    }
    if (after === 0) {
      this.prependLocked(list, record);
      return;
    }
    const next = peek(words, this.nodeOf(after) + NodeWord.NEXT);
    if (next === 0) {
      this.appendLocked(list, record);
      return;
    }
    this.intents[this.intentBase + EngineIntent.AFTER] = after;
    this.intents[this.intentBase + EngineIntent.NEXT] = next;
    this.#begin(ListChange.insert, list, record);
    this.#linkBetween(list, record);
    this.intents[this.intentBase + EngineIntent.CHANGE] = ListChange.none;
  }

  /** Between the two records that stand in the intent. */
  #linkBetween(list: number, record: number): void {
    const { words, intents, intentBase } = this;
    const node = this.nodeOf(record);
    const after = intents[intentBase + EngineIntent.AFTER]!;
    const next = intents[intentBase + EngineIntent.NEXT]!;
    poke(words, node + NodeWord.NEXT, next);
    poke(words, node + NodeWord.PREV, after);
    poke(words, node + NodeWord.LIST, list + 1);
    poke(words, this.nodeOf(after) + NodeWord.NEXT, record);
    poke(words, this.nodeOf(next) + NodeWord.PREV, record);
  }

  prependLocked(list: number, record: number): void {
    const { words } = this;
    const at = FIRST_LIST + list * LIST_WORDS;
    const node = this.nodeOf(record);
    this.#begin(ListChange.prepend, list, record);
    const first = peek(words, at + HEAD);
    poke(words, node + NodeWord.NEXT, first);
    poke(words, node + NodeWord.PREV, 0);
    poke(words, node + NodeWord.LIST, list + 1);
    poke(words, first === 0 ? at + TAIL : this.nodeOf(first) + NodeWord.PREV, record);
    poke(words, at + HEAD, record);
    this.intents[this.intentBase + EngineIntent.CHANGE] = ListChange.none;
  }

  /** Takes a record out of the list that it is in, if it is in one. */
  removeLocked(record: number): void {
    const { words } = this;
    const node = this.nodeOf(record);
    const list = peek(words, node + NodeWord.LIST) - 1;
    if (list < 0) {
      return;
    }
    this.#begin(ListChange.remove, list, record);
    const at = FIRST_LIST + list * LIST_WORDS;
    const next = peek(words, node + NodeWord.NEXT);
    const previous = peek(words, node + NodeWord.PREV);
    poke(words, previous === 0 ? at + HEAD : this.nodeOf(previous) + NodeWord.NEXT, next);
    poke(words, next === 0 ? at + TAIL : this.nodeOf(next) + NodeWord.PREV, previous);
    poke(words, node + NodeWord.LIST, 0);
    this.intents[this.intentBase + EngineIntent.CHANGE] = ListChange.none;
  }
}
