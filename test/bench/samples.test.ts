/** The threads of a sample are a pool whose tasks meet at barriers. */

import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { sampleOf } from '../../bench/samples/samples.ts';
import type { WorkloadSample, WorkloadSampleOptions } from '../../bench/samples/workload-options.ts';
import { buildVariant, type Variant } from '../../bench/studies/variants.ts';

const OPTIONS: WorkloadSampleOptions = {
  workload: 'insert',
  threads: 3,
  connections: 3000,
  batchSize: 32,
  buckets: 64,
  prefaulted: false,
  rehearsals: 2,
  rehearsalConnections: 3000,
};

let sound: Variant;
let broken: Variant;

beforeAll(async () => {
  sound = await buildVariant([]);
  /* The thread with index 1 fails. The others wait for it at the barrier. */
  broken = await buildVariant([
    {
      path: 'bench/workloads/udp.ts',
      find: /constructor\(\{ batchSize, memory, hosts \}, isIpv6\) \{/,
      replace:
        'constructor({ batchSize, thread, memory, hosts }, isIpv6) { if (thread === 1) throw new Error("planted");',
    },
  ]);
});

afterAll(() => {
  sound.remove();
  broken.remove();
});

function take(variant: Variant, options: Partial<WorkloadSampleOptions> = {}): Promise<WorkloadSample> {
  const program = join(variant.dist, 'bench', 'samples', 'workload-sample.js');
  return sampleOf<WorkloadSample>(program, { ...OPTIONS, ...options });
}

it('a sample has a time of every thread in every repetition, and every connection once', async () => {
  const { repetitions, counters, error } = await take(sound, { repetitions: 3 });
  expect(error).toBeUndefined();
  expect(counters['created']).toBe(OPTIONS.connections);
  expect(repetitions).toHaveLength(3);
  for (const { results } of repetitions!) {
    expect(results.map(({ name }) => name)).toEqual(['udp-insert', 'udp-lookup']);
    expect(results.flatMap(({ threadMs }) => threadMs).filter((ms) => ms > 0)).toHaveLength(2 * OPTIONS.threads);
  }
});

it('a sample with one failing thread ends with its error, and does not wait at the barrier', async () => {
  await expect(take(broken)).rejects.toThrow(/planted/);
});
