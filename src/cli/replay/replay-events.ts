/**
 * `replay --events`: prints connection events as they would be seen live.
 *
 * The lines must depend on the capture alone, so no sweeper thread runs. Before the first packet of each new half second, the PMDs finish
 * all packets, and this thread sweeps at the time of the capture. Events come in order of capture time. With one PMD they are the same in
 * every run. With several, the order within a millisecond may differ.
 */

import { formatEvent } from '../../core/events/event-format.ts';
import type { ConnEvent, EventReader } from '../../core/events/event-reader.ts';
import { expiryTimes } from '../../core/expiry/expiry-times.ts';
import type { Datapath } from '../../workers/datapath/datapath.ts';

/**
 * Packets between two reads of the event rings. A packet causes at most ten events: it may find eight stale connections, kill one, and
 * create one. A ring holds 16384 events.
 */
const PACKETS_PER_READ = 1024;

/** Up to this many ticks are all swept. In longer gaps of the capture, only ticks with an expiry are. */
const MAX_TICKS = 16;

export interface EventLogOptions {
  format: 'text' | 'json';
  timestamps: boolean;
  /** Sweep as time passes. False with a frozen clock. */
  sweeps: boolean;
}

interface Line {
  event: ConnEvent;
  text: string;
}

const bySequence = (a: Line, b: Line) => a.event.sequence - b.event.sequence;
const byText = (a: Line, b: Line) => (a.text < b.text ? -1 : 1);

export class EventLog {
  readonly #datapath: Datapath;
  readonly #reader: EventReader;
  readonly #options: EventLogOptions;
  readonly #intervalMs: number;
  #nextSweepMs = Number.NaN;
  #packets = 0;
  shown = 0;

  constructor(datapath: Datapath, options: EventLogOptions) {
    this.#datapath = datapath;
    this.#reader = datapath.events();
    this.#options = options;
    this.#intervalMs = datapath.conntrack.sweepIntervalMs;
  }

  get lost(): number {
    return this.#reader.lost;
  }

  /** Call it before each packet. @returns a promise if the packet has to wait */
  before(nowMs: number): Promise<void> | undefined {
    this.#packets++;
    if (this.#options.sweeps && !(nowMs < this.#nextSweepMs)) {
      return this.#sweepUpTo(nowMs);
    }
    return this.#packets % PACKETS_PER_READ === 0 ? this.print() : undefined;
  }

  async #sweepUpTo(nowMs: number): Promise<void> {
    const interval = this.#intervalMs;
    const last = Math.floor(nowMs / interval) * interval;
    if (!Number.isNaN(this.#nextSweepMs)) {
      await this.print();
      for (const sweepMs of this.#sweepTimes(this.#nextSweepMs, last)) {
        this.#datapath.conntrack.sweep(sweepMs);
      }
      /* Sorted by text: the order of the table depends on its random hash. */
      this.#write(byText);
    }
    this.#nextSweepMs = last + interval;
  }

  /** The ticks at which something may expire, and the last tick. */
  #sweepTimes(firstMs: number, lastMs: number): number[] {
    const stepMs = this.#intervalMs;
    const ticks = (lastMs - firstMs) / stepMs + 1;
    if (ticks <= MAX_TICKS) {
      return Array.from({ length: ticks }, (_, tick) => firstMs + tick * stepMs);
    }
    const times = expiryTimes(this.#datapath.conntrack.tracker, { fromMs: firstMs, untilMs: lastMs, stepMs });
    return times.at(-1) === lastMs ? times : [...times, lastMs];
  }

  /** Prints the events of all packets so far. */
  async print(): Promise<void> {
    await this.#datapath.drain();
    this.#write(bySequence);
  }

  /** Prints all new events. Later events are not older. */
  #write(compare: (a: Line, b: Line) => number): void {
    const { format, timestamps } = this.#options;
    const lineOf = ({ event, text }: Line) => (format === 'json' ? JSON.stringify(event) : text);
    const lines = this.#reader.drain().map((event) => ({ event, text: formatEvent(event, { timestamp: timestamps }) }));
    const sorted = lines.toSorted((a, b) => a.event.timeMs - b.event.timeMs || compare(a, b));
    this.shown += sorted.length;
    if (sorted.length > 0) {
      process.stdout.write(`${sorted.map(lineOf).join('\n')}\n`);
    }
  }

  close(): void {
    this.#reader.close();
  }
}
