/**
 * `replay --events`: what happens to connections, printed as it would be seen live.
 *
 * So that the lines depend on the capture alone, time passes here as the capture has it: no sweeper thread runs; before
 * the first packet of each new half second everybody finishes, and this thread sweeps as the sweeper would have done
 * meanwhile. With one PMD the events are then the same in every run, in order of capture time. With more they still are
 * in order of capture time; those of one millisecond stand in the order in which the PMDs came to them.
 */

import { formatEvent } from '../core/events/event-format.ts';
import type { ConnEvent, EventReader } from '../core/events/event-reader.ts';
import { expiryTimes } from '../core/expiry/expiry-times.ts';
import type { Datapath } from '../workers/datapath/datapath.ts';

/**
 * Packets between two looks at the rings of events: a packet causes at most ten events (its search under the lock
 * notes eight stale connections, it may kill one and create one), and a ring holds 16384.
 */
const PACKETS_PER_READ = 1024;

/** In a longer gap of the capture sweeps are made only where something expires: this is how many ticks are swept at any rate. */
const MAX_TICKS = 16;

export interface EventLogOptions {
  format: 'text' | 'json';
  timestamps: boolean;
  /** Time passes. */
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

  /** Call before each packet is handed in. @returns a promise if the packet has to wait */
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
      /* In the order of the table they would depend on its hash. */
      this.#write(byText);
    }
    this.#nextSweepMs = last + interval;
  }

  /** The ticks from one to another at which something may expire, and the last one. */
  #sweepTimes(firstMs: number, lastMs: number): number[] {
    const stepMs = this.#intervalMs;
    const ticks = (lastMs - firstMs) / stepMs + 1;
    if (ticks <= MAX_TICKS) {
      return Array.from({ length: ticks }, (_, tick) => firstMs + tick * stepMs);
    }
    const times = expiryTimes(this.#datapath.conntrack.tracker, { fromMs: firstMs, untilMs: lastMs, stepMs });
    return times.at(-1) === lastMs ? times : [...times, lastMs];
  }

  /** Prints what the packets handed in so far have caused. */
  async print(): Promise<void> {
    await this.#datapath.drain();
    this.#write(bySequence);
  }

  /** Prints what was not printed yet; what comes later is not older. */
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
