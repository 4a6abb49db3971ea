/**
 * Short connections: a query, an answer, and the connection is removed, beside a table of connections that stay. Each life is one
 * insertion and one removal, and both are counted.
 *
 * The thread that opened a connection removes it, by the function with which a packet, the sweeper and a flush remove connections in
 * every engine (removeConn). It takes the lock of the table, bucket, zone or shard again, unlinks the connection there, and retires its
 * memory. No sweeper takes part: one sweeper for all threads would be the limit, and how it finds connections differs from engine to
 * engine. `churn` and `bench aging` measure that.
 *
 * The zones decide who meets whom. With one zone all threads insert into one hot zone, and remove from it. With more, each thread goes
 * through all of them, a batch in each. With zones of its own, no thread uses a zone of another.
 */

import { CtAction } from '../../src/core/action.ts';
import type { Sender } from './sender.ts';
import { StepBatch } from './step-batch.ts';
import { describeFault, gridStride, type Workload, type WorkloadOptions, type WorkloadRun } from './workload.ts';
import { type ZoneChoice, zoneChoice, zoneLimit } from './zone-variants.ts';

/** Short connections for each connection that stays. */
const LIVES = 5;
/** Packets of a short connection. */
const PACKETS = 2;
/** Batches of short connections that a thread has open at a time. */
const OPEN_BATCHES = 32;
const FIRST_ZONE = 1;

class ShortRun implements WorkloadRun {
  readonly #query: StepBatch;
  readonly #answer: StepBatch;
  readonly #actions: readonly CtAction[];
  readonly #batchSize: number;
  /** The first connection that does not stay. */
  readonly #firstShort: number;
  /** Connections that are open on this thread. */
  readonly #open: Int32Array;

  constructor({ batchSize, memory, hosts, variant, thread, connections }: WorkloadOptions) {
    const { zones, isOwn } = zoneChoice(variant)!;
    const first = FIRST_ZONE + (isOwn ? thread * zones : 0);
    this.#query = new StepBatch({ protocol: 'udp', batchSize, memory, hosts });
    this.#answer = new StepBatch({ protocol: 'udp', batchSize, memory, hosts, isReply: true });
    this.#actions = Array.from({ length: zones }, (_, i) => new CtAction({ zone: first + i, commit: true }));
    this.#batchSize = batchSize;
    this.#firstShort = gridStride({ connections, batchSize });
    this.#open = new Int32Array(OPEN_BATCHES * batchSize);
  }

  run(sender: Sender, phase: number, from: number, to: number): void {
    if (phase === 0) {
      this.#send(sender, this.#query, from, to);
      return;
    }
    const size = this.#open.length;
    for (let life = 0; life < LIVES; life++) {
      for (let first = from; first < to; first += size) {
        this.#liveShortly(sender, this.#firstShort + first, Math.min(size, to - first));
      }
    }
  }

  /** Opens connections, answers on each, and removes them. */
  #liveShortly(sender: Sender, first: number, count: number): void {
    const size = this.#batchSize;
    this.#send(sender, this.#query, first, first + count);
    for (let done = 0; done < count; done += size) {
      const packets = Math.min(size, count - done);
      this.#answer.fillGrid(first + done, packets);
      sender.send(this.#answer.batch, this.#actionOf(first + done));
      sender.noteConnections(this.#answer.batch, this.#open, done);
    }
    sender.removeConnections(this.#open, count);
  }

  #send(sender: Sender, step: StepBatch, from: number, to: number): void {
    const size = this.#batchSize;
    for (let first = from; first < to; first += size) {
      step.fillGrid(first, Math.min(size, to - first));
      sender.send(step.batch, this.#actionOf(first));
    }
  }

  /** All packets of a connection are in one zone: its batch begins at the same connection in every step. */
  #actionOf(first: number): CtAction {
    return this.#actions[Math.floor(first / this.#batchSize) % this.#actions.length]!;
  }
}

function resultOf({ zones, isOwn }: ZoneChoice): string {
  return `short-${zones}${isOwn ? '-own' : ''}-zone${zones === 1 ? '' : 's'}`;
}

export const short: Workload = {
  description: 'Open UDP connections, answer on each, and remove them at once: insertions and removals, by zones',
  variants: ['1', '16'],
  zones: 'a list',
  presetConnections: 200_000,
  acceptsVariant: (variant) => zoneChoice(variant) !== undefined,
  limit: ({ variant, threads, connections }) => {
    const { zones, isOwn } = zoneChoice(variant)!;
    return zoneLimit({ zones: isOwn ? zones * threads : zones, connections });
  },
  phasesOf: (variant) => [
    { packetsPerConnection: 1 },
    { result: resultOf(zoneChoice(variant)!), packetsPerConnection: LIVES * PACKETS, livesPerConnection: LIVES },
  ],
  make: (options) => new ShortRun(options),
  grid: { protocol: 'udp', ranges: 2 },
  fault: (accounting) => {
    const { counters, live, connections } = accounting;
    const { created, established, flushed, invalid, insertFailed, tableFull } = counters;
    const lives = LIVES * connections;
    const isRight =
      live === connections &&
      created === connections + lives &&
      flushed === lives &&
      counters.new === created &&
      established === lives &&
      invalid + insertFailed + tableFull === 0;
    return isRight ? undefined : describeFault(accounting);
  },
};
