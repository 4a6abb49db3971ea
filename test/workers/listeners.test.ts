/** Listeners of a datapath: several at once, each until it is removed, and independent of each other. */

import { describe, expect, it, vi } from 'vitest';
import { flow, startDatapath } from '../support/datapaths.ts';
import { udp } from '../support/frames.ts';

async function pushAndDrain(datapath: Awaited<ReturnType<typeof startDatapath>>, count = 1): Promise<void> {
  for (let i = 0; i < count; i++) {
    void datapath.push(udp(flow(i)), { timeMs: 0, tag: i });
  }
  await datapath.drain();
}

describe('the listeners of a datapath', () => {
  it('are called in the order of their registration, until off, or once only', async () => {
    const datapath = await startDatapath();
    const calls: string[] = [];
    const first = (): void => void calls.push('first');
    datapath
      .on('verdict', first)
      .once('verdict', () => calls.push('once'))
      .on('verdict', () => calls.push('last'));
    await pushAndDrain(datapath, 2);
    expect(calls).toEqual(['first', 'once', 'last', 'first', 'last']);
    datapath.off('verdict', first).off('verdict', first);
    calls.length = 0;
    await pushAndDrain(datapath);
    expect(calls).toEqual(['last']);
  });

  it('may be added and removed during a call', async () => {
    const datapath = await startDatapath();
    const calls: string[] = [];
    const late = (): void => void calls.push('late');
    datapath.on('verdict', () => {
      calls.push('first');
      datapath.off('verdict', late).on('verdict', late);
    });
    await pushAndDrain(datapath, 2);
    /* The listener added during a call hears from the next packet on. */
    expect(calls).toEqual(['first', 'first', 'late']);
  });

  it('all see the packet when one of them throws, and the error goes to the error listeners', async () => {
    const datapath = await startDatapath();
    const seen: unknown[] = [];
    const errors: Error[] = [];
    datapath.on('error', (error) => errors.push(error));
    datapath.on('verdict', () => {
      throw 'no error';
    });
    datapath.on('verdict', ({ tag }) => seen.push(tag));
    await pushAndDrain(datapath, 3);
    expect(seen).toEqual([0, 1, 2]);
    expect(errors.map(({ message, cause }) => [message, cause])).toEqual(
      Array.from({ length: 3 }, () => ['no error', 'no error']),
    );
  });

  it('cause one warning and an error of the next drain if one throws without an error listener', async () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    const datapath = await startDatapath();
    datapath.on('verdict', () => {
      throw new Error('mine');
    });
    await expect(pushAndDrain(datapath, 3)).rejects.toThrow(/^mine$/);
    expect(warn).toHaveBeenCalledTimes(1);
    warn.mockRestore();
    await datapath.drain();
  });

  it('may throw from an error listener too, and drain throws that error', async () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    const datapath = await startDatapath();
    datapath.on('error', () => {
      throw new Error('of the error');
    });
    datapath.on('verdict', () => {
      throw new Error('mine');
    });
    await expect(pushAndDrain(datapath)).rejects.toThrow(/^of the error$/);
    warn.mockRestore();
  });

  it('hear of an error when the datapath fails', async () => {
    const datapath = await startDatapath({ restarts: 0 });
    const failed = new Promise((resolve) => datapath.on('error', resolve));
    datapath.terminateWorker('pmd');
    expect(await failed).toMatchObject({ name: 'DatapathError', code: 'ERR_CT_WORKER_DIED' });
  });
});

describe('a listener that pushes', () => {
  it('does not overwrite the verdict that it reads, even if the ring is full', async () => {
    const datapath = await startDatapath<number>();
    const pushed = 400;
    const wrong: number[] = [];
    let back = 0;
    const frameOf = (tag: number): Buffer => udp(flow(tag), Buffer.alloc(8000, tag & 0xff));
    datapath.on('verdict', (verdict) => {
      const { tag, frame } = verdict;
      back++;
      if (tag! < pushed) {
        void datapath.push(frame, { timeMs: 0, tag: tag! + pushed });
        datapath.offer(frame, { timeMs: 0, tag: tag! + 2 * pushed });
      }
      if (verdict.tag !== tag || Buffer.compare(frame, frameOf(tag! % pushed)) !== 0) {
        wrong.push(tag!);
      }
    });
    for (let tag = 0; tag < pushed; tag++) {
      void datapath.push(frameOf(tag), { timeMs: 0, tag });
    }
    await datapath.drain();
    expect(wrong).toEqual([]);
    expect(back).toBe(3 * pushed - datapath.conntrack.counters().ringDropped);
  });

  it('may reuse the memory of its frame at once, even if the packet waits for room', async () => {
    const datapath = await startDatapath<number>();
    const memory = Buffer.alloc(9000);
    const bytes = new Map<number, number>();
    datapath.on('verdict', ({ tag, frame }) => bytes.set(tag!, frame.at(-1)!));
    for (let tag = 0; tag < 250; tag++) {
      memory.fill(tag);
      void datapath.push(memory, { timeMs: 0, tag });
    }
    expect(datapath.waiting).toBeGreaterThan(0);
    await datapath.drain();
    expect([...bytes]).toEqual(Array.from({ length: 250 }, (_, tag) => [tag, tag]));
  });
});
