/** The file `ct-bucket.regress.json`: the cases to measure, and the changes to tolerate. */

import { existsSync } from 'node:fs';
import * as v from 'valibot';
import { faultsIn } from '../../src/host/file-schema.ts';
import { readTextFile } from '../../src/host/input-file.ts';
import { UsageError } from '../../src/core/errors.ts';
import { CONFIG_SCHEMA } from './config-schema.ts';
import { CONFIG_FILE, type Shard } from './shard.ts';
import type { Gate, Thresholds } from './verdict/verdict.ts';

/** Thresholds by gate. A number alone is `tolerate`. A figure without a gate is not judged. */
export type Gates = Partial<Record<Gate, number | Thresholds>>;

export interface RegressCase {
  name: string;
  /** The workload's name in the sample programs of the builds. */
  workload: string;
  threads: number;
  connections: number;
  batchSize: number;
  buckets: number;
  /** Measurements in each process, of which the median counts. Only for builds that can repeat. */
  repetitions: number;
  rehearsals: number;
  rehearsalConnections: number;
  gates: Gates;
}

export interface RegressConfig {
  /** Time limit of a verdict. The fewest pairs are taken even if they need a little longer. */
  budgetSeconds: number;
  /** `alarm` of gates that name none, but at least twice their `tolerate`. */
  aimPercent: number;
  /** Most pairs of a case. The fewest that its figures need are taken even if they are more. */
  maxPairs: number;
  cases: RegressCase[];
}

/** @throws UsageError that names the file and every error in it */
export function readConfig(file: string): RegressConfig {
  if (file === CONFIG_FILE && !existsSync(file)) {
    throw new UsageError(
      `there is no ${file} here: for your own project give --module, --command, --tinybench or --vitest; for ct-bucket itself run it in a clone of its repository, or give --config`,
    );
  }
  const text = readTextFile(file);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new UsageError(`${file} is not JSON: ${(error as Error).message}`);
  }
  return checkConfig(value, file);
}

/** Fills in the defaults. @throws UsageError that names every error */
export function checkConfig(value: unknown, file = CONFIG_FILE): RegressConfig {
  const checked = v.safeParse(CONFIG_SCHEMA, value, { abortPipeEarly: true });
  if (!checked.success) {
    throw new UsageError(`${file}: ${faultsIn(checked.issues).join('; ')}`);
  }
  const config: RegressConfig & { $schema?: unknown } = checked.output;
  delete config.$schema;
  const wrong = config.cases.flatMap((each, i) => caseFaults(config, each, i));
  if (wrong.length > 0) {
    throw new UsageError(`${file}: ${wrong.join('; ')}`);
  }
  return config;
}

function caseFaults(config: RegressConfig, each: RegressCase, i: number): string[] {
  const at = `cases[${i}]`;
  const faults: string[] = [];
  if (config.cases.findIndex(({ name }) => name === each.name) !== i) {
    faults.push(`${at}.name must be another: an earlier case is named ${each.name}`);
  }
  for (const [gate, given] of Object.entries(each.gates)) {
    if (typeof given === 'object' && given.alarm <= given.tolerate) {
      faults.push(`${at}.gates.${gate}.alarm must be more than tolerate, which is ${given.tolerate}`);
    }
  }
  if (each.gates.scaling !== undefined && scalingReference(config, each) === undefined) {
    faults.push(
      `${at}.gates.scaling needs a case with 1 thread and the same workload, connections, batchSize and buckets: add one`,
    );
  }
  return faults;
}

/** The thresholds of a gate that the case has. */
export function thresholdsOf({ aimPercent }: RegressConfig, { gates }: RegressCase, gate: Gate): Thresholds {
  const given = gates[gate]!;
  return typeof given === 'number' ? { tolerate: given, alarm: Math.max(aimPercent, 2 * given) } : given;
}

/** The one-thread case that a case's speed-up refers to. undefined if the case itself has one thread. */
export function scalingReference(config: RegressConfig, each: RegressCase): RegressCase | undefined {
  const same = ['workload', 'connections', 'batchSize', 'buckets'] as const;
  return each.threads === 1
    ? undefined
    : config.cases.find((other) => other.threads === 1 && same.every((name) => other[name] === each[name]));
}

const QUICK_SECONDS = 45;

/** The cases of a shard. With `isQuick` only its first case, in less time. @throws UsageError if the shard has none */
export function chosenCases(config: RegressConfig, isQuick: boolean, shard?: Shard): RegressConfig {
  const own = config.cases.filter((_, index) => shard === undefined || index % shard.of === shard.number - 1);
  if (shard !== undefined && own.length === 0) {
    throw new UsageError(`shard ${shard.number}/${shard.of} has no case: there are ${config.cases.length}`);
  }
  return isQuick
    ? { ...config, cases: own.slice(0, 1), budgetSeconds: Math.min(QUICK_SECONDS, config.budgetSeconds) }
    : { ...config, cases: own };
}
