/** A reader of events that comes and goes, and holds what it reads against what the table has. */

import type { Conntrack } from '../../src/core/conntrack.ts';
import type { EventReader } from '../../src/core/events/event-reader.ts';

export class EventCheck {
  readonly #conntrack: Conntrack;
  #reader: EventReader | undefined;
  /** Events since the reader came, by kind. */
  #new = 0;
  #destroyed = 0;
  #read = 0;
  /** What did not add up. */
  readonly failures: string[] = [];

  constructor(conntrack: Conntrack) {
    this.#conntrack = conntrack;
  }

  /** Takes what events there are. */
  readEvents(): void {
    for (const event of this.#reader?.drain() ?? []) {
      this.#read++;
      this.#new += event.kind === 'new' ? 1 : 0;
      this.#destroyed += event.kind === 'destroy' ? 1 : 0;
    }
  }

  /**
   * While no thread is at work: ends the reading of this interval, and begins that of the next in every other one.
   * @param before, after connections at the last call and now
   * @returns what was read; null: nobody read
   */
  turnEvents(before: number, after: number): { read: number; lost: number } | null {
    this.readEvents();
    let result: { read: number; lost: number } | null = null;
    if (this.#reader === undefined) {
      this.#reader = this.#conntrack.events();
    } else {
      const { lost } = this.#reader;
      result = { read: this.#read, lost };
      if (lost === 0 && this.#new - this.#destroyed !== after - before) {
        this.failures.push(
          `${this.#new} connections began and ${this.#destroyed} ended by the events, but there were ${before} and are ${after}`,
        );
      }
      this.#reader.close();
      this.#reader = undefined;
    }
    this.#read = 0;
    this.#new = 0;
    this.#destroyed = 0;
    return result;
  }

  close(): void {
    this.#reader?.close();
    this.#reader = undefined;
  }
}
