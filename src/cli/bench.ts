/** `ct-bucket bench`: see bench/. */

import { runFloodBench, type FloodBenchOptions } from '../../bench/flood.ts';
import { runInsertBench, type InsertBenchOptions } from '../../bench/insert.ts';
import { runNatBench, type NatBenchOptions } from '../../bench/nat.ts';
import { ExitCode } from './exit-code.ts';

export const BENCHMARKS = ['insert', 'flood', 'nat'] as const;

export async function runBench(
  name: (typeof BENCHMARKS)[number],
  options: InsertBenchOptions & FloodBenchOptions & NatBenchOptions,
): Promise<ExitCode> {
  return (await isRight(name, options)) ? ExitCode.ok : ExitCode.notSo;
}

function isRight(
  name: (typeof BENCHMARKS)[number],
  options: InsertBenchOptions & FloodBenchOptions & NatBenchOptions,
): boolean | Promise<boolean> {
  switch (name) {
    case 'flood':
      return runFloodBench(options);
    case 'nat':
      return runNatBench(options);
    default:
      return runInsertBench(options);
  }
}
