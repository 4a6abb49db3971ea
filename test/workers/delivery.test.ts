/** The datapath delivers verdicts by itself. It keeps the process alive while packets are under way, and no longer. */

import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { run } from '../support/child.ts';
import { flow, holdBucket, startDatapath } from '../support/datapaths.ts';
import { udp } from '../support/frames.ts';
import { until } from '../threads/steps.ts';

describe('the verdict on a packet', () => {
  it('is delivered without any other call', async () => {
    const datapath = await startDatapath<number>({ threads: 2 });
    const tags: number[] = [];
    datapath.on('verdict', ({ tag }) => tags.push(tag!));
    for (let i = 0; i < 100; i++) {
      void datapath.push(udp(flow(i)), { timeMs: 0, tag: i });
    }
    await until('all have come', () => tags.length === 100);
    expect(tags.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i));
    /* Once more, after a time without packets under way. */
    expect(datapath.offer(udp(flow(100)), { timeMs: 0, tag: 100 })).toBe(true);
    await until('the last has come', () => tags.length === 101);
  });

  it("moves the sweeper's time on", async () => {
    const datapath = await startDatapath({ sweeper: true });
    datapath.conntrack.sweepIntervalMs = 1;
    void datapath.push(udp(flow(1)), { timeMs: 0 });
    void datapath.push(Buffer.alloc(60), { timeMs: 100_000 });
    await until('the connection has expired', () => datapath.conntrack.counters().expiredAtSweep === 1);
  });

  it('is delivered as soon as its PMD has done the packet', async () => {
    const datapath = await startDatapath();
    let seen = 0;
    datapath.on('verdict', () => seen++);
    const letGo = holdBucket(datapath);
    void datapath.push(udp(flow(1)), { timeMs: 0 });
    await once(AbortSignal.timeout(250), 'abort');
    expect(seen).toBe(0);
    letGo();
    await until('it has come', () => seen === 1);
  });
});

/** Runs a program with a datapath, from the build. */
function program(body: string): ReturnType<typeof run> {
  const frame = udp(flow(1)).toString('hex');
  const code = `
    import { Datapath } from 'ct-bucket';
    const frame = Buffer.from('${frame}', 'hex');
    const datapath = await Datapath.start({ maxConnections: 1000, threads: 2 });
    ${body}`;
  return run(process.execPath, ['--input-type=module', '--eval', code]);
}

describe('a process with a datapath', () => {
  it('ends by itself without stop when no packet is under way', async () => {
    const ended = await program(`
      datapath.on('verdict', ({ states }) => console.log(states.join()));
      datapath.push(frame, { timeMs: 0 });`);
    expect(ended).toMatchObject({ code: 0, stdout: 'new,trk\n', stderr: '' });
  });

  it('ends by itself if no packet was ever pushed', async () => {
    expect(await program('')).toMatchObject({ code: 0, stdout: '', stderr: '' });
  });

  it('stays alive until every packet has come back', async () => {
    const ended = await program(`
      let count = 0;
      datapath.on('verdict', () => count++);
      for (let i = 0; i < 50_000; i++) datapath.push(frame, { timeMs: 0 });
      process.on('exit', () => console.log(count));`);
    expect(ended).toMatchObject({ code: 0, stdout: '50000\n' });
  });

  it('stays alive while the datapath repairs after dead PMDs and starts them again', async () => {
    const ended = await program(`
      let [count, lost] = [0, 0];
      datapath.on('verdict', ({ isLost }) => { count++; lost += isLost ? 1 : 0; });
      datapath.on('workerDeath', ({ packetsLost }) => console.log(packetsLost === lost || packetsLost > 0));
      datapath.terminateWorker('pmd', 0);
      datapath.terminateWorker('pmd', 1);
      for (let i = 0; i < 100; i++) datapath.push(frame, { timeMs: 0 });
      process.on('exit', () => console.log(count));`);
    expect(ended.code).toBe(0);
    expect(ended.stdout).toMatch(/100\n$/);
  });
});
