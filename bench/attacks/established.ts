/** Established traffic that an attack must not disturb: UDP and TCP connections with packets in both directions. */

import { CtAction } from '../../src/core/action.ts';
import { CtState } from '../../src/core/packet/layout.ts';
import { EstablishedBatch, NAT_ADDRESS, OPENING_STEPS, type L4Protocol, type Step } from '../workloads/established.ts';
import type { Target } from './attack.ts';

const TRAFFIC: readonly Step[] = ['original', 'reply'];
/** Connections of each protocol. */
export const ESTABLISHED = 500;
const PER_BATCH = 16;

export class Established {
  readonly #target: Target;
  readonly #action = new CtAction({ commit: true, nat: { action: ['src'], minAddr: NAT_ADDRESS } });
  readonly #traffic: readonly EstablishedBatch[];
  #batches = 0;
  /** Packets that did not get the state of an established connection. */
  lost = 0;

  constructor(target: Target) {
    this.#target = target;
    const make = (protocol: L4Protocol) =>
      new EstablishedBatch({ protocol, steps: TRAFFIC, isTranslated: true, batchSize: 2 * PER_BATCH });
    this.#traffic = [make('udp'), make('tcp')];
  }

  open(): void {
    const { conntrack, nowMs } = this.#target;
    for (const protocol of ['udp', 'tcp'] as const) {
      const steps = OPENING_STEPS[protocol];
      const opening = new EstablishedBatch({ protocol, steps, isTranslated: true, batchSize: steps.length });
      for (let id = 0; id < ESTABLISHED; id++) {
        opening.fill(id, steps.length, ESTABLISHED);
        conntrack.execute(opening.batch, this.#action, nowMs);
      }
    }
  }

  /** Sends the next batch, UDP and TCP in turn. @returns ns for a packet */
  send(): number {
    const { conntrack, nowMs } = this.#target;
    const traffic = this.#traffic[this.#batches & 1]!;
    const count = 2 * PER_BATCH;
    traffic.fill((this.#batches >> 1) * PER_BATCH, count, ESTABLISHED);
    this.#batches++;
    const startMs = performance.now();
    conntrack.execute(traffic.batch, this.#action, nowMs);
    const ns = ((performance.now() - startMs) * 1e6) / count;
    for (let i = 0; i < count; i++) {
      this.lost += (traffic.batch.state(i) & (CtState.EST | CtState.INV)) === CtState.EST ? 0 : 1;
    }
    return ns;
  }

  /** Sends traffic on every connection. */
  sendAll(): void {
    for (let batches = 0; batches < 2 * Math.ceil(ESTABLISHED / PER_BATCH); batches++) {
      this.send();
    }
  }
}
