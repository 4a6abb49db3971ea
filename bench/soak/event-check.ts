/** A reader of events that subscribes now and then, and compares the events with the number of connections in the table. */

import type { Conntrack } from '../../src/core/conntrack.ts';
import type { EventReader } from '../../src/core/events/event-reader.ts';

export class EventCheck {
  readonly #conntrack: Conntrack;
  #reader: EventReader | undefined;
  /** Events by kind since the reader subscribed. */
  #new = 0;
  #destroyed = 0;
  #read = 0;
  /** Differences that were found. */
  readonly failures: string[] = [];

  constructor(conntrack: Conntrack) {
    this.#conntrack = conntrack;
  }

  /** Reads all events that are there. */
  readEvents(): void {
    for (const event of this.#reader?.drain() ?? []) {
      this.#read++;
      this.#new += event.kind === 'new' ? 1 : 0;
      this.#destroyed += event.kind === 'destroy' ? 1 : 0;
    }
  }

  /**
   * Ends the reading of this interval, and starts that of the next one in every other interval. Call it while no thread works.
   * @param before connections at the last call
   * @param after connections now
   * @returns the events of the interval; null if the reader was not subscribed
   */
  finishInterval(before: number, after: number): { read: number; lost: number } | null {
    this.readEvents();
    let result: { read: number; lost: number } | null = null;
    if (this.#reader === undefined) {
      this.#reader = this.#conntrack.events();
    } else {
      const { lost } = this.#reader;
      result = { read: this.#read, lost };
      if (lost === 0 && this.#new - this.#destroyed !== after - before) {
        this.failures.push(
          `the events report ${this.#new} new and ${this.#destroyed} ended connections, but their number went from ${before} to ${after}`,
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
