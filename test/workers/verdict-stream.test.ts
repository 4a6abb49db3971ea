/** Verdicts read by `for await`: in batches, at the pace of the reader. */

import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { PacketVerdict } from '../../src/workers/datapath/verdict-view.ts';
import { flow, startDatapath } from '../support/datapaths.ts';
import { fragmentsOf } from '../support/fragments.ts';
import { udp } from '../support/frames.ts';
import { until } from '../threads/steps.ts';

/** A large payload: some hundred such frames fill the ring of a PMD. */
const BIG = Buffer.alloc(8000);

async function tagsOf(verdicts: AsyncIterable<PacketVerdict<number>[]>): Promise<number[]> {
  const tags: number[] = [];
  for await (const batch of verdicts) {
    expect(batch.length).toBeGreaterThan(0);
    tags.push(...batch.map(({ tag }) => tag!));
  }
  return tags;
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

describe('the verdict stream of a datapath', () => {
  it('gives every reader all verdicts until the datapath is stopped', async () => {
    const datapath = await startDatapath<number>();
    const readers = [datapath.verdicts(), datapath.verdicts({ highWaterMark: 1 })].map(tagsOf);
    for (const tag of upTo(500)) {
      void datapath.push(udp(flow(tag)), { timeMs: 0, tag });
    }
    await datapath.drain();
    await datapath.stop();
    expect(await Promise.all(readers)).toEqual([upTo(500), upTo(500)]);
  });

  it('gives copies, which later packets do not overwrite', async () => {
    const datapath = await startDatapath<number>();
    const verdicts = datapath.verdicts();
    void datapath.push(udp(flow(1)), { timeMs: 0, tag: 1 });
    const { value } = await verdicts.next();
    for (let tag = 2; tag < 500; tag++) {
      await datapath.push(udp(flow(tag), BIG), { timeMs: 0, tag });
    }
    expect(value).toMatchObject([{ tag: 1, states: ['new', 'trk'], frame: new Uint8Array(udp(flow(1))) }]);
  });

  it('includes the verdicts on deferred fragments', async () => {
    const datapath = await startDatapath<number>();
    const verdicts = datapath.verdicts();
    for (const [tag, frame] of fragmentsOf(udp(flow(1), Buffer.alloc(2000)), 1, 1208).entries()) {
      void datapath.push(frame, { timeMs: 0, tag });
      await datapath.drain();
    }
    await datapath.stop();
    const told: unknown[] = [];
    for await (const batch of verdicts) {
      told.push(...batch.map(({ tag, isHeld, isDeferred }) => [tag, isHeld, isDeferred]));
    }
    expect(told).toEqual([
      [0, true, false],
      [1, false, false],
      [0, false, true],
    ]);
  });

  it('makes pushes wait while its reader is slow, and lets them go on when it reads', async () => {
    const datapath = await startDatapath<number>();
    const verdicts = datapath.verdicts({ highWaterMark: 10 });
    let taken = 0;
    const pushing = (async () => {
      for (const tag of upTo(400)) {
        await datapath.push(udp(flow(1), BIG), { timeMs: 0, tag });
        taken++;
      }
    })();
    await until('a push waits, and its PMD has done all others', () => {
      return datapath.waiting === 1 && datapath.conntrack.counters().packets === taken;
    });
    for (let turns = 0; turns < 100; turns++) {
      await setImmediate();
    }
    expect(datapath.waiting).toBe(1);
    expect(datapath.offer(udp(flow(2), BIG), { timeMs: 0, tag: 1000 })).toBe(false);
    const first = await verdicts.next();
    expect(first.value).toHaveLength(10);
    const rest = tagsOf(verdicts);
    await pushing;
    await datapath.stop();
    expect([...(first.value as PacketVerdict<number>[]).map(({ tag }) => tag!), ...(await rest)]).toEqual(upTo(400));
  });

  it('without a reader delays neither drain nor stop for ever', async () => {
    const datapath = await startDatapath<number>();
    const verdicts = datapath.verdicts({ highWaterMark: 1 });
    for (const tag of upTo(300)) {
      void datapath.push(udp(flow(1), BIG), { timeMs: 0, tag });
    }
    await datapath.drain();
    void datapath.push(udp(flow(1)), { timeMs: 0, tag: 300 });
    await datapath.stop();
    expect(await tagsOf(verdicts)).toEqual(upTo(301));
  });

  it('goes on for other readers when one leaves the loop', async () => {
    const datapath = await startDatapath<number>();
    const all = tagsOf(datapath.verdicts());
    for (const tag of upTo(200)) {
      void datapath.push(udp(flow(1), BIG), { timeMs: 0, tag });
    }
    for await (const batch of datapath.verdicts({ highWaterMark: 2 })) {
      expect(batch.length).toBeGreaterThan(0);
      break;
    }
    await datapath.stop();
    expect(await all).toEqual(upTo(200));
  });

  it('lets a reader push packets without awaiting them', async () => {
    const datapath = await startDatapath<number>();
    const verdicts = datapath.verdicts({ highWaterMark: 1 });
    const back: number[] = [];
    const reading = (async () => {
      for await (const batch of verdicts) {
        for (const { tag, frame } of batch) {
          back.push(tag!);
          if (tag! < 300) {
            void datapath.push(frame, { timeMs: 0, tag: tag! + 300 });
          }
        }
        if (back.length === 600) {
          break;
        }
      }
    })();
    for (const tag of upTo(300)) {
      void datapath.push(udp(flow(1), BIG), { timeMs: 0, tag });
    }
    await reading;
    expect(back.toSorted((a, b) => a - b)).toEqual(upTo(600));
  });

  it('ends with the error when the datapath fails', async () => {
    const datapath = await startDatapath({ restarts: 0 });
    const verdicts = datapath.verdicts();
    const next = verdicts.next();
    datapath.terminateWorker('pmd');
    await expect(next).rejects.toMatchObject({ name: 'DatapathError', code: 'ERR_CT_WORKER_DIED' });
    expect(await verdicts.next()).toEqual({ done: true, value: undefined });
    expect(() => datapath.verdicts()).toThrow(/^a worker of the datapath has died/);
  });

  it('throws for wrong options and for a stopped datapath', async () => {
    const datapath = await startDatapath();
    expect(() => datapath.verdicts({ highWaterMark: 0 })).toThrow(/^highWaterMark must be a whole number from 1/);
    expect(() => datapath.verdicts({ signal: 5 as unknown as AbortSignal })).toThrow(/^signal must be an AbortSignal/);
    await datapath.stop();
    expect(() => datapath.verdicts()).toThrow(/^the datapath is stopped/);
  });
});
