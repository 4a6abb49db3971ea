/** Pieces of work in which a test stops and terminates a worker. */

import { expect } from 'vitest';
import type { DatapathOptions } from '../../src/workers/datapath/datapath.ts';
import { LINE_ENTRIES } from '../../src/core/table/bucket-layout.ts';
import { type PortEnds, udp } from './frames.ts';
import { StoppableDatapath } from './stopping.ts';
import { send } from './tracking.ts';

export const SCENARIOS = [
  'an insertion',
  'an insertion with NAT',
  'the growth of a bucket',
  'a removal by the sweeper',
] as const;
export type Scenario = (typeof SCENARIOS)[number];

const BUCKETS = 256;
/** More accesses than any scenario has. */
const MOST_ACCESSES = 1000;

/** Different flows without end. */
function* flows(): Generator<PortEnds, never, void> {
  for (let i = 0; ; i++) {
    yield { src: `10.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}`, dst: '192.0.2.1', sport: 4000, dport: 53 };
  }
}

/**
 * Stops PMD 0 (or the sweeper) before every `step`-th access of the scenario and terminates it there, while the other PMD
 * inserts into the same bucket.
 * @returns the number of terminations
 */
export async function stopEverywhere(scenario: Scenario, step: number, first: number): Promise<number> {
  const nat: DatapathOptions = {
    action: { commit: true, nat: { action: ['src'], minAddr: '198.51.100.1', minPort: 1024, maxPort: 65_535 } },
  };
  const stoppable = await StoppableDatapath.start({
    buckets: BUCKETS,
    ...(scenario === 'an insertion with NAT' ? nat : {}),
  });
  const { datapath } = stoppable;
  const { conntrack } = datapath;
  conntrack.sweepIntervalMs = 5;
  const some = flows();
  /** The next flow for that PMD and that bucket. */
  const flowOf = (pmd: number, bucket: number | undefined): { ends: PortEnds; bucket: number } => {
    for (;;) {
      const ends = some.next().value;
      const place = stoppable.placeOf(ends);
      if (place.pmd === pmd && (bucket === undefined || place.bucket === bucket)) {
        return { ends, bucket: place.bucket };
      }
    }
  };
  try {
    let terminated = 0;
    for (let access = first; access < MOST_ACCESSES; access += step) {
      let { ends, bucket } = flowOf(0, undefined);
      if (scenario === 'the growth of a bucket') {
        ({ ends, bucket } = fillUntilGrowth(stoppable, flowOf));
      }
      let work = () => stoppable.push(ends);
      const isSweep = scenario === 'a removal by the sweeper';
      if (isSweep) {
        await stoppable.push(ends);
        await datapath.drain();
        work = async () => {
          stoppable.nowMs += 60_000;
          await stoppable.push(flowOf(1, undefined).ends);
        };
      }
      const before = conntrack.buckets()[bucket]!.growths;
      const meanwhile = () => stoppable.push(flowOf(1, bucket).ends);
      const hasStopped = await stoppable.stopAt(isSweep ? 'sweeper' : 'pmd', access, work, meanwhile);
      if (!hasStopped) {
        expect(access).toBeGreaterThan(first);
        if (scenario === 'the growth of a bucket') {
          expect(conntrack.buckets()[bucket]!.growths).toBe(before + 1);
        }
        return terminated;
      }
      terminated++;
    }
    throw new Error(`${scenario} has more than ${MOST_ACCESSES} accesses`);
  } finally {
    await stoppable.end();
  }
}

/** Fills an empty bucket in this thread, so that the next insertion makes it grow. */
function fillUntilGrowth(
  { datapath, nowMs }: StoppableDatapath,
  flowOf: (pmd: number, bucket: number | undefined) => { ends: PortEnds; bucket: number },
): { ends: PortEnds; bucket: number } {
  const { conntrack } = datapath;
  const fresh = conntrack.buckets().find(({ growths, entries }) => growths === 0 && entries === 0)!;
  const { bucket, lines } = fresh;
  /* A bucket grows when an insertion finds it three quarters full. */
  for (let entries = 0; entries < (lines * LINE_ENTRIES * 3) >> 2; entries++) {
    send(conntrack, udp(flowOf(0, bucket).ends), nowMs);
  }
  expect(conntrack.buckets()[bucket]).toMatchObject({ growths: 0 });
  return flowOf(0, bucket);
}
