/** Datapaths for tests, which are stopped after each test. */

import { afterEach } from 'vitest';
import { Datapath, type DatapathOptions } from '../../src/workers/datapath/datapath.ts';
import type { PortEnds } from './frames.ts';

const started: Datapath[] = [];

afterEach(async () => {
  for (const datapath of started.splice(0)) {
    await datapath.stop().catch(() => {});
  }
});

/** A small datapath with one bucket and without a sweeper, unless the options say otherwise. */
export async function startDatapath<Tag = unknown>(options: DatapathOptions = {}): Promise<Datapath<Tag>> {
  const datapath = await Datapath.start<Tag>({
    buckets: 1,
    maxConnections: 1000,
    ringBytes: 1 << 20,
    sweeper: false,
    ...options,
  });
  started.push(datapath as Datapath);
  return datapath;
}

/** Locks the only bucket, so that a PMD that opens a connection waits. @returns a function that unlocks it */
export function holdBucket(datapath: Datapath): () => void {
  const { table, participant } = datapath.conntrack.tracker;
  table.lockBucket(0, participant);
  return () => table.unlockBucket(0);
}

/** A flow for each number. */
export function flow(i: number): PortEnds {
  return { src: `10.${i & 255}.0.1`, dst: '10.9.9.9', sport: 1000 + i, dport: 53 };
}
