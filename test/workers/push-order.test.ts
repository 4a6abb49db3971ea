/** Pushes that the caller does not await: each gets its turn, none is lost, and each flow keeps its order. */

import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/core/errors.ts';
import { FlowSteering } from '../../src/workers/datapath/flow-steering.ts';
import { allocateRing, RingConsumer, RingProducer } from '../../src/shared/memory/ring.ts';
import { LockClass } from '../../src/shared/sync/lockdep.ts';
import { lock, unlock } from '../../src/shared/sync/mutex.ts';
import { Datapath, type DatapathOptions } from '../../src/workers/datapath/datapath.ts';
import type { WorkerDeath } from '../../src/workers/supervision/worker-types.ts';
import { type Push, WaitingPushes } from '../../src/workers/datapath/waiting-pushes.ts';
import { BUCKET_WORDS } from '../../src/core/table/bucket-layout.ts';
import { memoryLayout } from '../../src/core/memory/memory-layout.ts';
import { udp } from '../support/frames.ts';

const ENDS = { src: '10.0.0.1', dst: '10.0.0.2', sport: 1, dport: 53 };
/** A large frame: a ring does not hold `PUSHES` frames of this size. */
const BIG = udp(ENDS, Buffer.alloc(16_000));
const PUSHES = 200;
const DAY_MS = 86_400_000;

describe('producers that wait for room in one ring', () => {
  it('all wake up when the consumer releases a record once', async () => {
    const words = allocateRing(1 << 10);
    const producer = new RingProducer(words);
    const consumer = new RingConsumer(words);
    for (let slot = producer.reserve(64); slot >= 0; slot = producer.reserve(64)) {
      producer.publish();
    }
    /* The timeout is that of the test: only a wake-up ends the wait. */
    const waiting = [1, 2, 3].map(() => producer.waitForReturns(600_000));
    consumer.poll(new Int32Array(1), 1);
    consumer.release(1);
    await Promise.all(waiting);
    expect(producer.harvest()).toBeGreaterThan(0);
    expect(producer.reserve(64)).toBeGreaterThan(0);
  });

  it('do not wait if the consumer has released a record since the last harvest', async () => {
    const words = allocateRing(1 << 10);
    const producer = new RingProducer(words);
    const consumer = new RingConsumer(words);
    producer.reserve(64);
    producer.publish();
    const first = producer.waitForReturns(600_000);
    consumer.poll(new Int32Array(1), 1);
    consumer.release(1);
    await Promise.all([first, producer.waitForReturns(600_000)]);
  });
});

/** A target of pushes: the test decides when its rings have room. */
class Rings {
  readonly written: number[] = [];
  readonly room: number[];
  latestMs = 0;
  failure: Error | undefined;
  #wake: (() => void)[] = [];
  waiters = 0;
  mostWaiters = 0;
  drains = 0;

  constructor(rings: number) {
    this.room = Array.from({ length: rings }, () => 0);
  }

  harvest(): void {}

  write({ worker, number, timeMs }: Push): boolean {
    if (this.room[worker] === 0) {
      return false;
    }
    this.room[worker]!--;
    this.latestMs = timeMs;
    this.written.push(number);
    return true;
  }

  async untilReturns(): Promise<void> {
    this.mostWaiters = Math.max(this.mostWaiters, ++this.waiters);
    await new Promise<void>((resolve) => this.#wake.push(resolve));
    this.waiters--;
    if (this.failure !== undefined) {
      throw this.failure;
    }
  }

  leapsAhead(nowMs: number): boolean {
    return nowMs - this.latestMs > 1000;
  }

  untilEmpty(): Promise<void> {
    this.drains++;
    return Promise.resolve();
  }

  async release(worker: number, count: number): Promise<void> {
    this.room[worker]! += count;
    await this.wake();
  }

  async wake(): Promise<void> {
    const woken = this.#wake;
    this.#wake = [];
    woken.forEach((resolve) => resolve());
    /* The pushes that wake up go on in microtasks, which end before this. */
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function push(pushes: WaitingPushes, number: number, { worker = 0, nowMs = 0 } = {}): Promise<void> {
  return pushes.add({ worker, frame: BIG, timeMs: nowMs, number, action: 0 });
}

describe('pushes that wait for room', () => {
  it('are written in their order, with one waiter for each ring', async () => {
    const rings = new Rings(2);
    const pushes = new WaitingPushes(2, rings);
    const done: number[] = [];
    for (let number = 0; number < 6; number++) {
      void push(pushes, number, { worker: number & 1 }).then(() => done.push(number));
    }
    expect([pushes.count, pushes.mustWait(0), pushes.mustWait(1)]).toEqual([6, true, true]);
    expect(rings.mostWaiters).toBe(2);
    await rings.release(1, 2);
    expect(rings.written).toEqual([1, 3]);
    await rings.release(0, 9);
    expect(rings.written).toEqual([1, 3, 0, 2, 4]);
    expect(pushes.mustWait(0)).toBe(false);
    await rings.release(1, 1);
    await pushes.settled();
    expect(done).toEqual([1, 3, 0, 2, 4, 5]);
    expect(rings.mostWaiters).toBe(2);
  });

  it('wait behind a leap of the clock until every PMD has done all earlier packets', async () => {
    const rings = new Rings(2);
    const pushes = new WaitingPushes(2, rings);
    void push(pushes, 0);
    void push(pushes, 1, { worker: 1, nowMs: 5000 });
    rings.room[1] = 5;
    void push(pushes, 2, { worker: 1, nowMs: 5001 });
    expect(pushes.mustWait(1)).toBe(true);
    await rings.wake();
    expect([rings.written, rings.drains]).toEqual([[], 0]);
    await rings.release(0, 1);
    expect([rings.written, rings.drains]).toEqual([[0, 1, 2], 1]);
    expect(pushes.count).toBe(0);
  });

  it('fail together when the datapath fails, without an unhandled rejection', async () => {
    const rings = new Rings(1);
    const pushes = new WaitingPushes(1, rings);
    void push(pushes, 0);
    const last = push(pushes, 1);
    rings.failure = new Error('a worker has died');
    await rings.wake();
    await expect(last).rejects.toThrow('a worker has died');
    expect(pushes.count).toBe(0);
    await pushes.settled();
  });

  it('are not written any more after they were rejected', async () => {
    const rings = new Rings(1);
    const pushes = new WaitingPushes(1, rings);
    const first = push(pushes, 0);
    pushes.rejectAll(new Error('stopped'));
    await expect(first).rejects.toThrow('stopped');
    await rings.release(0, 1);
    expect(rings.written).toEqual([]);
    void push(pushes, 1);
    await rings.wake();
    expect(rings.written).toEqual([1]);
  });
});

async function start(options: DatapathOptions = {}): Promise<{ datapath: Datapath; order: number[] }> {
  const datapath = await Datapath.start({
    buckets: 1,
    maxConnections: 1000,
    ringBytes: 1 << 20,
    sweeper: false,
    ...options,
  });
  const order: number[] = [];
  datapath.on('verdict', ({ tag }) => order.push(tag as number));
  return { datapath, order };
}

/** Locks the only bucket, so that no PMD can open a connection. @returns a function that unlocks it */
function hold({ conntrack }: Datapath): () => void {
  const { words, bucketBits, maxConnections, maxParticipants } = conntrack.memory;
  const mutex = memoryLayout({ bucketBits, maxConnections, maxParticipants }).buckets;
  expect(BUCKET_WORDS).toBeGreaterThan(0);
  lock(words, mutex, conntrack.tracker.participant, LockClass.bucket);
  return () => unlock(words, mutex);
}

describe('pushes that the caller does not await', () => {
  it('fill the ring, then wait for room, and come back in order', async () => {
    const { datapath, order } = await start();
    const letGo = hold(datapath);
    const pushes = Array.from({ length: PUSHES }, (_, number) => datapath.push(BIG, { timeMs: 0, tag: number }));
    const { waiting } = datapath;
    expect(waiting).toBeGreaterThan(100);
    expect(datapath.conntrack.tracker.counters).toBeDefined();
    expect(datapath.offer(BIG, { timeMs: 0, tag: PUSHES })).toBe(false);
    letGo();
    await datapath.drain();
    await Promise.all(pushes);
    expect(order).toEqual(Array.from({ length: PUSHES }, (_, number) => number));
    expect(datapath.conntrack.counters()).toMatchObject({ ringWaited: waiting, ringDropped: 1 });
    await datapath.stop();
  });

  it('keep the order of each source when several sources push at once', async () => {
    const { datapath, order } = await start({ threads: 2 });
    const source = async (first: number) => {
      const frame = udp({ ...ENDS, sport: first }, Buffer.alloc(16_000));
      for (let i = 0; i < PUSHES; i++) {
        const pushed = datapath.push(frame, { timeMs: 0, tag: first + i });
        if (i % 7 === 0) {
          await pushed;
        }
      }
    };
    await Promise.all([source(1000), source(2000), source(3000)]);
    await datapath.drain();
    for (const first of [1000, 2000, 3000]) {
      const own = order.filter((number) => number >= first && number < first + 1000);
      expect(own).toEqual(Array.from({ length: PUSHES }, (_, i) => first + i));
    }
    await datapath.stop();
  });

  it('wait at the second of two leaps of ten days until the slower PMD has done its packets before the first', async () => {
    const { datapath, order } = await start({ threads: 2 });
    const letGo = hold(datapath);
    const [slow, fast] = [0, 1].map((worker) => {
      const sport = Array.from({ length: 100 }, (_, n) => n + 1).find(
        (port) => new FlowSteering().workerOf(udp({ ...ENDS, sport: port }), 2) === worker,
      );
      return udp({ ...ENDS, sport: sport! });
    });
    void datapath.push(slow!, { timeMs: 0, tag: 0 });
    void datapath.push(fast!, { timeMs: 10 * DAY_MS, tag: 1 });
    expect(datapath.waiting).toBe(0);
    void datapath.push(fast!, { timeMs: 20 * DAY_MS, tag: 2 });
    expect(datapath.waiting).toBe(1);
    letGo();
    await datapath.drain();
    expect(order.toSorted()).toEqual([0, 1, 2]);
    expect(order[2]).toBe(2);
    await datapath.stop();
  });

  it.each([0, 20])(
    'go on in their order after their PMD has died (a leap of %i days between two of them)',
    async (days) => {
      const { datapath, order } = await start();
      const letGo = hold(datapath);
      for (let number = 0; number < PUSHES; number++) {
        void datapath.push(BIG, { timeMs: number < PUSHES / 2 ? 0 : days * DAY_MS, tag: number });
      }
      const death = new Promise<WorkerDeath>((resolve) => datapath.once('workerDeath', resolve));
      datapath.terminateWorker('pmd');
      const drained = datapath.drain();
      const { packetsLost } = await death;
      letGo();
      await drained;
      expect(order).toEqual(Array.from({ length: PUSHES }, (_, number) => number));
      expect(datapath.conntrack.counters().workerLost).toBe(packetsLost);
      await datapath.stop();
    },
  );

  it('are finished by stop if they came before it, and throw if they come after it', async () => {
    const { datapath, order } = await start();
    const letGo = hold(datapath);
    for (let number = 0; number < PUSHES; number++) {
      void datapath.push(BIG, { timeMs: 0, tag: number });
    }
    const stopping = datapath.stop();
    expect(() => datapath.push(BIG, { timeMs: 0, tag: PUSHES })).toThrow(UsageError);
    expect(() => datapath.push(BIG, { timeMs: 0, tag: PUSHES })).toThrow(
      /^the datapath is stopped: start another one$/,
    );
    letGo();
    await stopping;
    expect(order).toEqual(Array.from({ length: PUSHES }, (_, number) => number));
  });

  it('are rejected when stop gives up on a PMD that makes no progress', async () => {
    const { datapath, order } = await start();
    const letGo = hold(datapath);
    const pushes = Array.from({ length: PUSHES }, (_, number) => datapath.push(BIG, { timeMs: 0, tag: number }));
    await datapath.stop().catch(() => {});
    letGo();
    const last = pushes.at(-1) as Promise<void>;
    await expect(last).rejects.toThrow(/stopped|died/);
    expect(order.length).toBeLessThan(PUSHES);
  });
});
