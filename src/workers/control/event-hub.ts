/** One reader of the table's events, for any number of listeners. */

import { once } from 'node:events';
import type { Conntrack } from '../../core/conntrack.ts';
import type { ConnEvent, EventReader } from '../../core/events/event-reader.ts';

/** Time between two polls of the rings. A thread that fills its ring within this time loses events. */
const POLL_MS = 10;
/** Most events that wait for a listener. It loses events that come while its queue is full. */
const MAX_QUEUED = 65_536;

class Listener {
  queue: ConnEvent[] = [];
  lost = 0;
  readonly wake = new EventTarget();
}

export class EventHub {
  readonly #conntrack: Conntrack;
  readonly #listeners = new Set<Listener>();
  #reader: EventReader | undefined;
  #timer: NodeJS.Timeout | undefined;
  #lostBefore = 0;

  constructor(conntrack: Conntrack) {
    this.#conntrack = conntrack;
  }

  /**
   * Yields all events from now on, until the signal is aborted. A listener that does not keep up loses events (`lost`: how many).
   * @throws UsageError while another reader of this table's events is open
   */
  async *listen(signal: AbortSignal): AsyncGenerator<{ events: ConnEvent[]; lost: number }, void, void> {
    this.#open();
    const listener = new Listener();
    this.#listeners.add(listener);
    try {
      /* Tells the client that it misses no events from now on. */
      yield { events: [], lost: 0 };
      while (!signal.aborted) {
        if (listener.queue.length === 0 && listener.lost === 0) {
          await once(listener.wake, 'events', { signal }).catch(() => {});
          continue;
        }
        const { queue: events, lost } = listener;
        listener.queue = [];
        listener.lost = 0;
        yield { events, lost };
      }
    } finally {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) {
        this.#close();
      }
    }
  }

  /** Empties the rings. For commands that cause many events in this thread, between their steps. */
  collect(): void {
    this.#reader?.collect();
  }

  #open(): void {
    if (this.#reader === undefined) {
      this.#reader = this.#conntrack.events();
      this.#lostBefore = 0;
      this.#timer = setInterval(() => this.#poll(), POLL_MS);
    }
  }

  #close(): void {
    clearInterval(this.#timer);
    this.#reader?.close();
    this.#reader = undefined;
  }

  #poll(): void {
    const reader = this.#reader!;
    const events = reader.drain();
    const lostInRings = reader.lost - this.#lostBefore;
    this.#lostBefore += lostInRings;
    if (events.length === 0 && lostInRings === 0) {
      return;
    }
    for (const listener of this.#listeners) {
      const room = MAX_QUEUED - listener.queue.length;
      if (events.length <= room) {
        listener.queue = listener.queue.length === 0 ? events : listener.queue.concat(events);
      } else {
        listener.queue = listener.queue.concat(events.slice(0, room));
        listener.lost += events.length - room;
      }
      listener.lost += lostInRings;
      listener.wake.dispatchEvent(new Event('events'));
    }
  }
}
