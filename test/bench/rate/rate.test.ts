/** `bench rate` on a simulated machine: what it offers, what it concludes, and what it says. */

import { describe, expect, it } from 'vitest';
import { answerOf, limitOf, pausesOf, rateText } from '../../../bench/rate/rate-report.ts';
import { resultOn } from './fake-machine.ts';

describe('bench rate', () => {
  it('finds the highest rate and the connections that begin at it, then measures latency at shares of it', async () => {
    const { result } = await resultOn({ capacityPps: 5e6 });
    const highest = result.medianHighestPps!;
    expect(highest / 5e6).toBeGreaterThan(0.97);
    expect(result.medianConnectionsPerS).toBe(highest / 20);
    expect(result.atShares.map(({ samples }) => samples[0]!.pps)).toEqual(
      [0.1, 0.5, 0.9].map((share) => share * highest),
    );
    expect(result.atShares[2]!.samples[0]!.latencyUs.p50).toBeCloseTo((90 * highest) / 5e6);
  });

  it('keeps all latencies where they are measured, and none of the search', async () => {
    const { result } = await resultOn({ capacityPps: 5e6 });
    expect(result.trials.some((trial) => trial.latencyNs !== undefined)).toBe(false);
    expect(result.atShares.every(({ samples }) => samples[0]!.latencyNs !== undefined)).toBe(true);
  });

  it('takes runs in turn over flows, engines and threads', async () => {
    const { taken, results } = await resultOn(
      { capacityPps: 5e6 },
      { rate: 1000, runs: 2, threads: [1, 2], engine: ['ct-bucket', 'baseline'], connections: [65_536] },
    );
    const inTurn = taken.map(({ engine, threads }) => `${engine} ${threads}`);
    expect(inTurn.slice(0, 4)).toEqual(['ct-bucket 1', 'ct-bucket 2', 'baseline 1', 'baseline 2']);
    expect(inTurn.slice(4)).toEqual(inTurn.slice(0, 4));
    expect(results.rate.map(({ flows, wanted }) => `${flows} ${wanted!.runs.length}`)).toEqual(
      inTurn.slice(0, 4).map(() => '65536 2'),
    );
  });

  it('refuses fewer flows than threads', async () => {
    await expect(resultOn({ capacityPps: 5e6 }, { connections: [1], threads: [2] })).rejects.toThrow(
      '--connections 1 is less than --threads 2',
    );
  });

  it('ends at once if the accounting of a trial is wrong', async () => {
    await expect(resultOn({ capacityPps: 5e6, error: 'the accounting of a run is wrong: x' })).rejects.toThrow(
      /^mobile, ct-bucket, 1 thread: the accounting of a run is wrong: x$/,
    );
  });
});

describe('the text of bench rate', () => {
  it('answers whether one PMD can track the load of the profile: yes', async () => {
    const { result } = await resultOn({ capacityPps: 5e6 });
    expect(answerOf(result)).toBe(
      'mobile, ct-bucket, 1 thread, 1,000,000 flows: one PMD can track 4 million packets a second with 200,000 connections ' +
        'created and removed a second: nothing was lost. Latency (p50 / p99 / p99.9): 80.0 / 160 / 240 µs.',
    );
  });

  it('answers no, with what was lost and what would not be', async () => {
    const { result } = await resultOn({ capacityPps: 3e6 });
    expect(answerOf(result)).toMatch(
      /one PMD cannot track 4 million packets .*: the best trial lost 25\.0\s% of the packets\. Without loss: 2\.\d+ million/,
    );
    expect(result.wanted!.runs[0]).toHaveLength(3);
  });

  it('does not answer no on a machine that was not quiet, but a yes holds', async () => {
    const no = await resultOn({ capacityPps: 3e6 });
    expect(answerOf(no.result, false)).toMatch(
      /can one PMD track 4 million .*\? INCONCLUSIVE: .* the machine was not quiet/,
    );
    const doubts = ['the load was 9.9'];
    const text = rateText({ ...no.results, machine: { ...no.results.machine, doubts, loadAverage1m: 99 } });
    expect(text).toContain('INCONCLUSIVE');
    expect(text).not.toContain('was the limit');
    const yes = await resultOn({ capacityPps: 5e6 });
    expect(answerOf(yes.result, false)).toBe(answerOf(yes.result, true));
  });

  it('says if the sender was the limit, not the tracker', async () => {
    expect(limitOf((await resultOn({ capacityPps: 5e6 })).result)).toMatch(
      /the tracker was the limit; building .* 8\.\d\s%/,
    );
    expect(limitOf((await resultOn({ capacityPps: 5e6, senderPps: 6e6 })).result)).toMatch(
      /THE SENDER, NOT THE TRACKER, WAS THE LIMIT: building .* 8\d\.\d\s%/,
    );
  });

  it('says if a pause of the machine lost packets: it was longer than the ring holds', async () => {
    expect(pausesOf((await resultOn({ capacityPps: 5e6 })).result, 4096)).toBeUndefined();
    expect(pausesOf((await resultOn({ capacityPps: 5e6, longestPauseMs: 8 })).result, 4096)).toMatch(
      /in (\d+) of \1 trials with loss a thread paused .* \(up to 8\.00 ms\): the machine lost these packets/,
    );
  });

  it('has a line for each result in both tables, and says so if no rate was without loss', async () => {
    const { results } = await resultOn({ capacityPps: 10 });
    const text = rateText({ ...results, machine: { ...results.machine, loadAverage1m: 0 } });
    expect(text.match(/│ mobile +│ ct-bucket +│ +1 │/g)).toHaveLength(2);
    expect(text).toContain('every rate lost packets, so there is no highest one');
  });
});
