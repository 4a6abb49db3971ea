/**
 * A sample of a project's benchmarks for tinybench: `node tinybench-sample.js MODULE` runs the `Bench` that the module exports, unless
 * the module has run it, and prints the time of each task in ms as a line of JSON: the mean without the shortest and the longest
 * tenth of its calls. Where tinybench keeps no times of calls (from version 6 on), it is their median.
 */

import { pathToFileURL } from 'node:url';
import { trimmedMean } from '../samples/slice-times.ts';

interface Statistics {
  samples?: readonly number[];
  p50?: number;
  mean?: number;
}

/** Of all versions of tinybench: version 3 moved the times into `latency`. */
interface Task {
  name: string;
  result?: Statistics & { latency?: Statistics; error?: unknown };
}

interface Bench {
  tasks: readonly Task[];
  run(): Promise<unknown>;
}

function isBench(value: unknown): value is Bench {
  const { tasks, run } = (value ?? {}) as Partial<Bench>;
  return Array.isArray(tasks) && typeof run === 'function';
}

/** A mean of all calls is of no use on a busy machine: one pause of 20 ms doubles it. */
function timeOf({ result }: Task): number | undefined {
  const { samples = [], p50, mean } = result?.latency ?? result ?? {};
  return samples.length > 0 ? trimmedMean(samples) : (p50 ?? mean);
}

const path = process.argv[2]!;
const bench = Object.values((await import(pathToFileURL(path).href)) as object).find(isBench);
if (bench === undefined) {
  throw new Error('it exports no Bench of tinybench: write `export default bench`');
}
if (bench.tasks.some((task) => timeOf(task) === undefined)) {
  await bench.run();
}
const failed = bench.tasks.find((task) => !(timeOf(task)! > 0));
if (failed !== undefined) {
  const { error } = failed.result ?? {};
  throw new Error(`task ${failed.name} has no result${error instanceof Error ? `: ${error.message}` : ''}`);
}
console.log(`\n${JSON.stringify(Object.fromEntries(bench.tasks.map((task) => [task.name, timeOf(task)])))}`);
/* Benchmarks may leave servers and timers. */
process.exit(0);
