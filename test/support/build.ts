/** Before all tests: the build that tests of commands run, which starts in a fifth of the time that the sources take. */

import { compiledBench } from '../../bench/samples/compiled.ts';

export async function setup(): Promise<void> {
  await compiledBench('samples/workload-sample.js');
}
