/**
 * Delivers verdicts soon after their batch, without a call of the user. There is one loop for each PMD. It runs while that PMD has
 * packets, and keeps the process alive. With no packet under way the process may end.
 */

import { setImmediate } from 'node:timers/promises';
import type { PmdRings } from './pmd-rings.ts';

export interface DeliveryOptions {
  rings: PmdRings;
  /** A wait for packets ends at least this often, to check whether the datapath has failed, in ms. */
  recheckMs: number;
  harvest(): void;
  /** The datapath has failed: packets under way never come back. */
  isOver(): boolean;
}

export class Delivery {
  /** False: the owner harvests by itself, and the loops would only cost time. */
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
    const { rings, harvest, isOver, recheckMs } = this.#options;
    while (!this.#isEnded && !rings.isEmpty(worker) && !isOver()) {
      if (rings.isPaused) {
        await this.untilResumed();
      } else {
        await rings.waitForReturns(worker, recheckMs);
      }
      harvest();
      /* Packets may come back as fast as they are taken. Other events must get their turn. */
      await setImmediate();
    }
    this.#runs[worker] = 0;
  }

  /** Resolves when the pause is over. Does not keep the process alive: the reader that causes the pause does. */
  untilResumed(): Promise<void> {
    return new Promise((resolve) => this.#onResume.push(resolve));
  }

  resume(): void {
    const waiting = this.#onResume;
    this.#onResume = [];
    waiting.forEach((resolve) => resolve());
  }

  /** Ends all loops: no more packets come. */
  end(): void {
    this.#isEnded = true;
    this.resume();
  }
}
