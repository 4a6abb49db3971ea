/**
 * A sample of a project's benchmarks for tinybench: `node tinybench-sample.js MODULE` runs the `Bench` that the module exports, unless
 * the module has run it, and prints the mean time of each task in ms as a line of JSON.
 */

import { pathToFileURL } from 'node:url';

/** Of all versions of tinybench: version 3 moved the times into `latency`. */
interface Task {
  name: string;
  result?: { mean?: number; latency?: { mean?: number }; error?: unknown };
}

interface Bench {
  tasks: readonly Task[];
  run(): Promise<unknown>;
}

function isBench(value: unknown): value is Bench {
  const { tasks, run } = (value ?? {}) as Partial<Bench>;
  return Array.isArray(tasks) && typeof run === 'function';
}

const meanOf = ({ result }: Task): number | undefined => result?.latency?.mean ?? result?.mean;

const path = process.argv[2]!;
const bench = Object.values((await import(pathToFileURL(path).href)) as object).find(isBench);
if (bench === undefined) {
  throw new Error('it exports no Bench of tinybench: write `export default bench`');
}
if (bench.tasks.some((task) => meanOf(task) === undefined)) {
  await bench.run();
}
const failed = bench.tasks.find((task) => !(meanOf(task)! > 0));
if (failed !== undefined) {
  const { error } = failed.result ?? {};
  throw new Error(`task ${failed.name} has no result${error instanceof Error ? `: ${error.message}` : ''}`);
}
console.log(`\n${JSON.stringify(Object.fromEntries(bench.tasks.map((task) => [task.name, meanOf(task)])))}`);
/* Benchmarks may leave servers and timers. */
process.exit(0);
