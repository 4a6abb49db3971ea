/**
 * The slots of the wheel, and the lists in them. A node lies in the slot of the tick in which it is due:
 *
 *                        now
 *   near   [ ][ ][ ][ ][x][ ][ ][ ]...    512 slots of 128 ms
 *   far    [      ][  x   ][      ]...    64 slots of 65.5 s
 *
 * POSITION is the present slot of the near level. It goes forward tick by tick. A sweeper moves the nodes of each slot that it reaches
 * to the list `pending`. When the near level has gone round, the nodes of the next far slot go there, too. The sweeper then takes
 * one node after another from `pending`: it places the node anew, or removes its connection. So a node may be looked at too early,
 * never too late.
 *
 * All of it belongs to the holder of the wheel's mutex. Each change is a row of plain stores without a call or a loop, so a thread that dies
 * has made all of it or nothing (participant.ts).
 */

import { or, type Words } from '../../../shared/access.ts';
import { ParticipantWord, type Participant } from '../../../shared/memory/participant.ts';
import {
  FAR_SHIFT,
  FAR_SLOTS,
  headOf,
  MAX_FOUND,
  MAX_VISIT_INTERVAL_MS,
  NEAR_SLOTS,
  NODE_WORDS,
  NodeWord,
  TICK_MS,
  TICK_SHIFT,
  TURN_MS,
  WheelIntent,
  type WheelLayout,
  WheelWord,
} from './wheel-layout.ts';

const { NEXT, PREV, DUE } = NodeWord;
const { POSITION, IS_SET, CASCADED, PENDING } = WheelWord;
/** Words of a page of 4 KiB. */
const PAGE_WORDS = 1024;

export class WheelSlots {
  private readonly words: Words;
  private readonly near: number;
  private readonly far: number;
  /** Word index of the node of record 0. */
  private readonly firstNode: number;
  /** The calling thread's WheelIntent: `intents[intentBase + ...]`. */
  private readonly intents: Words;
  private readonly intentBase: number;
  /** Records to remove. In the participant's block, so that a repair can go on with them. */
  readonly found: Int32Array;

  /** @param firstUnit the lowest record number that the slab allocates */
  constructor(words: Words, layout: WheelLayout, firstUnit: number, participant: Participant) {
    this.words = words;
    this.near = layout.near;
    this.far = layout.far;
    this.firstNode = layout.nodes - firstUnit * NODE_WORDS;
    this.intents = participant.words;
    this.intentBase = participant.base + ParticipantWord.ENGINE;
    const found = this.intentBase + WheelIntent.SWEEP_FOUND;
    this.found = participant.words.subarray(found, found + MAX_FOUND);
  }

  /** The thread that allocated the region calls this once. @param prefaultUnits units whose nodes to touch, from `firstUnit` on */
  initialise(firstUnit: number, prefaultUnits: number): void {
    const { words } = this;
    const heads: number[] = [PENDING];
    for (let slot = 0; slot < NEAR_SLOTS; slot++) {
      heads.push(headOf(this.near, slot));
    }
    for (let slot = 0; slot < FAR_SLOTS; slot++) {
      heads.push(headOf(this.far, slot));
    }
    for (const head of heads) {
      words[head + NEXT] = head;
      words[head + PREV] = head;
    }
    words[CASCADED] = -1;
    const end = Math.min(words.length, this.nodeOf(firstUnit + prefaultUnits));
    for (let word = this.nodeOf(firstUnit); word < end; word += PAGE_WORDS) {
      or(words, word, 0);
    }
  }

  /** Word index of a record's node. */
  nodeOf(record: number): number {
    return this.firstNode + record * NODE_WORDS;
  }

  recordOf(node: number): number {
    return (node - this.firstNode) / NODE_WORDS;
  }

  /** The slot for a node that is due then. */
  #slotFor(due: number): number {
    const left = (due - this.words[POSITION]!) | 0;
    if (left < 0) {
      /* The next sweep empties the present slot. */
      return headOf(this.near, (this.words[POSITION]! >>> TICK_SHIFT) & (NEAR_SLOTS - 1));
    }
    return left >>> TICK_SHIFT < NEAR_SLOTS
      ? headOf(this.near, (due >>> TICK_SHIFT) & (NEAR_SLOTS - 1))
      : headOf(this.far, (due >>> FAR_SHIFT) & (FAR_SLOTS - 1));
  }

  /** Moves a node to its slot, from wherever it is. */
  placeLocked(node: number, due: number): void {
    const { words, intents, intentBase } = this;
    const slot = this.#slotFor(due);
    /* One step from here on. */
    const next = words[node + NEXT]!;
    if (next !== 0) {
      const previous = words[node + PREV]!;
      words[previous + NEXT] = next;
      words[next + PREV] = previous;
    }
    const first = words[slot + NEXT]!;
    words[node + DUE] = due;
    words[node + NEXT] = first;
    words[node + PREV] = slot;
    words[slot + NEXT] = node;
    words[first + PREV] = node;
    intents[intentBase + WheelIntent.MOVE_RECORD] = 0;
  }

  /** Is the node in a list, and due at this time or a little before? Then it may stay. */
  isInTimeLocked(node: number, due: number): boolean {
    const early = (due - this.words[node + DUE]!) | 0;
    return this.words[node + NEXT] !== 0 && early >= 0 && early <= MAX_VISIT_INTERVAL_MS;
  }

  /** Takes a node out of its list. */
  dropLocked(node: number): void {
    const { words, intents, intentBase } = this;
    const next = words[node + NEXT]!;
    if (next !== 0) {
      const previous = words[node + PREV]!;
      words[previous + NEXT] = next;
      words[next + PREV] = previous;
      words[node + NEXT] = 0;
    }
    intents[intentBase + WheelIntent.MOVE_RECORD] = 0;
  }

  /** Takes the node of a stale record out of its list, and notes the record as number `count` of those to remove. */
  takeLocked(node: number, record: number, count: number): void {
    const { words, intents, intentBase, found } = this;
    const next = words[node + NEXT]!;
    if (next !== 0) {
      const previous = words[node + PREV]!;
      words[previous + NEXT] = next;
      words[next + PREV] = previous;
      words[node + NEXT] = 0;
    }
    found[count] = record;
    intents[intentBase + WheelIntent.SWEEP_LEFT] = count + 1;
    intents[intentBase + WheelIntent.MOVE_RECORD] = 0;
  }

  /** The node of the record in flight may stay where it is. */
  keepLocked(): void {
    this.intents[this.intentBase + WheelIntent.MOVE_RECORD] = 0;
  }

  /** The record of the next node without a place; 0: none. The node stays in its list. */
  recordPendingLocked(): number {
    const node = this.words[PENDING + NEXT]!;
    return node === PENDING ? 0 : this.recordOf(node);
  }

  dueLocked(node: number): number {
    return this.words[node + DUE]!;
  }

  /** Moves all nodes of a slot to `pending`. One step, together with what the caller stores directly afterwards. */
  #empty(slot: number): void {
    const { words } = this;
    const first = words[slot + NEXT]!;
    if (first !== slot) {
      const last = words[slot + PREV]!;
      const next = words[PENDING + NEXT]!;
      words[first + PREV] = PENDING;
      words[PENDING + NEXT] = first;
      words[last + NEXT] = next;
      words[next + PREV] = last;
      words[slot + NEXT] = slot;
      words[slot + PREV] = slot;
    }
  }

  /**
   * A sweep begins. Empties the present slot: some of its nodes may be due by now.
   * @param now low 32 bits of ms
   */
  beginLocked(now: number): void {
    const { words } = this;
    const tick = now & -TICK_MS;
    if (words[IS_SET] === 0) {
      words[POSITION] = tick;
      words[IS_SET] = 1;
    }
    const position = words[POSITION]!;
    const gapMs = (tick - position) | 0;
    if (gapMs > 2 * TURN_MS || gapMs < -MAX_VISIT_INTERVAL_MS) {
      /* The clock has jumped, or no sweep has run for long. One whole turn looks at every node. */
      words[POSITION] = (tick - TURN_MS) | 0;
      words[CASCADED] = -1;
    } else if (gapMs < 0) {
      /* The clock was set back, or another thread's clock is ahead. Every other slot comes round before its nodes are due. */
      this.#empty(headOf(this.near, (position >>> TICK_SHIFT) & (NEAR_SLOTS - 1)));
      words[POSITION] = tick;
    }
    this.#empty(headOf(this.near, (words[POSITION]! >>> TICK_SHIFT) & (NEAR_SLOTS - 1)));
  }

  /** Goes one step towards `now`: empties the next slot. `pending` must be empty. @returns false: it is there */
  advanceLocked(now: number): boolean {
    const { words } = this;
    const position = words[POSITION]!;
    const farSlot = (position >>> FAR_SHIFT) & (FAR_SLOTS - 1);
    if (words[CASCADED] !== farSlot) {
      this.#empty(headOf(this.far, farSlot));
      words[CASCADED] = farSlot;
      return true;
    }
    if (((now - position) | 0) < TICK_MS) {
      return false;
    }
    const next = (position + TICK_MS) | 0;
    this.#empty(headOf(this.near, (next >>> TICK_SHIFT) & (NEAR_SLOTS - 1)));
    words[POSITION] = next;
    return true;
  }
}
