/** A sample of `bench rate`: its accounting is right, at rates that it carries and at rates that it cannot. */

import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { RateSample, RateSampleOptions } from '../../../bench/rate/rate-options.ts';
import { sampleOf } from '../../../bench/samples/samples.ts';
import { buildVariant, type Variant } from '../../../bench/studies/variants.ts';

const OPTIONS: RateSampleOptions = {
  shape: { kind: 'lives', packets: 4 },
  engine: 'ct-bucket',
  threads: 2,
  flows: 2000,
  pps: 100_000,
  seconds: 0.05,
  settleSeconds: 0.01,
  rehearsalSeconds: 0.02,
  batchSize: 32,
  buckets: 64,
  ring: 256,
  histogram: true,
};

let variant: Variant;

beforeAll(async () => {
  variant = await buildVariant([]);
});

afterAll(() => {
  variant.remove();
});

function take(options: Partial<RateSampleOptions> = {}): Promise<RateSample> {
  return sampleOf<RateSample>(join(variant.dist, 'bench', 'rate', 'rate-sample.js'), { ...OPTIONS, ...options });
}

it.each(['ct-bucket', 'baseline', 'ct-scale', 'wheel'] as const)(
  'every packet and every connection is accounted for, with %s',
  async (engine) => {
    const sample = await take({ engine });
    expect(sample.error).toBeUndefined();
    expect(sample.offered).toBe(5000);
    expect(sample.judged + sample.dropped).toBe(5000);
    const recorded = sample.latencyNs!.reduce((sum, [, packets]) => sum + packets, 0);
    expect(recorded).toBe(sample.judged);
    expect(sample.accounting.created).toBeGreaterThan(OPTIONS.flows);
  },
);

it('far above the capacity, packets are dropped, and the accounting is right', async () => {
  const sample = await take({ pps: 1e9, seconds: 0.01 });
  expect(sample.error).toBeUndefined();
  expect(sample.offered).toBe(1e7);
  expect(sample.dropped).toBeGreaterThan(0);
});

it.each<RateSampleOptions['shape']>([{ kind: 'rotation' }, { kind: 'zipf', exponent: 1 }])(
  'flows that never end are neither created nor removed: $kind',
  async (shape) => {
    const { error, accounting, refused } = await take({ shape });
    expect(error).toBeUndefined();
    expect({ created: accounting.created, live: accounting.live, refused }).toEqual({
      created: 2000,
      live: 2000,
      refused: 0,
    });
  },
);
