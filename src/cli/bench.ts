/** `ct-bucket bench`: see bench/. */

import { runInsertBench, type InsertBenchOptions } from '../../bench/insert.ts';
import { ExitCode } from './exit-code.ts';

export async function runBench(options: InsertBenchOptions): Promise<ExitCode> {
  return (await runInsertBench(options)) ? ExitCode.ok : ExitCode.notSo;
}
