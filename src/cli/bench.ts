/** `ct-bucket bench`: see bench/. */

import { runFloodBench, type FloodBenchOptions } from '../../bench/flood.ts';
import { runInsertBench, type InsertBenchOptions } from '../../bench/insert.ts';
import { ExitCode } from './exit-code.ts';

export const BENCHMARKS = ['insert', 'flood'] as const;

export async function runBench(
  name: (typeof BENCHMARKS)[number],
  options: InsertBenchOptions & FloodBenchOptions,
): Promise<ExitCode> {
  const isRight = name === 'flood' ? runFloodBench(options) : await runInsertBench(options);
  return isRight ? ExitCode.ok : ExitCode.notSo;
}
