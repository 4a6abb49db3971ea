/**
 * Expiration lists of the engines `baseline` and `ct-scale`, in a shared region of their own:
 *
 *   lists    HEAD and TAIL of every list: record numbers, 0: none
 *   disorder a word for each list; only baseline uses it (expiration-lists/disorder.ts)
 *   queues   one for each kind of timeout; only ct-scale uses them (queues/queue.ts)
 *   nodes    one for each unit of the slab, by record number (NodeWord)
 *
 * A list holds connections of one kind of timeout and one timeout policy, so the last connection appended is the last to expire.
 * Policies share POLICY_LISTS sets of lists. A policy change breaks the order (expiration-lists/disorder.ts).
 *
 * One lock protects lists and nodes: in baseline the lock of the only bucket, in ct-scale LISTS_LOCK.
 */

import { peek, poke, type Words } from '../../shared/access.ts';
import { LINE_WORDS, wholeLines } from '../../shared/memory/cache-line.ts';
import { type Participant, ParticipantWord } from '../../shared/memory/participant.ts';
import { Timeout } from '../expiry/timeouts.ts';

/** A connection's node. Written under the lists' lock, unless stated otherwise. */
export const NodeWord = {
  NEXT: 0,
  PREV: 1,
  /** Number of its list, plus 1; 0: in no list. */
  LIST: 2,
  /**
   * ct-scale: the expiry by which the node is sorted into its list. The connection's own expiry may be later by now.
   */
  EXPIRY: 3,
  /** ct-scale, atomic: the next node in the queue. */
  QUEUE_NEXT: 4,
  /** ct-scale, atomic: 1 while it is in a queue. */
  QUEUED: 5,
  /** ct-scale, atomic: the generation that was linked last. The thread that links the record writes it afterwards. */
  GENERATION: 6,
  /** The connection's current Timeout. A plain single word; the last change wins. */
  KIND: 7,
} as const;
const NODE_WORDS = 8;

/** Kinds of timeout. */
export const KINDS: number = Timeout.ICMP_REPLY + 1;
/** Sets of lists: one for connections with the default policy, the others for those with another, by its id. */
const POLICY_LISTS = 64;
export const LISTS: number = KINDS * POLICY_LISTS;

/** A node inserted out of order moves forward by at most this many nodes. */
const MOST_STEPS = 64;

const HEAD = 0;
const TAIL = 1;
const LIST_WORDS = 2;

/**
 * ct-scale: the mutex of the lists and of the queues' consumer ends. Its index differs from the index of any mutex in
 * another region, because sleepers are found by index.
 */
export const LISTS_LOCK = 1;
const FIRST_LIST: number = LINE_WORDS;
export const FIRST_QUEUE: number = FIRST_LIST + wholeLines(LISTS * LIST_WORDS);
/** A queue: a line for producers, a line for the consumer, a line for the stub. */
export const QUEUE_WORDS: number = 3 * LINE_WORDS;
/** Written under the lists' lock; read as a hint. */
export const FIRST_DISORDER: number = FIRST_QUEUE + KINDS * QUEUE_WORDS;
const FIRST_NODE: number = FIRST_DISORDER + wholeLines(LISTS);

/**
 * The change that a participant is making, in its block from ParticipantWord.ENGINE on. A repair (repair.ts) can do the
 * change once more with the same result.
 */
export const EngineIntent = {
  /** A ListChange, the list and the record. For an insertion also the records before and after it. */
  CHANGE: 0,
  LIST: 1,
  RECORD: 2,
  AFTER: 3,
  NEXT: 4,
  /**
   * A record that is between two lists, 0: none. baseline: MOVE_LIST is its destination, a list or FRONT. ct-scale:
   * MOVE_LIST is DEQUEUED or 0.
   */
  MOVE_RECORD: 5,
  MOVE_LIST: 6,
  /**
   * ct-scale: the record that is being put into a queue, plus QUEUE_BIAS, 0: none; then the queue; then the newest
   * record before it, plus QUEUE_BIAS, once it is known.
   */
  QUEUE_RECORD: 7,
  QUEUE: 8,
  QUEUE_BEFORE: 9,
  /** ct-scale: a record that is linked, but not in a queue yet. */
  SCHEDULE_RECORD: 10,
  /** How many records of SWEEP_FOUND the sweep still has to remove. */
  SWEEP_LEFT: 11,
  /** MAX_SWEEP_FOUND records. */
  SWEEP_FOUND: LINE_WORDS,
} as const;
/** Stale records that a sweep takes from the lists before it releases the lock to remove them. */
const MAX_SWEEP_FOUND = 32;
export const FRONT = -1;
/** The record was taken from a queue, and QUEUED may still be set. */
export const DEQUEUED = -2;
export const QUEUE_BIAS = 2;
const ListChange = { none: 0, append: 1, prepend: 2, insert: 3, remove: 4 } as const;

/** Words of the region for a table of this size. */
export function listsWords({ recordUnits }: TableSize): number {
  return FIRST_NODE + (recordUnits + 2) * NODE_WORDS;
}

export interface TableSize {
  maxConnections: number;
  maxParticipants: number;
  /** Units of the slab (memory-layout.ts). */
  recordUnits: number;
}

export class ExpirationLists {
  readonly words: Words;
  /** The calling thread's EngineIntent: `intents[intentBase + ...]`. */
  readonly intents: Words;
  readonly intentBase: number;
  readonly #firstNode: number;
  /**
   * Stale records that a sweep has found. They are in the participant's block, so that a repair can continue with them.
   */
  readonly found: Int32Array;

  /** @param firstUnit the lowest record number that the slab allocates */
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

  /** The first record of a list; 0: the list is empty. A hint without the lock. */
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

  /** Repeats the change that the participant had begun. The caller holds the lists' lock. */
  redoLocked(): void {
    const { intents, intentBase, words } = this;
    const list = intents[intentBase + EngineIntent.LIST]!;
    const record = intents[intentBase + EngineIntent.RECORD]!;
    const at = FIRST_LIST + list * LIST_WORDS;
    /* The last store of each change tells whether it was complete. */
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
   * Inserts a record by its EXPIRY, searching from the end of the list. If its position is more than MOST_STEPS nodes
   * away, it is appended instead. The records before it then expire first in the list's order, and the sweeper reaches
   * it late.
   */
  insertByExpiryLocked(list: number, record: number): void {
    const { words } = this;
    const at = FIRST_LIST + list * LIST_WORDS;
    const node = this.nodeOf(record);
    const expiry = peek(words, node + NodeWord.EXPIRY);
    let after = peek(words, at + TAIL);
    for (
      let steps = 0;
      after !== 0 && ((peek(words, this.nodeOf(after) + NodeWord.EXPIRY) - expiry) | 0) > 0;
      steps++
    ) {
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

  /** Links a record between the two records of the intent. */
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

  /** Removes a record from its list, if it is in one. */
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
