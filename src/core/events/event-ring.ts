/** The ring into which a thread writes its events (event-layout.ts). */

import type { Words } from '../../shared/access.ts';
import { CtAction } from '../action.ts';
import { eventRing } from './event-layout.ts';

const NO_ACTION = new CtAction();

/** The calling thread's own. */
export class EventRing {
  readonly words: Words;
  readonly times: Float64Array;
  /** Word index of the ring. */
  readonly base: number;
  readonly capacity: number;
  /** The event between `emitNew` and `commitNew`: word index, or LOST. */
  open = 0;
  /** The pass whose connection is being created, whose mark and label it gets. */
  action: CtAction = NO_ACTION;

  constructor(words: Words, capacity: number, participant: number) {
    this.words = words;
    this.times = new Float64Array(words.buffer);
    this.base = eventRing(participant, capacity);
    this.capacity = capacity;
  }
}
