/** Sends a workload's batches through the tracker, and times them if asked to. Flushes zones. */

import type { CtAction } from '../../src/core/action.ts';
import { Counter } from '../../src/core/counters.ts';
import { removeConn } from '../../src/core/lifecycle/remove.ts';
import { PacketWord } from '../../src/core/packet/layout.ts';
import { conntrackExecute } from '../../src/core/path/execute.ts';
import type { PacketBatch } from '../../src/core/packet/batch.ts';
import type { Conntrack } from '../../src/core/conntrack.ts';
import type { Tracker } from '../../src/core/tracker.ts';
import { recordLatency } from '../samples/latency-histogram.ts';

export class Sender {
  readonly tracker: Tracker;
  readonly #conntrack: Conntrack;
  readonly #bins: Float64Array | undefined;
  /** Time of the packets' clock for the next batch, ms. */
  nowMs: number;

  /** @param bins histogram of the batches' times (latency-histogram.ts). Default: do not time batches. */
  constructor(conntrack: Conntrack, nowMs: number, bins?: Float64Array) {
    this.tracker = conntrack.tracker;
    this.#conntrack = conntrack;
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

  /** Notes the connection of each packet that was just sent, from `at` on. */
  noteConnections({ words, slots, count }: PacketBatch, connections: Int32Array, at: number): void {
    for (let i = 0; i < count; i++) {
      connections[at + i] = words[slots[i]! + PacketWord.CONN]!;
    }
  }

  /** Removes connections, which must still be there: no other thread may remove them, and they must not expire. */
  removeConnections(connections: Int32Array, count: number): void {
    for (let i = 0; i < count; i++) {
      removeConn(this.tracker, connections[i]!, Counter.flushed);
    }
    this.tracker.quiesce();
  }

  /** Removes the connections of a zone. The caller is inside an epoch, and holds no reference. */
  flushZone(zone: number): void {
    this.tracker.leave();
    this.#conntrack.flush({ zone });
    this.tracker.enter();
  }
}
