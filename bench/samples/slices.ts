/**
 * A workload on one thread, cut into slices of some hundred microseconds. `regress` loads this module from two builds into one process
 * and runs their slices in turn (bench/regress/samples/slice-pair-sample.ts). So what is exported here keeps its names: the program that
 * loads it may be of a later commit. A change of meaning needs a new SLICES_VERSION.
 */

import { Conntrack } from '../../src/core/conntrack.ts';
import { type LockProfile, profileOf } from '../../src/core/inspect/lock-records.ts';
import { allocateWords } from '../../src/shared/access.ts';
import { COMPILER_FLAGS, tuneCompiler } from '../../src/workers/threads/compiler.ts';
import { WORKLOAD_NAMES, type WorkloadName, workloadOf } from '../workloads/registry.ts';
import { Sender } from '../workloads/sender.ts';
import { SHARED_WORDS, type WorkloadRun } from '../workloads/workload.ts';

export const SLICES_VERSION = 2;

/** V8's flags of this build. They hold for the whole process, so both builds must have the same. */
export const flags: readonly string[] = COMPILER_FLAGS;

/** A sweeper runs on a thread of its own, which is no slice. */
export const slicedWorkloads: readonly string[] = WORKLOAD_NAMES.filter((name) => workloadOf(name).hasSweeper !== true);

export interface SliceOptions {
  workload: WorkloadName;
  connections: number;
  batchSize: number;
  buckets: number;
  /** About as many packets are a slice. */
  packetsPerSlice: number;
  rehearsalConnections: number;
}

export interface SlicedPhase {
  /** Name of the result. A phase without one is not timed. */
  result?: string;
  slices: number;
}

/** A workload on one table after another. Call `begin`, all slices of each phase in order, then `end`. */
export interface SlicedWorkload {
  phases: readonly SlicedPhase[];
  /** Warms up on another table, with few buckets: equal hashes must not meet for the first time in a slice. */
  rehearse(): void;
  begin(): void;
  run(phase: number, slice: number): void;
  /** The profile of the table's locks. undefined if the process does not profile locks. Slices of older commits do not know it. */
  lockProfile?(): LockProfile | undefined;
  /** @returns the first error of the table; undefined if all is right */
  end(): string | undefined;
}

const REHEARSAL_BUCKETS = 16;
const REHEARSAL_ROUNDS = 3;
const START_MS = 1_000_000;

export function sliceWorkload(options: SliceOptions): SlicedWorkload {
  tuneCompiler();
  return new Slices(options);
}

class Slices implements SlicedWorkload {
  readonly phases: readonly SlicedPhase[];
  readonly #options: SliceOptions;
  /** Connections of a slice, by phase. */
  readonly #sizes: readonly number[];
  #table: Conntrack | undefined;
  #run: WorkloadRun | undefined;
  #senders: readonly Sender[] = [];

  constructor(options: SliceOptions) {
    const { connections, batchSize, packetsPerSlice } = options;
    const phases = workloadOf(options.workload).phasesOf(this.#variantOf(options));
    this.#options = options;
    this.#sizes = phases.map(({ packetsPerConnection: packets, isFlush = false }) =>
      packets === 0 || isFlush
        ? connections
        : Math.max(1, Math.round(packetsPerSlice / packets / batchSize)) * batchSize,
    );
    this.phases = phases.map(({ result }, i) => ({
      slices: Math.ceil(connections / this.#sizes[i]!),
      ...(result === undefined ? {} : { result }),
    }));
  }

  rehearse(): void {
    const { rehearsalConnections: connections } = this.#options;
    this.#open(connections, REHEARSAL_BUCKETS);
    const table = this.#table!;
    for (let round = 0; round < REHEARSAL_ROUNDS; round++) {
      for (let phase = 0; phase < this.phases.length; phase++) {
        this.#run!.run(this.#senders[phase]!, phase, 0, connections);
      }
      table.tracker.leave();
      table.flush();
      table.tracker.enter();
    }
    table.close();
  }

  begin(): void {
    this.#open(this.#options.connections, this.#options.buckets);
  }

  run(phase: number, slice: number): void {
    const size = this.#sizes[phase]!;
    const from = slice * size;
    this.#run!.run(this.#senders[phase]!, phase, from, Math.min(from + size, this.#options.connections));
  }

  lockProfile(): LockProfile | undefined {
    return profileOf(this.#table!).profile;
  }

  end(): string | undefined {
    const { workload, connections } = this.#options;
    const table = this.#table!;
    const counters = table.counters();
    const live = table.connCount;
    table.close();
    this.#table = undefined;
    return workloadOf(workload).fault({
      counters,
      live,
      connections,
      threads: 1,
      variant: this.#variantOf(this.#options),
    });
  }

  #variantOf({ workload }: SliceOptions): string {
    return workloadOf(workload).variants[0]!;
  }

  #open(connections: number, buckets: number): void {
    const { workload: name, batchSize } = this.#options;
    const workload = workloadOf(name);
    const variant = this.#variantOf(this.#options);
    const held = workload.tableConnections?.({ connections, variant }) ?? connections;
    const table = new Conntrack({
      buckets,
      maxParticipants: 2,
      maxConnections: 2 * held,
      ...(workload.fewConnections ? {} : { prefaultConnections: held }),
      ...workload.tableOf?.({ connections, variant }),
    });
    const shared = allocateWords(SHARED_WORDS);
    /* A batch in the table's memory takes the packet module, as the datapath's do. */
    const { memory } = table;
    const work = { variant, batchSize, window: connections, threads: 1, thread: 0, connections, shared, memory };
    this.#run = workload.make(work);
    this.#run.prepare?.(0, connections);
    this.#senders = this.phases.map((_, phase) => new Sender(table, START_MS + phase));
    this.#table = table;
    table.tracker.enter();
  }
}
