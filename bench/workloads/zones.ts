/**
 * Zones: the work of `ovstest test-conntrack benchmark-zones` of Open vSwitch (tests/test-conntrack.c). First all zones are filled.
 * Then one of them is flushed, filled again (commit), looked up (no commit), and an empty zone is flushed, while the rest of the
 * table stays full.
 *
 * Each thread has zones of its own, and its share of the connections in each of them. With one thread, a zone holds `connections`.
 * With more threads, the work of all together and the size of the table stay the same. Open vSwitch flushes its empty zone once. Here
 * a thread flushes EMPTY_ZONES empty zones in turn, several times, since a single call is too short for the clocks of threads.
 */

import { CtAction } from '../../src/core/action.ts';
import type { Sender } from './sender.ts';
import { StepBatch } from './step-batch.ts';
import { describeFault, type Phase, type Workload, type WorkloadOptions, type WorkloadRun } from './workload.ts';
import { FIRST_EMPTY_ZONE, zoneChoice, zoneLimit } from './zone-variants.ts';

/** Empty zones of a thread, and how often it flushes each. */
const EMPTY_ZONES = 64;
const ROUNDS = 256;
const FIRST_ZONE = 1;

const PHASES = ['fill', 'flushFull', 'commit', 'noCommit', 'flushEmpty'] as const;

class ZonesRun implements WorkloadRun {
  readonly #step: StepBatch;
  readonly #batchSize: number;
  readonly #firstZone: number;
  readonly #firstEmpty: number;
  readonly #commits: readonly CtAction[];
  readonly #noCommit: CtAction;

  constructor({ batchSize, memory, hosts, variant, thread }: WorkloadOptions) {
    const zones = zonesOf(variant);
    this.#step = new StepBatch({ protocol: 'udp', batchSize, memory, hosts });
    this.#batchSize = batchSize;
    this.#firstZone = FIRST_ZONE + thread * zones;
    this.#firstEmpty = FIRST_EMPTY_ZONE + thread * EMPTY_ZONES;
    this.#commits = Array.from({ length: zones }, (_, i) => new CtAction({ zone: this.#firstZone + i, commit: true }));
    this.#noCommit = new CtAction({ zone: this.#firstZone });
  }

  run(sender: Sender, phase: number, from: number, to: number): void {
    switch (PHASES[phase]) {
      case 'fill':
        for (const action of this.#commits) {
          this.#send(sender, action, from, to);
        }
        break;
      case 'flushFull':
        sender.flushZone(this.#firstZone);
        break;
      case 'commit':
        this.#send(sender, this.#commits[0]!, from, to);
        break;
      case 'noCommit':
        this.#send(sender, this.#noCommit, from, to);
        break;
      default:
        this.#flushEmptyZones(sender);
    }
  }

  #send(sender: Sender, action: CtAction, from: number, to: number): void {
    const size = this.#batchSize;
    for (let id = from; id < to; id += size) {
      this.#step.fillGrid(id, Math.min(size, to - id));
      sender.send(this.#step.batch, action);
    }
  }

  #flushEmptyZones(sender: Sender): void {
    for (let round = 0; round < ROUNDS; round++) {
      for (let zone = 0; zone < EMPTY_ZONES; zone++) {
        sender.flushZone(this.#firstEmpty + zone);
      }
    }
  }
}

function zonesOf(variant: string): number {
  return zoneChoice(variant)!.zones;
}

function phasesOf(variant: string): readonly Phase[] {
  return [
    { packetsPerConnection: zonesOf(variant) },
    { result: 'zones-flush-full', packetsPerConnection: 1, isFlush: true },
    { result: 'zones-commit', packetsPerConnection: 1 },
    { result: 'zones-no-commit', packetsPerConnection: 1 },
    { result: 'zones-flush-empty', packetsPerConnection: 0, isFlush: true, callsOfThread: ROUNDS * EMPTY_ZONES },
  ];
}

export const zones: Workload = {
  description:
    'Flush a full zone, fill it, look its connections up, and flush an empty zone, while other zones are full',
  variants: ['10'],
  zones: 'one number',
  presetConnections: 100_000,
  acceptsVariant: (variant) => zoneChoice(variant)?.isOwn === false,
  limit: ({ variant, threads, connections }) =>
    zoneLimit({ zones: zonesOf(variant) * threads, connections: zonesOf(variant) * connections }),
  phasesOf,
  make: (options) => new ZonesRun(options),
  grid: { protocol: 'udp' },
  tableConnections: ({ connections, variant }) => zonesOf(variant) * connections,
  fault: (accounting) => {
    const { counters, live, connections, variant } = accounting;
    const held = zonesOf(variant) * connections;
    const { created, flushed, invalid, insertFailed, tableFull } = counters;
    const isRight =
      live === held &&
      created === held + connections &&
      flushed === connections &&
      /* No packet is a reply. */
      counters.new === created + connections &&
      counters.unconnected + invalid + insertFailed + tableFull === 0;
    return isRight ? undefined : describeFault(accounting);
  },
};
