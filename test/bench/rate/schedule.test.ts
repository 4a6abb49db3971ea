/** Schedules say which flow each packet belongs to: flows begin and end at one rate, or never end. */

import { describe, expect, it } from 'vitest';
import type { FlowBatch } from '../../../bench/rate/flow-batch.ts';
import {
  type FlowSchedule,
  LIFE_TIMEOUT_S,
  LifeSchedule,
  RotationSchedule,
  ZipfSchedule,
} from '../../../bench/rate/schedule.ts';
import { Zipf } from '../../../bench/rate/zipf.ts';

const RANGE = { firstTuple: 5000, tuples: 1_000_000, flows: 1000 };

interface Packet {
  tuple: number;
  isReply: boolean;
}

/** The packets of a schedule, filled in batches of an odd size. */
function packetsOf(schedule: FlowSchedule, count: number, size = 7): Packet[] {
  const packets: Packet[] = [];
  const batch = {
    count: 0,
    put: (_place: number, tuple: number, isReply: boolean) => packets.push({ tuple, isReply }),
  } as unknown as FlowBatch;
  for (let first = 0; first < count; first += size) {
    schedule.fillDue(batch, first, Math.min(size, count - first));
  }
  return packets;
}

/** Numbers of the packets of each tuple. */
function byTuple(packets: readonly Packet[]): Map<number, number[]> {
  const all = new Map<number, number[]>();
  for (const [number, { tuple }] of packets.entries()) {
    all.set(tuple, [...(all.get(tuple) ?? []), number]);
  }
  return all;
}

describe('a schedule of lives', () => {
  const PACKETS = 20;
  const schedule = new LifeSchedule(RANGE, PACKETS);
  const packets = packetsOf(schedule, 60_000);
  const flows = byTuple(packets);

  it('begins a flow with every 20th packet, and no other packet is a first one', () => {
    const firsts = [...flows].filter(([tuple]) => tuple >= RANGE.firstTuple + RANGE.flows).map(([, [first]]) => first);
    expect(firsts).toEqual(Array.from({ length: 3000 }, (_, flow) => flow * PACKETS));
  });

  it('gives a whole flow 20 packets, at equal distances, in both directions in turn', () => {
    const own = flows.get(RANGE.firstTuple + RANGE.flows + 100)!;
    expect(own).toHaveLength(PACKETS);
    const distances = new Set(own.slice(1).map((number, index) => number - own[index]!));
    expect([...distances]).toEqual([40 * PACKETS + 1]);
    expect(own.map((number) => packets[number]!.isReply)).toEqual(own.map((_, step) => step % 2 === 1));
  });

  it('ends a flow by its timeout, never between two packets, and each stays as long as `flows` others begin', () => {
    /* With 1000 flows and 20 packets each, a flow stays for 20,000 packets. The clock turns that into the timeout. */
    const packetsPerMs = 100;
    const clockMsPerPacket = schedule.clockScale(packetsPerMs) / packetsPerMs;
    const own = flows.get(RANGE.firstTuple + RANGE.flows + 100)!;
    const gapMs = (own[1]! - own[0]!) * clockMsPerPacket;
    expect(gapMs).toBeLessThan(LIFE_TIMEOUT_S * 1000);
    const stayed = own.at(-1)! - own[0]! + (LIFE_TIMEOUT_S * 1000) / clockMsPerPacket;
    expect(stayed / (RANGE.flows * PACKETS)).toBeCloseTo(1, 1);
  });

  it('has old flows that expire one after another from the start on, and others that go on talking', () => {
    const seen = Array.from({ length: RANGE.flows }, (_, old) => schedule.lastSeenMs(old));
    expect(seen[0]).toBe(-LIFE_TIMEOUT_S * 1000);
    expect(seen.toSorted((a, b) => a - b)).toEqual(seen);
    const talking = RANGE.firstTuple + seen.findIndex((ms) => ms === 0);
    const oldPackets = [...flows.keys()].filter((tuple) => tuple < RANGE.firstTuple + RANGE.flows);
    expect(Math.min(...oldPackets)).toBe(talking + 40);
  });
});

it('a rotation gives every flow one packet in each round, and turns its direction from round to round', () => {
  const schedule = new RotationSchedule(RANGE);
  const packets = packetsOf(schedule, 3000);
  for (const numbers of byTuple(packets).values()) {
    expect(numbers.map((number) => Math.floor(number / 1000))).toEqual([0, 1, 2]);
    const [first, second, third] = numbers.map((number) => packets[number]!.isReply);
    expect([second, third]).toEqual([!first, first]);
  }
});

it('a zipf schedule repeats its draws, and stays within its flows', () => {
  const packets = packetsOf(new ZipfSchedule(RANGE, 1, 64), 128);
  expect(packets.slice(64)).toEqual(packets.slice(0, 64));
  expect(packets.every(({ tuple }) => tuple >= 5000 && tuple < 6000)).toBe(true);
});

it.each([0.8, 1, 1.5])('zipf numbers of exponent %d have the frequencies of the distribution', (exponent) => {
  /* A low-discrepancy sequence instead of random numbers: the same in every run. */
  let index = 0;
  const random = () => (++index * 0.754_877_666_246_692_7) % 1;
  const ranks = 20;
  const zipf = new Zipf(ranks, exponent, random);
  const draws = 200_000;
  const counts = Array.from({ length: ranks + 1 }, () => 0);
  for (let i = 0; i < draws; i++) {
    counts[zipf.next()]!++;
  }
  const weights = Array.from({ length: ranks }, (_, rank) => (rank + 1) ** -exponent);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  for (const [rank, weight] of weights.entries()) {
    expect(counts[rank + 1]! / draws / (weight / total)).toBeCloseTo(1, 1);
  }
});
