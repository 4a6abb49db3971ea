/** The engine `shards`: the datapath steers a packet to the PMD whose shard has its connection. */

import { describe, expect, it } from 'vitest';
import { CtAction } from '../../../src/core/action.ts';
import { Conntrack } from '../../../src/core/conntrack.ts';
import { shardsFor } from '../../../src/core/engines/shards/shard-keys.ts';
import { PacketBatch } from '../../../src/core/packet/batch.ts';
import { FlowSteering } from '../../../src/workers/datapath/flow-steering.ts';
import { hostsFor, shareOf } from '../../../bench/samples/steered.ts';
import { WORKLOAD_NAMES, workloadOf } from '../../../bench/workloads/registry.ts';
import { StepBatch } from '../../../bench/workloads/step-batch.ts';
import { reverse, tcp, udp } from '../../support/frames.ts';

const NOW_MS = 1_000_000;
const SHARDS = 8;
const ENDS = { src: '10.0.0.1', dst: '10.0.0.2', sport: 1000, dport: 53 };

function table(): Conntrack {
  return new Conntrack({
    engine: 'shards',
    buckets: SHARDS,
    maxConnections: 1000,
    maxParticipants: 2,
    hashSeed: [1, 2],
  });
}

/** Sends a frame. @returns the frame as it leaves */
function send(ct: Conntrack, frame: Uint8Array, action = new CtAction({ commit: true })): Uint8Array {
  const batch = PacketBatch.allocate();
  batch.add(frame);
  ct.execute(batch, action, NOW_MS);
  return new Uint8Array(batch.frame(0));
}

/** Entries of each shard. */
function entriesOf({ tracker: { table: index } }: Conntrack): number[] {
  return Array.from({ length: SHARDS }, (_, shard) => index.entriesIn(shard));
}

function steeringOf(ct: Conntrack): FlowSteering {
  return new FlowSteering('flow', ct.tracker.keys);
}

describe('a connection of the engine shards', () => {
  it.each([
    ['UDP', (sport: number) => udp({ ...ENDS, sport })],
    ['TCP', (sport: number) => tcp({ ...ENDS, sport }, { seq: 1, flags: 'S' })],
    ['UDP over IPv6', (sport: number) => udp({ src: '2001:db8::1', dst: '2001:db8::2', sport, dport: 53 })],
  ])('lies in the shard that its packets are steered to: %s', (_protocol, frameOf) => {
    const ct = table();
    const steering = steeringOf(ct);
    const expected = Array.from({ length: SHARDS }, () => 0);
    for (let sport = 1; sport <= 100; sport++) {
      const frame = frameOf(sport);
      expected[steering.workerOf(frame, SHARDS)]!++;
      send(ct, frame);
    }
    expect(entriesOf(ct)).toEqual(expected);
    expect(Math.min(...expected)).toBeGreaterThan(0);
  });

  it('has replies that are steered to the same shard', () => {
    const ct = table();
    const steering = steeringOf(ct);
    for (let sport = 1; sport <= 20; sport++) {
      const ends = { ...ENDS, sport };
      expect(steering.workerOf(udp(reverse(ends)), SHARDS)).toBe(steering.workerOf(udp(ends), SHARDS));
    }
  });

  it('stays on its PMD in every zone, and has a connection in each', () => {
    const ct = table();
    const shard = steeringOf(ct).workerOf(udp(ENDS), SHARDS);
    for (const zone of [0, 1, 2, 65_535]) {
      send(ct, udp(ENDS), new CtAction({ zone, commit: true }));
    }
    expect(entriesOf(ct)).toEqual(Array.from({ length: SHARDS }, (_, each) => (each === shard ? 4 : 0)));
  });

  it('has an entry in the shard to which the replies are steered when it is translated', () => {
    const ct = table();
    const steering = steeringOf(ct);
    const action = new CtAction({ commit: true, nat: { action: ['src'], minAddr: '192.0.2.1' } });
    let apart = 0;
    for (let sport = 1; sport <= 20; sport++) {
      const before = entriesOf(ct);
      const sent = udp({ ...ENDS, sport });
      const translated = send(ct, sent, action);
      const shards = [steering.workerOf(sent, SHARDS), steering.workerOf(translated, SHARDS)];
      const after = before.map((entries, shard) => entries + shards.filter((each) => each === shard).length);
      expect(entriesOf(ct)).toEqual(after);
      apart += shards[0] === shards[1] ? 0 : 1;
    }
    expect(apart).toBeGreaterThan(0);
  });
});

it.each([
  [1, 1],
  [2, 2],
  [3, 32],
  [4, 4],
  [6, 64],
])('%i PMDs have %i shards, so that none has much more than another', (pmds, shards) => {
  expect(shardsFor(pmds)).toBe(shards);
});

it.each(WORKLOAD_NAMES.filter((name) => workloadOf(name).grid !== undefined))(
  'bench %s gives each thread the connections that are steered to it',
  (name) => {
    const ct = table();
    const workload = workloadOf(name);
    const { ranges = 1, ...packet } = workload.grid!;
    const connections = 200;
    const threads = 3;
    const hosts = hostsFor(ct, workload, { threads, connections, batchSize: 32 })!;
    const steering = steeringOf(ct);
    for (const isReply of [false, true]) {
      const step = new StepBatch({ ...packet, batchSize: 1, hosts, isReply });
      for (let index = 0; index < threads; index++) {
        const { from, to } = shareOf({ index, threads, connections });
        for (let id = from; id < to; id++) {
          for (const first of ranges === 1 ? [id] : [id, 224 + id]) {
            step.fillGrid(first, 1);
            expect(steering.workerOf(step.batch.frame(0), threads)).toBe(index);
          }
        }
      }
    }
  },
);
