/**
 * Memory shared by the main thread and the side thread of a soak: four words, then 64-bit floats.
 *
 *   word 0     a Command. Atomic: the main thread writes it, the side thread waits on it
 *   word 1     1: the side thread has stopped as commanded. Atomic
 *   word 2     always 0: the watch thread sleeps on it
 *   time       time of the packets' clock, ms. The main thread writes it
 *   packets, longest batch; the main thread's heartbeat, which changes at each beat
 *   bins       latencies of batches, ns (latency-histogram.ts). The main thread clears them while the side thread stands still
 */

import { notify, store } from '../../src/shared/access.ts';
import { LATENCY_BINS } from '../samples/latency-histogram.ts';

export const SideWord = { COMMAND: 0, STANDS: 1, WATCH: 2 } as const;
export const Command = { run: 0, stand: 1, end: 2 } as const;

const FLOATS_AT = 16;

export class SideWords {
  readonly words: Int32Array<SharedArrayBuffer>;
  readonly #figures: Float64Array<SharedArrayBuffer>;
  readonly bins: Float64Array<SharedArrayBuffer>;

  constructor(buffer = new SharedArrayBuffer(FLOATS_AT + (4 + LATENCY_BINS) * 8)) {
    this.words = new Int32Array(buffer, 0, FLOATS_AT / 4);
    this.#figures = new Float64Array(buffer, FLOATS_AT, 4);
    this.bins = new Float64Array(buffer, FLOATS_AT + 4 * 8, LATENCY_BINS);
  }

  get buffer(): SharedArrayBuffer {
    return this.words.buffer;
  }

  /** Gives the side thread a command. */
  command(command: number): void {
    store(this.words, SideWord.COMMAND, command);
    notify(this.words, SideWord.COMMAND, 1);
  }

  get timeMs(): number {
    return this.#figures[0]!;
  }

  set timeMs(ms: number) {
    this.#figures[0] = ms;
  }

  get packets(): number {
    return this.#figures[1]!;
  }

  /** The longest batch, ns. */
  get longestNs(): number {
    return this.#figures[2]!;
  }

  /** The main thread's heartbeat. */
  get beat(): number {
    return this.#figures[3]!;
  }

  moved(): void {
    this.#figures[3]!++;
  }

  note(packets: number, ns: number): void {
    this.#figures[1]! += packets;
    this.#figures[2] = Math.max(this.#figures[2]!, ns);
  }

  clearLatency(): void {
    this.bins.fill(0);
    this.#figures[2] = 0;
  }
}
