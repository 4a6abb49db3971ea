/** Datapaths whose verdicts, deaths and hangs a test can read. They are stopped after each test. */

import { afterEach, expect } from 'vitest';
import { FlowSteering } from '../../src/workers/datapath/flow-steering.ts';
import { memoryLayout } from '../../src/core/memory/memory-layout.ts';
import { BucketWord } from '../../src/core/table/bucket-layout.ts';
import { hashParsed } from '../../src/core/path/key-hash.ts';
import { ParsedKind } from '../../src/core/packet/key.ts';
import { PacketBatch } from '../../src/core/packet/batch.ts';
import { ChecksumBit } from '../../src/core/packet/layout.ts';
import { parsePacket } from '../../src/core/packet/parse.ts';
import { UNIT_SHIFT } from '../../src/core/table/conn.ts';
import { lockTagOf } from '../../src/shared/sync/mutex.ts';
import { Datapath, type DatapathOptions } from '../../src/workers/datapath/datapath.ts';
import type { WorkerHang } from '../../src/workers/supervision/watchdog.ts';
import type { WorkerDeath } from '../../src/workers/supervision/worker-types.ts';
import { type PortEnds, udp } from './frames.ts';

export function flow(i: number): PortEnds {
  return { src: `10.${i & 255}.0.1`, dst: '10.9.9.9', sport: 1000 + i, dport: 53 };
}

export interface Watched {
  datapath: Datapath;
  verdicts: Map<number, string>;
  deaths: WorkerDeath[];
  hangs: WorkerHang[];
}

const started: Datapath[] = [];

afterEach(async () => {
  for (const datapath of started.splice(0)) {
    await datapath.stop().catch(() => {});
  }
});

export async function start(options: DatapathOptions): Promise<Watched> {
  const datapath = await Datapath.start({ buckets: 1, maxConnections: 100_000, ringBytes: 1 << 20, ...options });
  started.push(datapath);
  const watched: Watched = { datapath, verdicts: new Map(), deaths: [], hangs: [] };
  datapath.on('verdict', ({ tag, stateText }) => {
    const number = tag as number;
    expect(watched.verdicts.has(number)).toBe(false);
    watched.verdicts.set(number, stateText);
  });
  datapath.on('workerDeath', (death) => watched.deaths.push(death));
  datapath.on('workerHang', (hang) => watched.hangs.push(hang));
  return watched;
}

/** Locks the only bucket. @returns a function that unlocks it */
export function hold(datapath: Datapath): () => void {
  const { table, participant } = datapath.conntrack.tracker;
  table.lockBucket(0, participant);
  return () => table.unlockBucket(0);
}

/** Writes a participant's lock tag into the lock of the only bucket, as if the participant held it. */
export function lockFor({ conntrack }: Datapath, participant: number): void {
  const bucketLock = memoryLayout(conntrack.memory).buckets + BucketWord.LOCK;
  conntrack.tracker.words[bucketLock] = lockTagOf(participant);
}

/** @returns a function that offers a packet of a new flow to a PMD, and returns the packet's number */
export function offering(datapath: Datapath): (pmd: number) => number {
  const steering = new FlowSteering();
  let next = 0;
  return (pmd) => {
    let frame = udp(flow(next));
    while (steering.workerOf(frame, datapath.threads) !== pmd) {
      frame = udp(flow(++next));
    }
    expect(datapath.offer(frame, { timeMs: 0, tag: next })).toBe(true);
    return next++;
  };
}

function hashOf(datapath: Datapath, frame: Uint8Array): number {
  const { tracker } = datapath.conntrack;
  const batch = PacketBatch.allocate();
  batch.add(frame, { checksums: ChecksumBit.IP_GOOD | ChecksumBit.L4_GOOD });
  expect(parsePacket(batch.words, batch.slots[0]!, tracker.scratch.parsed, 0, 0)).toBe(ParsedKind.KEYED);
  return hashParsed(tracker.keys, tracker.scratch.parsed, 0);
}

/** Puts a broken entry into the table: a worker that reads it dies. @returns a function that removes the entry */
export function poison(datapath: Datapath, frame: Uint8Array): () => void {
  const { table, participant, words } = datapath.conntrack.tracker;
  const hash = hashOf(datapath, frame);
  const outOfReach = (words.length >>> UNIT_SHIFT) + 1000;
  table.lockBucket(0, participant);
  table.placeLocked(0, hash, outOfReach, participant);
  table.unlockBucket(0);
  return () => {
    table.lockBucket(0, participant);
    table.unlinkLocked(0, hash, outOfReach);
    table.unlockBucket(0);
  };
}
