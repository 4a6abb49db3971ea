/** Records histories of real threads on one table, splits them by flow, and checks them. */

import { Conntrack } from '../../src/core/conntrack.ts';
import type { EngineName } from '../../src/core/engines/engine.ts';
import type { Reclaim } from '../../src/core/memory/table-options.ts';
import { allocateWords } from '../../src/shared/access.ts';
import { BARRIER_WORDS } from '../../src/shared/sync/barrier.ts';
import { expectAccountingHolds } from '../support/accounting.ts';
import type { Crew } from '../threads/crew.ts';
import type { HistoryJobs } from '../threads/history-jobs.ts';
import { checkFlow } from './check.ts';
import { zoneOf } from './flows.ts';
import { TIMEOUT_MS } from './model.ts';
import { historyWords, Kind, type Operation, readHistory } from './operation.ts';

export interface HistoryOptions {
  engine: EngineName;
  reclaim: Reclaim;
  buckets: number;
  flows: number;
  /** Number of histories, each on an empty table. More follow, up to a limit, until `overlaps` is reached. */
  rounds: number;
  overlaps: number;
  /** Number of operations of each thread in each round. */
  operations: number;
  seed: number;
  /** Whether the clock moves during a round. It always moves between rounds. */
  isMoving: boolean;
}

export const HISTORY_TABLES: readonly { engine: EngineName; reclaim: Reclaim; buckets: number }[] = [
  { engine: 'ct-bucket', reclaim: 'lookup-and-sweep', buckets: 4 },
  { engine: 'ct-bucket', reclaim: 'sweep', buckets: 1 },
  { engine: 'baseline', reclaim: 'sweep', buckets: 1 },
  { engine: 'ct-scale', reclaim: 'sweep', buckets: 1 },
  { engine: 'wheel', reclaim: 'lookup-and-sweep', buckets: 4 },
  { engine: 'zones', reclaim: 'lookup-and-sweep', buckets: 1 },
  { engine: 'shards', reclaim: 'lookup-and-sweep', buckets: 4 },
];

export interface HistorySummary {
  operations: number;
  /** Number of pairs of operations of two threads on one flow at the same time. */
  overlaps: number;
  places: number;
}

const MOST_PACKETS = 3;
/** The limit of further rounds. On a busy machine threads may take turns instead of running in parallel. */
const MOST_ROUNDS = 50;

/** The operations that concern a flow. */
export function ofFlow(operations: readonly Operation[], flow: number): Operation[] {
  return operations.filter(({ kind, flow: of }) => {
    if (kind === Kind.sweep) {
      return true;
    }
    return kind === Kind.flushZone ? of === zoneOf(flow) : of === flow;
  });
}

function overlapsOf(operations: readonly Operation[]): number {
  const sorted = operations.toSorted((a, b) => a.invoked - b.invoked);
  let overlaps = 0;
  for (const [i, operation] of sorted.entries()) {
    for (let j = i + 1; j < sorted.length && sorted[j]!.invoked < operation.responded; j++) {
      overlaps += sorted[j]!.thread === operation.thread ? 0 : 1;
    }
  }
  return overlaps;
}

/**
 * @param crew the threads. In a checked process they pause at random before shared accesses
 * @throws Error with the report of the first history that is not linearizable
 */
export async function checkHistories(crew: Crew<HistoryJobs>, options: HistoryOptions): Promise<HistorySummary> {
  const { engine, reclaim, buckets, flows, rounds, overlaps, operations, seed, isMoving } = options;
  const { threads } = crew;
  const ct = new Conntrack({ engine, buckets, reclaim, maxConnections: 10_000, maxParticipants: threads + 1 });
  const seconds = TIMEOUT_MS / 1000;
  ct.setTimeoutPolicy(0, { udp_first: seconds, udp_single: seconds, udp_multiple: seconds });
  const clock = allocateWords(3);
  const histories = Array.from({ length: threads }, () => allocateWords(historyWords(operations * MOST_PACKETS)));
  const summary = { operations: 0, overlaps: 0, places: 0 };
  await crew.run('setUp', { memory: ct.memory, barrier: allocateWords(BARRIER_WORDS), parties: threads, clock });
  for (let round = 0; round < rounds || (summary.overlaps < overlaps && round < MOST_ROUNDS * rounds); round++) {
    clock[0] = 0;
    clock[2] = 0;
    await Promise.all(
      histories.map((history, thread) =>
        crew.runOn(thread, 'run', {
          seed: Math.imul(seed + 1, 0x9e3779b1) ^ (round * 64 + thread + 1),
          operations,
          flows,
          isMoving,
          history,
        }),
      ),
    );
    const recorded = histories.flatMap((history, thread) => readHistory(history, thread));
    for (let flow = 0; flow < flows; flow++) {
      const own = ofFlow(recorded, flow);
      const verdict = checkFlow(own);
      if (!verdict.isLinearizable) {
        throw new Error(`flow ${flow}, round ${round} of ${JSON.stringify(options)}: ${verdict.report}`);
      }
      summary.operations += own.length;
      summary.overlaps += overlapsOf(own);
      summary.places += verdict.places;
    }
    expectAccountingHolds(ct, clock[1]!);
    ct.flush();
    clock[1]! += TIMEOUT_MS;
  }
  await crew.run('close', null as never);
  return summary;
}
