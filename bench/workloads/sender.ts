/** Sends a workload's batches through the tracker, and times them if asked to. */

import type { CtAction } from '../../src/core/action.ts';
import { conntrackExecute } from '../../src/core/path/execute.ts';
import type { PacketBatch } from '../../src/core/packet/batch.ts';
import type { Tracker } from '../../src/core/tracker.ts';
import { recordLatency } from '../samples/latency-histogram.ts';

export class Sender {
  readonly tracker: Tracker;
  readonly #bins: Float64Array | undefined;
  /** Time of the packets' clock for the next batch, ms. */
  nowMs: number;

  /** @param bins histogram of the batches' times (latency-histogram.ts). Default: do not time batches. */
  constructor(tracker: Tracker, nowMs: number, bins?: Float64Array) {
    this.tracker = tracker;
    this.nowMs = nowMs;
    this.#bins = bins;
  }

  send(batch: PacketBatch, action: CtAction): void {
    if (this.#bins === undefined) {
      conntrackExecute(this.tracker, batch, action, this.nowMs);
      return;
    }
    const from = performance.now();
    conntrackExecute(this.tracker, batch, action, this.nowMs);
    recordLatency(this.#bins, (performance.now() - from) * 1e6);
  }
}
