/** The works whose counts stand in the committed file (ct-bucket.counts.json), and their names. */

import type { CountSampleOptions } from './count-options.ts';

/** Enough connections that the index grows. */
export const CONNECTIONS = 8192;
/** A connection has 8 to 19 packets. 64 batches take the same step. */
const TCP_CONNECTIONS = 2048;

function work(workload: CountSampleOptions['workload'], rest: Partial<CountSampleOptions> = {}): CountSampleOptions {
  const connections = workload.startsWith('tcp') ? TCP_CONNECTIONS : CONNECTIONS;
  return { workload, engine: 'ct-bucket', connections, batchSize: 32, buckets: 1024, ...rest };
}

export const COUNTED_WORKS: readonly CountSampleOptions[] = [
  work('insert'),
  work('ipv6'),
  work('nat-share', { variant: '100' }),
  work('tcp-life'),
  work('tcp-life', { window: 32 }),
  work('tcp-data'),
  work('tcp-data', { window: 32 }),
  work('insert', { engine: 'baseline' }),
  work('tcp-data', { engine: 'baseline' }),
  work('insert', { engine: 'ct-scale' }),
  work('tcp-data', { engine: 'ct-scale' }),
  work('insert', { engine: 'wheel' }),
  work('tcp-life', { engine: 'wheel' }),
  work('tcp-data', { engine: 'wheel' }),
];

/** For example `tcp-data, window 32`. Options that all these works have in common are left out. */
export function nameOfWork({ workload, variant, engine, window }: CountSampleOptions): string {
  return [
    workload,
    ...(variant === undefined ? [] : [`variant ${variant}`]),
    ...(window === undefined ? [] : [`window ${window}`]),
    ...(engine === 'ct-bucket' ? [] : [`engine ${engine}`]),
  ].join(', ');
}
