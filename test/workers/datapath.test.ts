/** A datapath: its threads, its steering, full rings, the sweeper's time, and dead threads that it does not restart. */

import { afterEach, describe, expect, it } from 'vitest';
import { hashParsed } from '../../src/core/path/key-hash.ts';
import { FlowSteering } from '../../src/workers/datapath/flow-steering.ts';
import { SettingWord } from '../../src/core/memory/memory-layout.ts';
import { PacketBatch } from '../../src/core/packet/batch.ts';
import { ChecksumBit } from '../../src/core/packet/layout.ts';
import { ParsedKind, ParsedWord } from '../../src/core/packet/key.ts';
import { parsePacket } from '../../src/core/packet/parse.ts';
import { UNIT_SHIFT } from '../../src/core/table/conn.ts';
import { load, notify, store } from '../../src/shared/access.ts';
import { Datapath, type DatapathOptions } from '../../src/workers/datapath/datapath.ts';
import { expectAccountingHolds } from '../support/accounting.ts';
import { icmp, icmpError, reverse, tcp, udp, type PortEnds } from '../support/frames.ts';
import { dumpAll } from '../support/tracking.ts';
import { until } from '../threads/steps.ts';

const RING_BYTES = 1 << 20;
const ID = Buffer.from('00070001', 'hex');

function flow(i: number): PortEnds {
  return { src: `10.${i & 255}.0.1`, dst: '10.9.9.9', sport: 1000 + i, dport: 53 };
}

/** Datapaths of the current test. A failed test must not leave threads to the next one. */
const started: Datapath[] = [];

async function start(options: DatapathOptions): Promise<Datapath> {
  const datapath = await Datapath.start({ buckets: 4, maxConnections: 100_000, ringBytes: RING_BYTES, ...options });
  started.push(datapath);
  return datapath;
}

afterEach(async () => {
  for (const datapath of started.splice(0)) {
    await datapath.stop().catch(() => {});
  }
});

async function stop(datapath: Datapath): Promise<void> {
  started.splice(started.indexOf(datapath), 1);
  await datapath.stop();
}

/** Records each verdict under the number of its packet. */
function noteVerdicts(datapath: Datapath): Map<number, string> {
  const verdicts = new Map<number, string>();
  datapath.on('verdict', ({ tag, stateText }) => {
    const number = tag as number;
    expect(verdicts.has(number)).toBe(false);
    verdicts.set(number, stateText);
  });
  return verdicts;
}

/** The hash of a packet's key in the datapath's table. */
function hashOf(datapath: Datapath, frame: Uint8Array): number {
  const { tracker } = datapath.conntrack;
  const batch = PacketBatch.allocate();
  batch.add(frame, { checksums: ChecksumBit.IP_GOOD | ChecksumBit.L4_GOOD });
  expect(parsePacket(batch.words, batch.slots[0]!, tracker.scratch.parsed, 0, 0)).toBe(ParsedKind.KEYED);
  return hashParsed(tracker.keys, tracker.scratch.parsed, 0);
}

function bucketOf(datapath: Datapath, frame: Uint8Array): number {
  const { table, scratch } = datapath.conntrack.tracker;
  return table.bucketOf(hashOf(datapath, frame), scratch.parsed, ParsedWord.META);
}

/**
 * Locks a bucket, so that a PMD that opens a connection in it waits. The main thread may do that here: the lock is free.
 * @returns a function that unlocks the bucket
 */
function hold(datapath: Datapath, bucket: number): () => void {
  const { table, participant } = datapath.conntrack.tracker;
  table.lockBucket(bucket, participant);
  return () => table.unlockBucket(bucket);
}

/** Sets the sweeper's interval and wakes the sweeper, which may sleep for the earlier interval. */
function sweepEvery(datapath: Datapath, ms: number): void {
  const { words, settings } = datapath.conntrack.tracker;
  datapath.conntrack.sweepIntervalMs = ms;
  store(words, settings + SettingWord.PRESSURE, 1);
  notify(words, settings + SettingWord.PRESSURE, 1);
}

describe('a datapath', () => {
  it.each([1, 2, 3])('gives every packet a verdict on %i threads, and keeps its table after stop', async (threads) => {
    const datapath = await start({ threads });
    const verdicts = noteVerdicts(datapath);
    for (let i = 0; i < 500; i++) {
      await datapath.push(udp(flow(i)), { timeMs: 1000, tag: 2 * i });
      await datapath.push(udp(reverse(flow(i))), { timeMs: 1000, tag: 2 * i + 1 });
    }
    await stop(datapath);
    expect(verdicts.size).toBe(1000);
    for (const [number, state] of verdicts) {
      expect(state).toBe(number % 2 === 0 ? 'new|trk' : 'est|rpl|trk');
    }
    expect(dumpAll(datapath.conntrack, 1000)).toHaveLength(500);
    expectAccountingHolds(datapath.conntrack, 1000);
  });

  it('stops without having had a packet', async () => {
    await stop(await start({ threads: 2 }));
  });

  it('without a sweeper keeps expired connections until a packet meets them', async () => {
    const datapath = await start({ sweeper: false });
    await datapath.push(udp(flow(1)), { timeMs: 0 });
    await datapath.push(udp(flow(2)), { timeMs: 1e9 });
    await stop(datapath);
    expect(datapath.conntrack.counters()).toMatchObject({ created: 2, sweepRounds: 0, expiredAtSweep: 0 });
    expect(datapath.conntrack.connCount).toBe(2);
  });

  it('applies its action to every packet', async () => {
    const datapath = await start({ action: { zone: 7, commit: true, mark: { value: 3, mask: 0xff } } });
    await datapath.push(udp(flow(1)), { timeMs: 0 });
    await stop(datapath);
    expect(dumpAll(datapath.conntrack, 0)).toMatchObject([{ zone: 7, mark: 3 }]);
  });
});

describe('steering', () => {
  const steering = new FlowSteering();

  it.each([1, 2, 3, 5, 64])(
    'sends both directions of a flow, and ICMP errors about it, to one of %i PMDs',
    (workers) => {
      const used = new Set<number>();
      for (let i = 0; i < 500; i++) {
        const ends = flow(i);
        for (const [there, back] of [
          [udp(ends), udp(reverse(ends))],
          [tcp(ends, { flags: 'S', seq: 1 }), tcp(reverse(ends), { flags: 'SA', seq: 1 })],
          [icmp(ends, 8, ID), icmp(reverse(ends), 0, ID)],
        ] as const) {
          const worker = steering.workerOf(there, workers);
          used.add(worker);
          expect(steering.workerOf(back, workers)).toBe(worker);
          expect(steering.workerOf(icmpError('10.200.0.1', there), workers)).toBe(worker);
          expect(steering.workerOf(icmpError('10.200.0.1', back), workers)).toBe(worker);
        }
      }
      expect([...used].toSorted((a, b) => a - b)).toEqual(Array.from({ length: workers }, (_, worker) => worker));
    },
  );

  it('spreads the flows of a grid of ports evenly over the PMDs', () => {
    const counts = [0, 0, 0, 0];
    for (let i = 0; i < 4000; i++) {
      counts[steering.workerOf(udp({ ...flow(0), sport: 1 + (i >> 6), dport: 1 + (i & 63) }), 4)]!++;
    }
    /* Random steering gives each PMD 1000 flows, with a standard deviation of 27. */
    expect(Math.max(...counts)).toBeLessThan(1000 + 6 * 27);
  });

  it.each([
    ['of no bytes', Buffer.alloc(0)],
    ['that is not IP', Buffer.from('ffffffffffff0200000000010806000108000604', 'hex')],
    ['that is truncated', udp(flow(1)).subarray(0, 30)],
    ['of an ICMP error without a packet in it', icmp(flow(1), 3, Buffer.alloc(4))],
  ])('sends a frame %s to the first PMD', (_what, frame) => {
    expect(steering.workerOf(frame, 7)).toBe(0);
  });

  it('decides which PMD of a datapath counts a packet, and the counters of the PMDs add up', async () => {
    const threads = 3;
    const datapath = await start({ threads });
    const verdicts = noteVerdicts(datapath);
    const expected = Array.from({ length: threads }, () => 0);
    const frames = Array.from({ length: 300 }, (_, i) => [
      udp(flow(i)),
      udp(reverse(flow(i))),
      icmpError('9.9.9.9', udp(flow(i))),
    ]);
    let number = 0;
    for (const frame of frames.flat()) {
      expected[steering.workerOf(frame, threads)]!++;
      await datapath.push(frame, { timeMs: 0, tag: number++ });
    }
    await datapath.drain();
    const pmds = datapath.pmdCounters();
    expect(pmds.map(({ packets }) => packets)).toEqual(expected);
    const total = datapath.conntrack.counters();
    for (const name of ['packets', 'batches', 'new', 'established', 'related', 'created'] as const) {
      expect(pmds.reduce((sum, counters) => sum + counters[name], 0)).toBe(total[name]);
    }
    expect(total).toMatchObject({ packets: 900, new: 300, established: 300, related: 300, created: 300 });
    expect([0, 1, 2].map((packet) => verdicts.get(packet))).toEqual(['new|trk', 'est|rpl|trk', 'rel|rpl|trk']);
    await stop(datapath);
  });
});

describe('a PMD with a full ring', () => {
  it('makes push wait, and makes offer drop and count packets', async () => {
    const datapath = await start({ buckets: 1 });
    const verdicts = noteVerdicts(datapath);
    const letGo = hold(datapath, 0);
    const frame = udp(flow(1));
    let taken = 0;
    while (datapath.offer(frame, { timeMs: 0, tag: taken })) {
      taken++;
    }
    expect(taken).toBeGreaterThan(1000);
    expect(datapath.offer(frame, { timeMs: 0, tag: -1 })).toBe(false);
    expect(datapath.offer(frame, { timeMs: 0, tag: -2 })).toBe(false);
    expect(datapath.conntrack.counters()).toMatchObject({ ringDropped: 3, ringWaited: 0 });

    const waits = datapath.push(frame, { timeMs: 0, tag: taken });
    expect(waits).toBeInstanceOf(Promise);
    let hasWaited = false;
    const waited = (waits as Promise<void>).then(() => {
      hasWaited = true;
    });
    expect(datapath.harvest()).toBe(0);
    expect(hasWaited).toBe(false);
    letGo();
    await waited;
    await datapath.push(frame, { timeMs: 0, tag: taken + 1 });
    await stop(datapath);

    expect([...verdicts.keys()]).toEqual(Array.from({ length: taken + 2 }, (_, number) => number));
    const { ringWaited, ...counters } = datapath.conntrack.counters();
    expect(counters).toMatchObject({ packets: taken + 2, created: 1, ringDropped: 3 });
    expect(ringWaited).toBeGreaterThan(0);
  });

  it('does not delay packets of other PMDs', async () => {
    const datapath = await start({ threads: 2, buckets: 2 });
    const verdicts = noteVerdicts(datapath);
    const steering = new FlowSteering();
    const flowsOf = (worker: number, bucket: number) =>
      Array.from({ length: 200 }, (_, i) => udp(flow(i))).filter(
        (frame) => steering.workerOf(frame, 2) === worker && bucketOf(datapath, frame) === bucket,
      );
    const letGo = hold(datapath, 0);
    await datapath.push(flowsOf(0, 0)[0]!, { timeMs: 0, tag: 1000 });
    const others = flowsOf(1, 1);
    for (const [number, frame] of others.entries()) {
      await datapath.push(frame, { timeMs: 0, tag: number });
    }
    await until('the other PMD has done its packets', () => datapath.harvest() >= 0 && verdicts.size === others.length);
    expect(verdicts.has(1000)).toBe(false);
    letGo();
    await stop(datapath);
    expect(verdicts.get(1000)).toBe('new|trk');
  });
});

describe("a sweeper on the packets' clock", () => {
  it('removes expired connections by itself', async () => {
    const datapath = await start({});
    sweepEvery(datapath, 1);
    for (let i = 0; i < 100; i++) {
      await datapath.push(udp(flow(i)), { timeMs: 0 });
    }
    await datapath.push(udp(flow(100)), { timeMs: 60_000 });
    await datapath.drain();
    await until('all but one are gone', () => datapath.conntrack.connCount === 1);
    await stop(datapath);
    const { expiredAtSweep, expiredAtLookup } = datapath.conntrack.counters();
    expect(expiredAtSweep + expiredAtLookup).toBe(100);
    expectAccountingHolds(datapath.conntrack, 60_000);
  });

  it('removes no connection before its timeout', async () => {
    const datapath = await start({});
    const { conntrack } = datapath;
    sweepEvery(datapath, 1);
    await datapath.push(udp(flow(1)), { timeMs: 0 });
    await datapath.push(udp(flow(2)), { timeMs: 59_999 });
    await datapath.drain();
    const before = conntrack.counters().sweepRounds;
    await until('it has done three rounds', () => conntrack.counters().sweepRounds >= before + 3);
    expect(conntrack.connCount).toBe(2);
    await stop(datapath);
  });

  it('wakes up at once when the tracker refuses a packet because the table is full', async () => {
    const datapath = await start({});
    const { conntrack } = datapath;
    conntrack.maxConnections = 1;
    await datapath.push(udp(flow(1)), { timeMs: 0 });
    await datapath.drain();
    sweepEvery(datapath, 1_000_000_000);
    /* The sweeper does one more round at time 0, and then sleeps for days. */
    const { words, settings } = conntrack.tracker;
    await until('the sweeper has begun its round', () => load(words, settings + SettingWord.PRESSURE) === 0);
    /* A packet that opens no connection updates the clock. */
    await datapath.push(Buffer.alloc(60), { timeMs: 60_000 });
    await datapath.drain();
    expect(conntrack.connCount).toBe(1);
    await datapath.push(udp(flow(2)), { timeMs: 60_000 });
    await datapath.drain();
    expect(conntrack.counters().tableFull).toBe(1);
    await until('it has made room', () => conntrack.connCount === 0);
    await stop(datapath);
  });

  it('keeps an expired connection while a slower PMD has packets for it, and removes it afterwards', async () => {
    const datapath = await start({ threads: 2, buckets: 2 });
    const { conntrack } = datapath;
    sweepEvery(datapath, 1);
    const verdicts = noteVerdicts(datapath);
    const steering = new FlowSteering();
    const flows = Array.from({ length: 400 }, (_, i) => flow(i));
    const find = (worker: number, bucket: number) =>
      flows.findIndex((ends) => steering.workerOf(udp(ends), 2) === worker && bucketOf(datapath, udp(ends)) === bucket);
    const [needed, slow, fast] = [flows[find(0, 1)]!, flows[find(0, 0)]!, flows[find(1, 1)]!];

    await datapath.push(udp(needed), { timeMs: 0, tag: 1 });
    await datapath.drain();
    /* The first PMD is blocked at a packet of second 1; a reply of second 50 waits behind it. */
    const letGo = hold(datapath, 0);
    await datapath.push(udp(slow), { timeMs: 1000, tag: 2 });
    await datapath.push(udp(reverse(needed)), { timeMs: 50_000, tag: 3 });
    /* The second PMD is ten minutes ahead; by its time `needed` has expired long ago. */
    await datapath.push(udp(fast), { timeMs: 600_000, tag: 4 });
    await until('the second PMD has done its packet', () => datapath.harvest() >= 0 && verdicts.has(4));
    const before = conntrack.counters().sweepRounds;
    await until('the sweeper has done three rounds', () => conntrack.counters().sweepRounds >= before + 3);
    expect(conntrack.counters()).toMatchObject({ expiredAtSweep: 0, expiredAtLookup: 0 });
    expect(verdicts.has(3)).toBe(false);

    letGo();
    await datapath.drain();
    expect(verdicts.get(3)).toBe('est|rpl|trk');
    await until('only the connection of the second PMD is left', () => conntrack.connCount === 1);
    expect(dumpAll(conntrack, 600_000)).toMatchObject([{ orig: { sport: fast.sport } }]);
    await stop(datapath);
  });
});

describe("a sweeper on the system's clock", () => {
  it('removes expired connections while no packets come', async () => {
    const datapath = await start({ clock: 'system' });
    sweepEvery(datapath, 1);
    datapath.conntrack.setTimeoutPolicy(0, { udp_first: 0 });
    await datapath.push(udp(flow(1)), { timeMs: 0 });
    await datapath.drain();
    await until('the connection is gone', () => datapath.conntrack.connCount === 0);
    expect(datapath.conntrack.counters().expiredAtSweep).toBe(1);
    await stop(datapath);
  });
});

describe('the death of a thread that the datapath may not restart', () => {
  const DEATH = /^a worker of the datapath has died: /;

  /** An index beyond the records: a thread that follows it reads outside the memory and throws. */
  function outOfReach(datapath: Datapath): number {
    return (datapath.conntrack.tracker.words.length >>> UNIT_SHIFT) + 1000;
  }

  function poison(datapath: Datapath, frame: Uint8Array): void {
    const { table, participant } = datapath.conntrack.tracker;
    const hash = hashOf(datapath, frame);
    const bucket = table.bucketOf(hash, table.words, 0);
    table.lockBucket(bucket, participant);
    table.placeLocked(bucket, hash, outOfReach(datapath), participant);
    table.unlockBucket(bucket);
  }

  it('is thrown by the next push and by stop if it was a PMD', async () => {
    const datapath = await start({ sweeper: false, restarts: 0 });
    const frame = udp(flow(1));
    poison(datapath, frame);
    void datapath.push(frame, { timeMs: 0 });
    await expect(datapath.drain()).rejects.toThrow(DEATH);
    expect(() => datapath.push(frame, { timeMs: 0 })).toThrow(DEATH);
    expect(() => datapath.offer(frame, { timeMs: 0 })).toThrow(DEATH);
    await expect(stop(datapath)).rejects.toThrow(DEATH);
  });

  it("rejects a push that waits for the dead PMD's ring", async () => {
    const datapath = await start({ buckets: 1, sweeper: false, restarts: 0 });
    const letGo = hold(datapath, 0);
    const deadly = udp(flow(2));
    const { table, participant } = datapath.conntrack.tracker;
    table.placeLocked(0, hashOf(datapath, deadly), outOfReach(datapath), participant);
    void datapath.push(udp(flow(1)), { timeMs: 0 });
    while (datapath.offer(deadly, { timeMs: 0 })) {
      /* Until the ring is full. */
    }
    /* The first packet releases some room when it is done, but not enough for this frame. */
    const waits = datapath.push(new Uint8Array(100_000), { timeMs: 0 });
    expect(waits).toBeInstanceOf(Promise);
    letGo();
    await expect(waits).rejects.toThrow(DEATH);
    await expect(stop(datapath)).rejects.toThrow(DEATH);
  });

  it('is thrown by push and by stop if it was the sweeper', async () => {
    const datapath = await start({ restarts: 0 });
    sweepEvery(datapath, 1);
    poison(datapath, udp(flow(1)));
    await datapath.push(udp(flow(2)), { timeMs: 0 });
    await until('its death is noticed', () => {
      try {
        return !datapath.offer(udp(flow(2)), { timeMs: 0 });
      } catch (error) {
        expect((error as Error).message).toMatch(DEATH);
        return true;
      }
    });
    await expect(stop(datapath)).rejects.toThrow(DEATH);
  });

  it("has the thread's error as its cause", async () => {
    const datapath = await start({ sweeper: false, restarts: 0 });
    poison(datapath, udp(flow(1)));
    void datapath.push(udp(flow(1)), { timeMs: 0 });
    const error = (await stop(datapath).catch((reason: unknown) => reason)) as Error;
    const cause = error.cause as Error;
    expect(cause).toBeInstanceOf(Error);
    expect(error.message).toBe(`a worker of the datapath has died: ${cause.message}`);
  });
});

describe('a frame that is too long', () => {
  const frame = new Uint8Array(262_145);

  it('is refused with a one-line error', async () => {
    const datapath = await start({});
    expect(() => datapath.push(frame, { timeMs: 0 })).toThrow('a frame has at most 262144 bytes, not 262145');
    await datapath.push(new Uint8Array(262_144), { timeMs: 0 });
    await stop(datapath);
    expect(datapath.conntrack.counters()).toMatchObject({ packets: 1, invalid: 1 });
  });

  /* With several PMDs the steering sees the frame first. Its own error was about its batch: "a batch holds 32 packets and ...". */
  it('is refused with the same error if there are several PMDs', async () => {
    const datapath = await start({ threads: 2 });
    expect(() => datapath.push(new Uint8Array(300_000), { timeMs: 0 })).toThrow(
      'a frame has at most 262144 bytes, not 300000',
    );
  });
});
