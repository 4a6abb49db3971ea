/**
 * The region of the engine `wheel`, in words:
 *
 *   header    the mutex of the wheel, its position, two lists                    WheelWord
 *   inboxes   one for each participant, a pair of cache lines each               inbox.ts
 *   near      NEAR_SLOTS heads of lists: a slot of this level is one tick        slots.ts
 *   far       FAR_SLOTS heads: a slot of this level is one turn of the near level
 *   nodes     one for each unit of the slab, by record number                    NodeWord
 *
 * Links are word indexes in the region. A head is the first two words of a node, so an empty list links to itself.
 *
 * Which thread may write a word:
 *   w   wheel: by the holder of the wheel's mutex. Only sweepers take it. Written plainly
 *   a   atomic: by several threads, see the field
 */

import { evenLines, LINE_WORDS } from '../../../shared/memory/cache-line.ts';
import { LISTS_LOCK, type TableSize } from '../lists.ts';

/** A connection's node. */
export const NodeWord = {
  /** wheel. The next node in its list; 0: the node is in no list. */
  NEXT: 0,
  /** wheel. */
  PREV: 1,
  /** wheel. When the sweeper is to look at the record: low 32 bits of ms. Never later than the expiry that it saw last. */
  DUE: 2,
  /**
   * atomic. 0: in no inbox. Else the record behind it in its inbox, or LAST. The thread that turns it from 0 puts the node into
   * an inbox. The sweeper sets it back.
   */
  QUEUE: 3,
  /** atomic. The generation that was linked last. Its creator writes it after it has linked the record. */
  GENERATION: 4,
} as const;
export const NODE_WORDS = 5;

/** In QUEUE: the node is in an inbox, and no other is behind it. */
export const LAST = -1;

export const WheelWord = {
  /** Its index is that of the other engines' mutex of lists: sleepers are found by index (lock-waits.ts). */
  MUTEX: LISTS_LOCK,
  /** wheel. The tick whose slot was emptied last: low 32 bits of ms, a multiple of TICK_MS. */
  POSITION: 2,
  /** wheel. 1: POSITION has a value. */
  IS_SET: 3,
  /** wheel. The far slot that was emptied last; -1: none. */
  CASCADED: 4,
  /** wheel. The first record of an inbox that a sweeper has taken, and that is not empty yet; 0: none. */
  TAKEN: 5,
  /** wheel. The head of the list of nodes that a sweeper has taken from slots, and that have no place yet. */
  PENDING: 6,
} as const;

/**
 * A quarter of the default sweep interval. A smaller tick removes no connection earlier. A larger one makes a sweep look again at
 * the nodes of the present tick.
 */
export const TICK_SHIFT = 7;
export const TICK_MS: number = 1 << TICK_SHIFT;
/** A turn of the near level takes 65.5 s: the default timeouts up to 60 s lie in it, so their nodes move only once they are due. */
const NEAR_BITS = 9;
export const NEAR_SLOTS: number = 1 << NEAR_BITS;
export const FAR_SHIFT: number = TICK_SHIFT + NEAR_BITS;
/** A turn of the far level takes 70 minutes: four times the longest time between two looks. */
const FAR_BITS = 6;
export const FAR_SLOTS: number = 1 << FAR_BITS;
export const TURN_MS: number = 1 << (FAR_SHIFT + FAR_BITS);
/**
 * The longest time between two looks at a connection, ms, whatever its expiry is: 17.5 minutes. If a thread dies just before it
 * reports an earlier expiry, the delay ends here.
 */
export const MAX_VISIT_INTERVAL_MS: number = 2 ** 20;

const HEAD_WORDS = 2;
const INBOX_WORDS: number = 2 * LINE_WORDS;
const FIRST_INBOX: number = 2 * LINE_WORDS;

/** Word index of a participant's inbox: its newest record; 0: it is empty. atomic */
export function inboxOf(participant: number): number {
  return FIRST_INBOX + participant * INBOX_WORDS;
}

export interface WheelLayout {
  /** Word index of the first head of each level. */
  readonly near: number;
  readonly far: number;
  readonly nodes: number;
}

export function wheelLayout(maxParticipants: number): WheelLayout {
  const near = inboxOf(maxParticipants);
  const far = near + NEAR_SLOTS * HEAD_WORDS;
  return { near, far, nodes: far + FAR_SLOTS * HEAD_WORDS };
}

/** Word index of a level's slot. */
export function headOf(level: number, slot: number): number {
  return level + slot * HEAD_WORDS;
}

/** Words of the region for a table of this size. */
export function wheelWords({ maxParticipants, recordUnits }: TableSize): number {
  return evenLines(wheelLayout(maxParticipants).nodes + (recordUnits + 2) * NODE_WORDS);
}

/**
 * What a participant has taken, in its block from ParticipantWord.ENGINE on. The lists themselves need no intent: each change of
 * them is one step (participant.ts).
 */
export const WheelIntent = {
  /** A record whose QUEUE the thread has turned from 0, and that is not in its inbox yet; 0: none. */
  QUEUE_RECORD: 0,
  /** A record that is linked, and has not been put into the inbox yet; 0: none. */
  LINKED_RECORD: 1,
  /** A record whose expiry the thread makes earlier, and that has not been put into the inbox yet; 0: none. */
  SHORTENED_RECORD: 2,
  /** A record that was taken out of an inbox, and is not placed yet; 0: none. */
  MOVE_RECORD: 3,
  /** 1: QUEUE of MOVE_RECORD is not 0 yet. */
  MOVE_IS_QUEUED: 4,
  /** How many records of SWEEP_FOUND the sweep still has to remove. They are in no list. */
  SWEEP_LEFT: 5,
  /** MAX_FOUND records. */
  SWEEP_FOUND: LINE_WORDS,
} as const;
export const MAX_FOUND = 32;
