/** UDP workloads: insertion and lookup on the review's grid, on other tuples, over IPv6; a few hot tuples; a share of NAT. */

import { CtAction } from '../../src/core/action.ts';
import { MAX_CONNECTIONS } from '../../src/core/memory/table-options.ts';
import { EstablishedBatch, NAT_ADDRESS } from './established.ts';
import type { Sender } from './sender.ts';
import { StepBatch } from './step-batch.ts';
import { PATTERNS, tuplesOf } from './tuples.ts';
import { eachOnce, describeFault, type Workload, type WorkloadOptions, type WorkloadRun } from './workload.ts';

const COMMIT = new CtAction({ commit: true });

/** Both phases send each connection's packet once. The state is `new` both times, since there are no replies. */
const twiceNew = eachOnce(({ counters, connections }) => counters.new === 2 * connections);

function insertAndLookUp(name: string) {
  return [
    { result: `${name}insert`, packetsPerConnection: 1 },
    { result: `${name}lookup`, packetsPerConnection: 1 },
  ];
}

class GridRun implements WorkloadRun {
  readonly #step: StepBatch;
  readonly #batchSize: number;

  constructor({ batchSize, memory, hosts }: WorkloadOptions, isIpv6: boolean) {
    this.#step = new StepBatch({ protocol: 'udp', batchSize, isIpv6, memory, hosts });
    this.#batchSize = batchSize;
  }

  run(sender: Sender, _phase: number, from: number, to: number): void {
    const size = this.#batchSize;
    for (let id = from; id < to; id += size) {
      this.#step.fillGrid(id, Math.min(size, to - id));
      sender.send(this.#step.batch, COMMIT);
    }
  }
}

class TuplesRun implements WorkloadRun {
  readonly #step: StepBatch;
  readonly #batchSize: number;
  readonly #pattern: string;
  #tuples = tuplesOf('random', 0, 0);
  #count = 0;

  constructor({ batchSize, memory }: WorkloadOptions, pattern: string) {
    this.#step = new StepBatch({ protocol: 'udp', batchSize, memory });
    this.#batchSize = batchSize;
    this.#pattern = pattern;
  }

  prepare(from: number, to: number): void {
    if (this.#tuples.first !== from || this.#count !== to - from) {
      this.#tuples = tuplesOf(this.#pattern, from, to - from);
      this.#count = to - from;
    }
  }

  run(sender: Sender, _phase: number, from: number, to: number): void {
    const size = this.#batchSize;
    for (let id = from; id < to; id += size) {
      this.#step.fillTuples(this.#tuples, id, Math.min(size, to - id));
      sender.send(this.#step.batch, COMMIT);
    }
  }
}

export const insert: Workload = {
  description: 'Insert UDP connections on a grid of ports, then look each up again',
  variants: [''],
  phasesOf: () => insertAndLookUp('udp-'),
  make: (options) => new GridRun(options, false),
  grid: { protocol: 'udp' },
  fault: twiceNew,
};

export const ipv6: Workload = {
  description: 'Like insert, over IPv6',
  variants: [''],
  phasesOf: () => insertAndLookUp('udp6-'),
  make: (options) => new GridRun(options, true),
  grid: { protocol: 'udp', isIpv6: true },
  fault: twiceNew,
  tableOf: ({ connections }) => ({ maxConnections: Math.min(MAX_CONNECTIONS, Math.max(3_000_000, 2 * connections)) }),
};

export const insertRandom: Workload = {
  description: 'Like insert, with random addresses and ports',
  variants: [''],
  phasesOf: () => insertAndLookUp('udp-random-'),
  make: (options) => new TuplesRun(options, 'random'),
  fault: twiceNew,
};

export const insertPatterns: Workload = {
  description: 'Like insert, with patterns of tuples that defeat a weak hash, and random tuples beside them',
  variants: Object.keys(PATTERNS),
  phasesOf: (variant) => insertAndLookUp(`udp-${variant}-`),
  make: (options) => new TuplesRun(options, options.variant),
  fault: twiceNew,
};

const HOT_TUPLES = 8;
/** Batches of a thread in a millisecond of the packets' clock. */
const BATCHES_PER_MS = 256;

class HotRun implements WorkloadRun {
  readonly #steps: readonly StepBatch[];
  readonly #batchSize: number;

  constructor({ batchSize, memory }: WorkloadOptions) {
    this.#batchSize = batchSize;
    this.#steps = [false, true].map((isReply) => new StepBatch({ protocol: 'udp', batchSize, isReply, memory }));
  }

  run(sender: Sender, phase: number, from: number, to: number): void {
    if (phase === 0) {
      for (const step of this.#steps) {
        step.fillGrid(0, HOT_TUPLES);
        sender.send(step.batch, COMMIT);
      }
      return;
    }
    let batches = 0;
    for (let sent = from; sent < to; batches++) {
      const step = this.#steps[batches & 1]!;
      const count = Math.min(this.#batchSize, HOT_TUPLES, to - sent);
      step.fillGrid(0, count);
      sender.send(step.batch, COMMIT);
      sent += count;
      if (batches % BATCHES_PER_MS === 0) {
        sender.nowMs++;
      }
    }
  }
}

export const hotTuple: Workload = {
  description: `Send both directions of the same ${HOT_TUPLES} UDP connections from all threads`,
  variants: [''],
  phasesOf: () => [{ packetsPerConnection: 0 }, { result: 'hot-tuple', packetsPerConnection: 1 }],
  make: (options) => new HotRun(options),
  fault: (accounting) =>
    accounting.counters.created === accounting.live &&
    accounting.live === HOT_TUPLES &&
    accounting.counters.invalid === 0
      ? undefined
      : describeFault(accounting),
  fewConnections: true,
};

const NAT = new CtAction({ commit: true, nat: { action: ['src'], minAddr: NAT_ADDRESS } });
const SHARES = [0, 10, 50, 100];

/** Translates a given number of every ten batches. */
class NatShareRun implements WorkloadRun {
  readonly #opening: readonly EstablishedBatch[];
  readonly #traffic: readonly EstablishedBatch[];
  readonly #pairs: number;
  readonly #tenths: number;

  constructor({ batchSize, variant }: WorkloadOptions) {
    this.#pairs = Math.max(1, batchSize >> 1);
    this.#tenths = Number(variant) / 10;
    const batchOf = (steps: readonly ('original' | 'reply')[], isTranslated: boolean) =>
      new EstablishedBatch({ protocol: 'udp', steps, isTranslated, batchSize: this.#pairs * steps.length });
    this.#opening = [batchOf(['original'], false), batchOf(['original'], true)];
    this.#traffic = [batchOf(['original', 'reply'], false), batchOf(['original', 'reply'], true)];
  }

  run(sender: Sender, phase: number, from: number, to: number): void {
    const size = this.#pairs;
    for (let id = from; id < to; id += size) {
      const isTranslated = Math.floor(id / size) % 10 < this.#tenths;
      const count = Math.min(size, to - id);
      const step = (phase === 0 ? this.#opening : this.#traffic)[isTranslated ? 1 : 0]!;
      step.fill(id, phase === 0 ? count : 2 * count, Number.MAX_SAFE_INTEGER);
      sender.send(step.batch, isTranslated ? NAT : COMMIT);
    }
  }
}

export const natShare: Workload = {
  description: 'Insert UDP connections, translate a share of them, then do one exchange on each',
  variants: SHARES.map(String),
  phasesOf: (variant) => [
    { result: `udp-nat${variant}-insert`, packetsPerConnection: 1 },
    { result: `udp-nat${variant}-exchange`, packetsPerConnection: 2 },
  ],
  make: (options) => new NatShareRun(options),
  fault: eachOnce(
    ({ counters, connections }) => counters.new === 2 * connections && counters.established === connections,
  ),
};
