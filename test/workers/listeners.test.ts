/** Who listens to a datapath: several at once, each until it goes away, and none in the way of another. */

import { describe, expect, it, vi } from 'vitest';
import { flow, startDatapath } from '../support/datapaths.ts';
import { udp } from '../support/frames.ts';

async function pushAndDrain(datapath: Awaited<ReturnType<typeof startDatapath>>, count = 1): Promise<void> {
  for (let i = 0; i < count; i++) {
    void datapath.push(udp(flow(i)), { timeMs: 0, tag: i });
  }
  await datapath.drain();
}

describe('listeners', () => {
  it('are called in the order in which they came, until off, and those of once for the next event only', async () => {
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

  it('may come and go while they are called', async () => {
    const datapath = await startDatapath();
    const calls: string[] = [];
    const late = (): void => void calls.push('late');
    datapath.on('verdict', () => {
      calls.push('first');
      datapath.off('verdict', late).on('verdict', late);
    });
    await pushAndDrain(datapath, 2);
    /* From the next packet on. */
    expect(calls).toEqual(['first', 'first', 'late']);
  });

  it('that throw do not keep the packet from others; listeners to errors are told, and nobody else then', async () => {
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

  it('that throw where nobody listens to errors warn once, and make the next drain throw', async () => {
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

  it('to errors may throw as well', async () => {
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

  it('to errors are told when the datapath cannot go on', async () => {
    const datapath = await startDatapath({ restarts: 0 });
    const failed = new Promise((resolve) => datapath.on('error', resolve));
    datapath.terminateWorker('pmd');
    expect(await failed).toMatchObject({ name: 'DatapathError', code: 'ERR_CT_WORKER_DIED' });
  });
});

describe('a listener that pushes', () => {
  it('does not write over the verdict that it looks at, however full the ring is', async () => {
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

  it('may reuse the memory of its frame at once, also when the packet waits', async () => {
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
