/**
 * The connections of a sample with the engine `shards`. Each thread of a sample sends the packets of its own connections. With `shards`
 * these must be connections that a datapath would steer to it: otherwise the threads would use each other's shards. So the client of
 * each connection gets the first address with which the datapath's steering chooses the right thread. All this happens before the clock
 * starts.
 */

import type { Conntrack } from '../../src/core/conntrack.ts';
import { ShardKeys } from '../../src/core/engines/shards/shard-keys.ts';
import { FlowSteering } from '../../src/workers/datapath/flow-steering.ts';
import { type Hosts, StepBatch } from '../workloads/step-batch.ts';
import { gridStride, type Workload } from '../workloads/workload.ts';

/** Addresses of a client. 64 threads need 64 on average. */
const MOST_HOSTS = 65_536;

export interface SteeredOptions {
  threads: number;
  /** Of all threads together. */
  connections: number;
  batchSize: number;
}

/** The range of ids of a thread. */
export function shareOf({ index, threads, connections }: { index: number; threads: number; connections: number }): {
  from: number;
  to: number;
} {
  return {
    from: Math.floor((connections * index) / threads),
    to: Math.floor((connections * (index + 1)) / threads),
  };
}

/** Must the packets of each thread be steered to it? */
export function isSteered(table: Pick<Conntrack, 'tracker'>, threads: number): boolean {
  return table.tracker.keys instanceof ShardKeys && threads > 1;
}

/**
 * The hosts of a workload's connections. undefined: any thread may send any packet
 * @throws Error if the workload has no grid
 */
export function hostsFor(table: Conntrack, { grid }: Workload, options: SteeredOptions): Hosts | undefined {
  const { threads, connections, batchSize } = options;
  if (!isSteered(table, threads)) {
    return undefined;
  }
  if (grid === undefined) {
    throw new Error('the packets of this workload cannot be steered: the engine shards needs --threads 1');
  }
  const { ranges = 1, ...packet } = grid;
  const stride = gridStride({ connections, batchSize });
  const hosts: Hosts = new Uint16Array(new SharedArrayBuffer(2 * ((ranges - 1) * stride + connections)));
  const choice = new HostChoice(new FlowSteering('flow', table.tracker.keys), packet, threads);
  for (let index = 0; index < threads; index++) {
    const { from, to } = shareOf({ index, threads, connections });
    for (let range = 0; range < ranges; range++) {
      for (let id = range * stride + from; id < range * stride + to; id++) {
        hosts[id] = choice.of(id, index);
      }
    }
  }
  return hosts;
}

/** Finds the first host whose packets are steered to a thread. */
class HostChoice {
  readonly #steering: FlowSteering;
  readonly #packet: NonNullable<Workload['grid']>;
  readonly #threads: number;
  /** A batch for each host. Its packet is that of any id: the ports are filled in. */
  readonly #batches: StepBatch[] = [];

  constructor(steering: FlowSteering, packet: NonNullable<Workload['grid']>, threads: number) {
    this.#steering = steering;
    this.#packet = packet;
    this.#threads = threads;
  }

  of(id: number, thread: number): number {
    for (let host = 0; host < MOST_HOSTS; host++) {
      const step = (this.#batches[host] ??= new StepBatch({ ...this.#packet, batchSize: 1, host }));
      step.fillGrid(id, 1);
      if (this.#steering.workerOf(step.batch.frame(0), this.#threads) === thread) {
        return host;
      }
    }
    throw new Error(`no address of ${MOST_HOSTS} makes connection ${id} one of thread ${thread}`);
  }
}
