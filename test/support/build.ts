/** Makes the build before all tests. Tests of commands run it, because it starts five times as fast as the sources. */

import { compiledBench } from '../../bench/samples/compiled.ts';

export async function setup(): Promise<void> {
  await compiledBench('samples/workload-sample.js');
}
