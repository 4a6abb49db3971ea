/**
 * Takes packets back soon after their PMD has given them back, without anybody asking: one loop per PMD, which runs while
 * that PMD has packets. As long as one runs it keeps the process alive; with nothing under way the process may end.
 */

import { setImmediate } from 'node:timers/promises';
import type { PmdRings } from './pmd-rings.ts';

export interface DeliveryOptions {
  rings: PmdRings;
  /** Longest wait for returned packets before looking whether it is over. */
  lookRoundMs: number;
  harvest(): void;
  /** The datapath has failed: packets that are under way never come back. */
  isOver(): boolean;
}

export class Delivery {
  /** Off: somebody takes packets back in time, and would only be disturbed. */
  isAutomatic = true;
  readonly #options: DeliveryOptions;
  readonly #runs: Uint8Array;
  #isEnded = false;
  #onResume: (() => void)[] = [];

  constructor(options: DeliveryOptions) {
    this.#options = options;
    this.#runs = new Uint8Array(options.rings.count);
  }

  /** A packet was handed to this PMD. */
  start(worker: number): void {
    if (this.#runs[worker] === 0 && this.isAutomatic) {
      this.#runs[worker] = 1;
      void this.#run(worker);
    }
  }

  async #run(worker: number): Promise<void> {
    const { rings, harvest, isOver, lookRoundMs } = this.#options;
    while (!this.#isEnded && !rings.isEmpty(worker) && !isOver()) {
      if (rings.isPaused) {
        await this.untilResumed();
      } else {
        await rings.waitForReturns(worker, lookRoundMs);
      }
      harvest();
      /* Packets may come back as fast as they are taken: everything else is to have its turn. */
      await setImmediate();
    }
    this.#runs[worker] = 0;
  }

  /** Resolves when it is not paused any more. Does not keep the process alive: the reader that it waits for does. */
  untilResumed(): Promise<void> {
    return new Promise((resolve) => this.#onResume.push(resolve));
  }

  resume(): void {
    const waiting = this.#onResume;
    this.#onResume = [];
    waiting.forEach((resolve) => resolve());
  }

  /** No packets will come any more. */
  end(): void {
    this.#isEnded = true;
    this.resume();
  }
}
