/** Feeds a datapath with the packets of a capture: once or in rounds, as fast as possible or at a given rate. */

import { setTimeout as delay } from 'node:timers/promises';
import type { Datapath } from '../../workers/datapath/datapath.ts';
import { systemTimeMs } from '../../workers/threads/status.ts';
import { CaptureClock, CaptureNotes, type CaptureSource, readCapture } from '../capture/open-capture.ts';

/** Time between the last packet of a round and the first of the next one. */
const ROUND_GAP_MS = 1;
/** A source that is ahead of its rate by more than this pauses. */
const RATE_SLACK_MS = 2;
export interface FeederOptions {
  /** Rounds of a file; true: endless. */
  loop?: number | true;
  /** Most packets per second. */
  rate?: number;
  isLive: boolean;
  /** Called once, with lines for people about unusual packets. */
  onNotes: (lines: readonly string[]) => void;
}

export class Feeder {
  /** Packets read. */
  packets = 0;
  rounds = 0;
  /** Notes of the first round. Further rounds would only repeat them. */
  readonly notes: CaptureNotes = new CaptureNotes();
  readonly #clock = new CaptureClock();
  readonly #datapath: Datapath;
  readonly #source: CaptureSource;
  readonly #options: FeederOptions;
  readonly #stop: AbortSignal;
  readonly #isLive: boolean;
  readonly #isWall: boolean;
  #nowMs = Number.NEGATIVE_INFINITY;
  #startedMs = 0;
  #arePrinted = false;

  constructor(datapath: Datapath, source: CaptureSource, options: FeederOptions, stop: AbortSignal) {
    this.#datapath = datapath;
    this.#source = source;
    this.#options = options;
    this.#stop = stop;
    this.#isLive = options.isLive;
    this.#isWall = datapath.share.clock === 'system';
  }

  /** Reads the source, in all its rounds, until it ends or is stopped. @throws CaptureError */
  async run(): Promise<void> {
    const { loop = 1 } = this.#options;
    const rounds = loop === true ? Number.POSITIVE_INFINITY : loop;
    this.#startedMs = performance.now();
    try {
      while (this.rounds < rounds && !this.#stop.aborted) {
        const before = this.packets;
        await this.#round();
        if (this.packets === before) {
          /* Without a packet, further rounds are useless. */
          break;
        }
        this.rounds++;
      }
    } catch (error) {
      /* A stop may cut the source in the middle of a packet. */
      if (!this.#stop.aborted) {
        throw error;
      }
    } finally {
      this.#printNotes();
    }
  }

  async #round(): Promise<void> {
    let shiftMs = Number.NaN;
    const isFirst = this.rounds === 0;
    const clock = isFirst ? this.#clock : new CaptureClock();
    const options = { notes: isFirst ? this.notes : new CaptureNotes(), ...(this.#isWall ? {} : { clock }) };
    for await (const packet of readCapture(this.#source.chunks(this.#stop), options)) {
      if (this.#stop.aborted) {
        return;
      }
      this.packets++;
      if (this.#isWall) {
        this.#nowMs = Math.floor(systemTimeMs());
      } else {
        if (Number.isNaN(shiftMs)) {
          shiftMs = isFirst ? 0 : this.#nowMs + ROUND_GAP_MS - clock.nowMs;
        }
        this.#nowMs = clock.nowMs + shiftMs;
      }
      if (this.#isLive) {
        this.#datapath.exchange.offer(packet.frame, this.#nowMs, this.packets);
      } else {
        const waits = this.#datapath.exchange.push(packet.frame, this.#nowMs, this.packets);
        if (waits !== undefined) {
          await waits;
        }
      }
      if (this.#options.rate !== undefined) {
        await this.#keepRate(this.#options.rate);
      }
    }
    await this.#datapath.drain();
    this.#printNotes();
  }

  /** Reports unusual packets once, after the first round. */
  #printNotes(): void {
    if (!this.#arePrinted) {
      this.#arePrinted = true;
      this.#options.onNotes([...this.notes.lines(), ...this.#clock.lines()]);
    }
  }

  async #keepRate(packetsPerSecond: number): Promise<void> {
    const aheadMs = (this.packets * 1000) / packetsPerSecond - (performance.now() - this.#startedMs);
    if (aheadMs > RATE_SLACK_MS) {
      await delay(aheadMs, undefined, { signal: this.#stop }).catch(() => {});
    }
  }
}
