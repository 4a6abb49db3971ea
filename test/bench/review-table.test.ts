/** `bench table` shows the published times beside those of this machine. */

import { describe, expect, it } from 'vitest';
import type { TakeSample } from '../../bench/samples/samples.ts';
import type { WorkloadSampleOptions } from '../../bench/samples/workload-options.ts';
import {
  measureReviewTable,
  PUBLISHED_MS,
  type ReviewTableOptions,
  reviewTableText,
} from '../../bench/suite/review-table.ts';

const OPTIONS: ReviewTableOptions = {
  engine: ['baseline', 'ct-bucket'],
  threads: [1, 2],
  connections: 1000,
  runs: 2,
  batch: 32,
  buckets: 64,
};

/** Every insertion takes 100 ms for each thread. */
const take: TakeSample = async <Sample>(_module: string, options: unknown): Promise<Sample> => {
  const { threads, perThread } = options as WorkloadSampleOptions;
  expect(perThread).toBe(true);
  return { results: [{ name: 'udp-insert', ms: 100 * threads }] } as Sample;
};

const PEER =
  'printf \'{"workload":"udp-insert","threads":%d,"connections":%d,"packets":%d,"ms":70}\\n\' {threads} {connections} {connections}';

describe('bench table', () => {
  it('measures each number of threads with every engine, as many runs as asked for', async () => {
    const { results } = await measureReviewTable(OPTIONS, take);
    expect(results.map(({ engine, threads, connections, runsMs }) => [engine, threads, connections, runsMs])).toEqual([
      ['baseline', 1, 1000, [100, 100]],
      ['ct-bucket', 1, 1000, [100, 100]],
      ['baseline', 2, 2000, [200, 200]],
      ['ct-bucket', 2, 2000, [200, 200]],
    ]);
  });

  it('prints the published times, the peer and the engines in one line for each number of threads', async () => {
    const options = { ...OPTIONS, command: PEER, name: 'ovs' };
    const text = reviewTableText(await measureReviewTable(options, take), options);
    expect(text).toMatch(/threads │ baseline\* │ ct-scale\* │ ct-bucket\* │ +ovs │ +baseline │ +ct-bucket │/);
    expect(text).toMatch(/1 │ +831 │ +737 │ +715 │ +70 │ +100 │ +100 │/);
    expect(text).toMatch(/2[^│]* │ +1,177 │ +882 │ +867 │ +70 │ +200 │ +200 │/);
    expect(text).toContain(
      'baseline* ×1.42, ct-scale* ×1.20, ct-bucket* ×1.21, ovs ×1.00, baseline ×2.00, ct-bucket ×2.00',
    );
  });

  it('leaves the published columns empty where the review has no figure', async () => {
    const options = { ...OPTIONS, threads: [8], runs: 1 };
    expect(reviewTableText(await measureReviewTable(options, take), options)).toMatch(/8[^│]* │ +– │ +– │ +– │ +800 │/);
  });

  it('refuses a peer that does other work', async () => {
    const command = PEER.replaceAll('{connections}', '5');
    await expect(measureReviewTable({ ...OPTIONS, command, name: 'ovs' }, take)).rejects.toThrow(/ovs does other work/);
  });

  it('has the times of the review', () => {
    expect(Object.values(PUBLISHED_MS).map((ms) => ms.length)).toEqual([4, 4, 4]);
  });
});
