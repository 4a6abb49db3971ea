/** A batch gives the same verdicts as its packets one by one. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CtAction, type CtActionOptions } from '../../../src/core/action.ts';
import { Conntrack } from '../../../src/core/conntrack.ts';
import type { Reclaim } from '../../../src/core/memory/table-options.ts';
import { MAX_BATCH, PacketBatch } from '../../../src/core/packet/batch.ts';
import { PacketWord } from '../../../src/core/packet/layout.ts';
import { stateText } from '../../../src/core/inspect/state-names.ts';
import { originalTuple } from '../../../src/core/inspect/tuple.ts';
import { icmp, icmpError, reverse, tcp, udp, type PortEnds } from '../../support/frames.ts';
import { dumpAll } from '../../support/tracking.ts';

const SEED = 20260606;
const BATCH_BYTES = MAX_BATCH * 256;

/** All segments of a short TCP connection that closes or breaks, in order, and segments that do not fit it. */
function tcpFrames(ends: PortEnds): Buffer[] {
  const back = reverse(ends);
  return [
    tcp(ends, { flags: 'S', seq: 100 }),
    tcp(back, { flags: 'SA', seq: 500, ack: 101 }),
    tcp(ends, { flags: 'A', seq: 101, ack: 501 }),
    tcp(ends, { flags: 'PA', seq: 101, ack: 501, data: Buffer.from('hello') }),
    tcp(back, { flags: 'A', seq: 501, ack: 106 }),
    tcp(ends, { flags: 'FA', seq: 106, ack: 501 }),
    tcp(back, { flags: 'FA', seq: 501, ack: 107 }),
    tcp(ends, { flags: 'A', seq: 107, ack: 502 }),
    /* A SYN that starts a new connection if the old one is closed. */
    tcp(ends, { flags: 'S', seq: 9_000_000 }),
    tcp(back, { flags: 'S', seq: 7_000_000 }),
    tcp(ends, { flags: 'R', seq: 101 }),
    tcp(back, { flags: 'RA', seq: 0, ack: 101 }),
    tcp(back, { flags: 'A', seq: 4_000_000_000, ack: 3_000_000_000 }),
  ];
}

const TCP_ENDS = { src: '10.0.0.1', dst: '10.0.0.2', sport: 1000, dport: 80 };
const UDP_ENDS = { src: '10.0.0.1', dst: '10.0.0.2', sport: 1000, dport: 53 };
const ID = Buffer.from('00070001', 'hex');
const FTP_ENDS = { ...TCP_ENDS, dport: 21 };

const FRAMES: Buffer[] = [
  ...tcpFrames(TCP_ENDS),
  ...tcpFrames(FTP_ENDS),
  ...[53, 54, 69].flatMap((dport) => [udp({ ...UDP_ENDS, dport }), udp(reverse({ ...UDP_ENDS, dport }))]),
  icmp(UDP_ENDS, 8, ID),
  icmp(reverse(UDP_ENDS), 0, ID),
  icmpError('10.7.7.7', udp(UDP_ENDS)),
  icmpError('10.7.7.7', tcp(TCP_ENDS, { flags: 'A', seq: 1 })),
  Buffer.from('ffffffffffff0200000000010806000108000604', 'hex'),
];

interface Step {
  /** Indexes of FRAMES. */
  packets: number[];
  action: CtActionOptions;
  /** The second pass of all packets of the batch. */
  secondPass: CtActionOptions | undefined;
  passedMs: number;
  sweeps: boolean;
}

interface Plan {
  steps: Step[];
  maxConnections: number;
  zoneLimit: number | undefined;
}

const COMMIT = { commit: true };
const FORCE = { force: true };
const PEACEFUL_ACTIONS: CtActionOptions[] = [
  COMMIT,
  COMMIT,
  {},
  { zone: 1, commit: true },
  { commit: true, mark: { value: 5, mask: 0xff } },
  { commit: true, label: { value: 'ab', mask: 'ff' } },
];

/** Plans of packets: often several of the same conversation in a row, often the same one several times. */
const packets = fc
  .array(fc.record({ start: fc.nat(FRAMES.length - 1), run: fc.integer({ min: 1, max: 6 }), isRepeat: fc.boolean() }), {
    minLength: 1,
    maxLength: 12,
  })
  .map((runs) =>
    runs
      .flatMap(({ start, run, isRepeat }) =>
        Array.from({ length: run }, (_, i) => (isRepeat ? start : (start + i) % FRAMES.length)),
      )
      .slice(0, MAX_BATCH),
  );

function plans(actions: readonly CtActionOptions[]): fc.Arbitrary<Plan> {
  const action = fc.constantFrom(...actions);
  const step = fc.record({
    packets,
    action,
    secondPass: fc.option(action, { nil: undefined, freq: 3 }),
    passedMs: fc.constantFrom(0, 0, 1, 29_999, 30_000, 60_000, 2 ** 31),
    sweeps: fc.boolean(),
  });
  return fc.record({
    steps: fc.array(step, { minLength: 1, maxLength: 6 }),
    maxConnections: fc.constantFrom(1000, 1000, 3, 1),
    zoneLimit: fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined }),
  });
}

/** The verdicts beside the packets of a batch. */
function verdictsOf({ words, slots, count }: PacketBatch): string[] {
  return Array.from(slots.subarray(0, count), (slot) => {
    const verdict = words.slice(slot + PacketWord.ZONE, slot + PacketWord.CONN);
    const remembers = words[slot + PacketWord.CONN] !== 0;
    return JSON.stringify([
      stateText(words[slot + PacketWord.STATE]!),
      [...verdict],
      remembers,
      originalTuple(words, slot),
    ]);
  });
}

function sortedDump(ct: Conntrack, nowMs: number): string[] {
  return dumpAll(ct, nowMs)
    .map((entry) => JSON.stringify(entry))
    .toSorted();
}

const batch = PacketBatch.allocate(BATCH_BYTES);
const apart = PacketBatch.allocate(BATCH_BYTES);
/** One packet of `apart`. */
const single = new PacketBatch(apart.words);
single.count = 1;

/** Two tables, reused for all plans and emptied in between: creating them takes longer than running a plan. */
class Tables {
  readonly atOnce: Conntrack;
  readonly oneByOne: Conntrack;
  nowMs = 1_000_000;

  constructor(reclaim: Reclaim) {
    const options = { buckets: 1, maxConnections: 1000, reclaim, maxParticipants: 1 };
    this.atOnce = new Conntrack({ ...options, hashSeed: [0, 9] });
    this.oneByOne = new Conntrack({ ...options, hashSeed: [1, 9] });
  }

  renew({ maxConnections, zoneLimit }: Plan): void {
    for (const ct of [this.atOnce, this.oneByOne]) {
      ct.flush();
      ct.maxConnections = maxConnections;
      ct.deleteZoneLimit(0);
      if (zoneLimit !== undefined) {
        ct.setZoneLimit(0, zoneLimit);
      }
    }
  }
}

/** Runs a plan in batches and packet by packet. The test fails where the results differ. */
function expectSameAnswers(tables: Tables, plan: Plan): void {
  tables.renew(plan);
  const { atOnce, oneByOne } = tables;
  for (const [index, step] of plan.steps.entries()) {
    tables.nowMs += step.passedMs;
    const { nowMs } = tables;
    if (step.sweeps) {
      expect(atOnce.sweep(nowMs)).toBe(oneByOne.sweep(nowMs));
    }
    batch.clear();
    apart.clear();
    for (const packet of step.packets) {
      batch.add(FRAMES[packet]!);
      apart.add(FRAMES[packet]!);
    }
    for (const options of step.secondPass === undefined ? [step.action] : [step.action, step.secondPass]) {
      const action = new CtAction(options);
      atOnce.execute(batch, action, nowMs);
      for (let i = 0; i < apart.count; i++) {
        single.slots[0] = apart.slots[i]!;
        oneByOne.execute(single, action, nowMs);
      }
      expect({ step: index, verdicts: verdictsOf(batch) }).toEqual({
        step: index,
        verdicts: verdictsOf(apart),
      });
      expect(sortedDump(atOnce, nowMs)).toEqual(sortedDump(oneByOne, nowMs));
      expect(atOnce.connCount).toBe(oneByOne.connCount);
    }
  }
}

/** The states of these packets, in one batch. */
function statesInBatch(reclaim: Reclaim, frames: readonly Buffer[], action: CtActionOptions): string[] {
  const ct = new Conntrack({ buckets: 1, maxConnections: 100, reclaim });
  batch.clear();
  for (const frame of frames) {
    batch.add(frame);
  }
  ct.execute(batch, new CtAction(action), 0);
  return frames.map((_, index) => stateText(batch.state(index)));
}

describe.each<Reclaim>(['lookup-and-sweep', 'sweep'])('a batch (%s)', (reclaim) => {
  const tables = new Tables(reclaim);

  it('opens a new flow once, however often it is in it', () => {
    const frames = [udp(UDP_ENDS), udp(UDP_ENDS), udp(reverse(UDP_ENDS)), udp(UDP_ENDS), udp(reverse(UDP_ENDS))];
    const states = ['new|trk', 'new|trk', 'est|rpl|trk', 'est|trk', 'est|rpl|trk'];
    expect(statesInBatch(reclaim, frames, COMMIT)).toEqual(states);
  });

  it('takes a connection through its whole life and the next one after it', () => {
    const frames = tcpFrames(TCP_ENDS).slice(0, 9);
    const states = ['new', 'est|rpl', 'est', 'est', 'est|rpl', 'est', 'est|rpl', 'est', 'new'];
    expect(statesInBatch(reclaim, frames, COMMIT)).toEqual(states.map((state) => `${state}|trk`));
  });

  it('gives the verdicts of its packets one by one', () => {
    fc.assert(
      fc.property(plans(PEACEFUL_ACTIONS), (plan) => expectSameAnswers(tables, plan)),
      { seed: SEED, numRuns: 800 },
    );
  });

  /*
   * If stage 3 finds no entry for a packet, the packet is not looked up before createConn. createConn may then find the
   * connection that an earlier packet of the batch created in the other direction. `force` must kill that connection.
   */
  it('with force drops a connection that an earlier packet of it has opened from the other side', () => {
    const frames = [udp(UDP_ENDS), udp(reverse(UDP_ENDS)), udp(UDP_ENDS)];
    expect(statesInBatch(reclaim, frames, FORCE)).toEqual(['new|trk', 'new|trk', 'new|trk']);
  });

  /* As above. */
  it('gives the verdicts of its packets one by one also with force', () => {
    fc.assert(
      fc.property(plans([FORCE, ...PEACEFUL_ACTIONS]), (plan) => expectSameAnswers(tables, plan)),
      { seed: SEED, numRuns: 800 },
    );
  });
});
