/** The ring into which a thread writes its events (event-layout.ts). */

import type { Words } from '../../shared/access.ts';
import { CtAction } from '../action.ts';
import { eventRing } from './event-layout.ts';

const NO_ACTION = new CtAction();

/** The ring of the calling thread. */
export class EventRing {
  readonly words: Words;
  readonly times: Float64Array;
  /** Word index of the ring. */
  readonly base: number;
  readonly capacity: number;
  /** The event that `emitNew` began and `commitNew` has not ended: its word index, or LOST. */
  open = 0;
  /** The pass that creates the connection. The event gets the mark and label that the pass sets. */
  action: CtAction = NO_ACTION;

  constructor(words: Words, capacity: number, participant: number) {
    this.words = words;
    this.times = new Float64Array(words.buffer);
    this.base = eventRing(participant, capacity);
    this.capacity = capacity;
  }
}
