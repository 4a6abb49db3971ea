/** An AbortSignal cancels a start, a waiting push, or the reading of verdicts; `await using` stops a datapath. */

import { describe, expect, it } from 'vitest';
import { Datapath } from '../../src/workers/datapath/datapath.ts';
import { flow, holdBucket, startDatapath } from '../support/datapaths.ts';
import { udp } from '../support/frames.ts';

const BIG = udp(flow(1), Buffer.alloc(16_000));

describe('an AbortSignal', () => {
  it('cancels the start if it aborts before or during it', async () => {
    const reason = new Error('too late');
    await expect(Datapath.start({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const starting = new AbortController();
    const start = Datapath.start({ maxConnections: 1000, signal: starting.signal });
    starting.abort(reason);
    await expect(start).rejects.toBe(reason);
    await expect(Datapath.start({ signal: 5 as unknown as AbortSignal })).rejects.toThrow(
      /^signal must be an AbortSignal/,
    );
  });

  it('cancels its own push that waits for room, and no other', async () => {
    const datapath = await startDatapath<number>();
    const tags: number[] = [];
    datapath.on('verdict', ({ tag }) => tags.push(tag!));
    const letGo = holdBucket(datapath);
    let pushed = 0;
    while (datapath.waiting < 3) {
      void datapath.push(BIG, { timeMs: 0, tag: pushed++ });
    }
    const leaving = new AbortController();
    const withdrawn = datapath.push(BIG, { timeMs: 0, tag: -5, signal: leaving.signal });
    void datapath.push(BIG, { timeMs: 0, tag: pushed++, signal: AbortSignal.timeout(3_600_000) });
    expect(datapath.waiting).toBe(5);
    leaving.abort(new Error('changed my mind'));
    await expect(withdrawn).rejects.toThrow('changed my mind');
    expect(datapath.waiting).toBe(4);
    letGo();
    await datapath.drain();
    expect(tags).toEqual(Array.from({ length: pushed }, (_, tag) => tag));
  });

  it('cancels all pushes that share it, without a warning about many listeners', async () => {
    const datapath = await startDatapath<number>();
    const warnings: string[] = [];
    const onWarning = ({ message }: Error) => warnings.push(message);
    process.on('warning', onWarning);
    const letGo = holdBucket(datapath);
    let pushed = 0;
    while (datapath.waiting === 0) {
      void datapath.push(BIG, { timeMs: 0, tag: pushed++ });
    }
    const controller = new AbortController();
    const withdrawn = Array.from({ length: 50 }, () => datapath.push(BIG, { timeMs: 0, signal: controller.signal }));
    void datapath.push(BIG, { timeMs: 0, signal: new AbortController().signal });
    expect(datapath.waiting).toBe(52);
    controller.abort(new Error('changed my mind'));
    const outcomes = await Promise.allSettled(withdrawn);
    expect(outcomes.map(({ status }) => status)).toEqual(withdrawn.map(() => 'rejected'));
    expect(datapath.waiting).toBe(2);
    letGo();
    await datapath.drain();
    process.off('warning', onWarning);
    expect(warnings).toEqual([]);
    expect(datapath.conntrack.counters().packets).toBe(pushed + 1);
  });

  it('rejects the push if it has aborted already, without an unhandled rejection', async () => {
    const datapath = await startDatapath();
    void datapath.push(BIG, { timeMs: 0, signal: AbortSignal.abort() });
    await expect(datapath.push(BIG, { timeMs: 0, signal: AbortSignal.abort() })).rejects.toThrow(/abort/);
    await datapath.drain();
    expect(datapath.conntrack.counters().packets).toBe(0);
  });

  it('does nothing to a packet that the ring has taken', async () => {
    const datapath = await startDatapath();
    const controller = new AbortController();
    await datapath.push(BIG, { timeMs: 0, signal: controller.signal });
    controller.abort();
    await datapath.drain();
    expect(datapath.conntrack.counters().packets).toBe(1);
  });

  it('ends the reading of verdicts without an error, even if none come', async () => {
    const datapath = await startDatapath();
    const controller = new AbortController();
    const reading = (async () => {
      for await (const batch of datapath.verdicts({ signal: controller.signal })) {
        expect(batch).toHaveLength(1);
        controller.abort();
      }
    })();
    void datapath.push(udp(flow(1)), { timeMs: 0 });
    await reading;
    for await (const batch of datapath.verdicts({ signal: AbortSignal.abort() })) {
      expect(batch).toBe('never');
    }
    const waiting = datapath.verdicts({ signal: AbortSignal.timeout(10) }).next();
    expect(await waiting).toEqual({ done: true, value: undefined });
  });
});

describe('a datapath declared with await using', () => {
  it('is stopped at the end of its block', async () => {
    let datapath: Datapath;
    let count = 0;
    {
      await using inBlock = await Datapath.start({ maxConnections: 1000, sweeper: false });
      datapath = inBlock;
      datapath.on('verdict', () => count++);
      void datapath.push(udp(flow(1)), { timeMs: 0 });
    }
    expect([datapath.isStopped, count, datapath.workers()]).toEqual([true, 1, []]);
  });
});
