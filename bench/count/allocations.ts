/** Bytes that the packet path allocates, for each phase of a work. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { runChild } from '../../src/host/children.ts';
import type { AllocationSample, CountSampleOptions } from './count-options.ts';
import { NoCountersError } from './counts.ts';

const SAMPLE = join('bench', 'count', 'allocation-sample.js');
/** A round takes a fraction of a second with so many, and each code path runs often enough to be compiled. */
const CONNECTIONS = 2048;
const TIMEOUT_MS = 300_000;

/** Phase -> bytes of all its packets. With `--single-threaded`, V8 compiles in the same thread, and not while a batch is weighed. */
export async function bytesOf(build: string, work: CountSampleOptions): Promise<Record<string, number>> {
  const sample = join(build, SAMPLE);
  if (!existsSync(sample)) {
    throw new NoCountersError(`the build in ${build} does not count allocated bytes: it is older than bench count`);
  }
  const options: CountSampleOptions = { ...work, connections: Math.min(work.connections, CONNECTIONS) };
  const { stdout } = await runChild(process.execPath, ['--single-threaded', sample, JSON.stringify(options)], {
    timeoutMs: TIMEOUT_MS,
    stderr: 'pipe',
  });
  const { phases } = JSON.parse(stdout) as AllocationSample;
  return Object.fromEntries(phases.map(({ name, bytes }) => [name, bytes]));
}
