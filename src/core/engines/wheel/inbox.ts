/**
 * The inboxes: how the wheel learns of new connections, and of those that are to expire earlier. Each participant has one. A stack after
 * R. K. Treiber: its owner pushes by a compare-exchange. The sweeper takes all records by one exchange, so a record that comes
 * back meanwhile (ABA) does no harm. No thread waits for another.
 *
 *   QUEUE of a node      0 ---- push: compareExchange ----> LAST, or the record behind it
 *                        ^                                     |
 *                        +------- the sweeper: store ----------+   before it reads the record
 *
 * A node is in one inbox at most. A thread that finds QUEUE set adds nothing: the sweeper will set it to 0, and then read the
 * record. It sees what this thread has changed before.
 */

import { compareExchange, exchange, load, peek, poke, store, type Words } from '../../../shared/access.ts';
import { ParticipantWord, type Participant } from '../../../shared/memory/participant.ts';
import type { WheelSlots } from './slots.ts';
import { inboxOf, LAST, NodeWord, WheelIntent, WheelWord } from './wheel-layout.ts';

export class Inbox {
  private readonly words: Words;
  private readonly slots: WheelSlots;
  /** Word index of the calling thread's own. */
  private readonly own: number;
  private readonly intents: Words;
  private readonly intentBase: number;

  constructor(words: Words, slots: WheelSlots, participant: Participant) {
    this.words = words;
    this.slots = slots;
    this.own = inboxOf(participant.id);
    this.intents = participant.words;
    this.intentBase = participant.base + ParticipantWord.ENGINE;
  }

  /** @returns false: the record is in an inbox already */
  add(record: number): boolean {
    const { intents, intentBase } = this;
    if (compareExchange(this.words, this.slots.nodeOf(record) + NodeWord.QUEUE, 0, LAST) !== 0) {
      return false;
    }
    intents[intentBase + WheelIntent.QUEUE_RECORD] = record;
    this.#push(record);
    return true;
  }

  #push(record: number): void {
    const { words, own, intents, intentBase } = this;
    const queue = this.slots.nodeOf(record) + NodeWord.QUEUE;
    for (;;) {
      const behind = load(words, own);
      /* The compare-exchange publishes it. */
      poke(words, queue, behind === 0 ? LAST : behind);
      if (compareExchange(words, own, behind, record) === behind) {
        intents[intentBase + WheelIntent.QUEUE_RECORD] = 0;
        return;
      }
    }
  }

  /** Finishes a push that the participant had begun. */
  redoPush(): void {
    const record = this.intents[this.intentBase + WheelIntent.QUEUE_RECORD]!;
    if (record !== 0) {
      this.#push(record);
    }
  }

  /** A hint: `takeLocked` would take none. */
  isEmpty(participant: number): boolean {
    return peek(this.words, inboxOf(participant)) === 0 && peek(this.words, WheelWord.TAKEN) === 0;
  }

  /**
   * Takes a record from a participant's inbox; 0: none. The wheel's mutex is held. MOVE_RECORD names the record until the caller
   * has placed its node.
   */
  takeLocked(participant: number): number {
    const { words, intents, intentBase } = this;
    if (words[WheelWord.TAKEN] === 0) {
      const newest = exchange(words, inboxOf(participant), 0);
      words[WheelWord.TAKEN] = newest;
    }
    const record = words[WheelWord.TAKEN]!;
    if (record === 0) {
      return 0;
    }
    const queue = this.slots.nodeOf(record) + NodeWord.QUEUE;
    const behind = words[queue]!;
    /* One step. */
    words[WheelWord.TAKEN] = behind === LAST ? 0 : behind;
    intents[intentBase + WheelIntent.MOVE_RECORD] = record;
    intents[intentBase + WheelIntent.MOVE_IS_QUEUED] = 1;
    store(words, queue, 0);
    intents[intentBase + WheelIntent.MOVE_IS_QUEUED] = 0;
    return record;
  }

  /** Puts a record back that the participant had taken out and not placed. */
  redoTake(): void {
    const { words, intents, intentBase } = this;
    const record = intents[intentBase + WheelIntent.MOVE_RECORD]!;
    if (record === 0) {
      return;
    }
    if (intents[intentBase + WheelIntent.MOVE_IS_QUEUED] !== 0) {
      store(words, this.slots.nodeOf(record) + NodeWord.QUEUE, 0);
      intents[intentBase + WheelIntent.MOVE_IS_QUEUED] = 0;
    }
    this.add(record);
    intents[intentBase + WheelIntent.MOVE_RECORD] = 0;
  }
}
