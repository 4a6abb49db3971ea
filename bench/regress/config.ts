/** The file `ct-bucket.regress.json`: which cases are measured, and what is tolerated. */

import { readTextFile } from '../../src/host/input-file.ts';
import { UsageError } from '../../src/core/errors.ts';
import { schemaFaults, type Schema } from './schema.ts';
import type { Gate } from './verdict.ts';

export const CONFIG_FILE = 'ct-bucket.regress.json';

/** Tolerated, %, by gate; what has no gate is not judged. */
export type Gates = Partial<Record<Gate, number>>;

export interface RegressCase {
  name: string;
  /** As the sample programs of the builds know it. */
  workload: string;
  threads: number;
  connections: number;
  batchSize: number;
  buckets: number;
  /** Measured in each process, whose median counts; for builds that know how. */
  repetitions: number;
  rehearsals: number;
  rehearsalConnections: number;
  gates: Gates;
}

export interface RegressConfig {
  /** One verdict is to take no longer; a little more when even the fewest pairs do. */
  budgetSeconds: number;
  /** The slowdown that is to be seen 8 times of 10: so many pairs are taken as that needs. */
  aimPercent: number;
  maxPairs: number;
  cases: RegressCase[];
}

const percent = (description: string): Schema => ({ description, type: 'number', minimum: 0, maximum: 1000 });
const whole = (description: string, minimum: number, maximum: number, standard?: number): Schema => ({
  description,
  type: 'integer',
  minimum,
  maximum,
  ...(standard === undefined ? {} : { default: standard }),
});

/** Also in the file ct-bucket.regress.schema.json, for editors. */
export const CONFIG_SCHEMA: Schema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title: 'ct-bucket regress',
  type: 'object',
  required: ['cases'],
  additionalProperties: false,
  properties: {
    $schema: { type: 'string' },
    budgetSeconds: whole('what one verdict may take', 10, 86_400, 110),
    aimPercent: {
      description: 'slowdown to be seen 8 times of 10: decides how many pairs are taken',
      type: 'number',
      minimum: 0.1,
      maximum: 1000,
      default: 5,
    },
    maxPairs: whole('pairs of a case at most, without those that confirm', 6, 1000, 40),
    cases: {
      type: 'array',
      minItems: 1,
      items: {
        type: 'object',
        required: ['name', 'workload', 'threads', 'connections', 'gates'],
        additionalProperties: false,
        properties: {
          name: { type: 'string', pattern: '^[A-Za-z0-9][A-Za-z0-9 ._-]*$' },
          workload: { description: 'as `ct-bucket bench` names it', type: 'string', pattern: '^[a-z0-9-]+$' },
          threads: whole('that work on the table', 1, 64),
          connections: whole('of the table', 1000, 7_000_000),
          batchSize: whole('packets of a batch', 1, 32, 32),
          buckets: whole('of the table, a power of two', 1, 65_536, 1024),
          repetitions: whole('measured in each process; their median counts', 1, 1000, 30),
          rehearsals: whole('tables to warm up on', 2, 100, 2),
          rehearsalConnections: whole('of each table to warm up on', 1000, 1_000_000, 50_000),
          gates: {
            description: 'tolerated, %; what has no gate is not judged',
            type: 'object',
            minProperties: 1,
            additionalProperties: false,
            properties: {
              time: percent('longer: processor time of one thread, time on the clock of several'),
              memory: percent('more bytes per connection'),
              contention: percent('more contention, for builds whose samples tell of it'),
              scaling: percent('less speed-up against the case with one thread and else the same'),
            },
          },
        },
      },
    },
  },
};

/** @throws UsageError that names the file and every fault in it */
export function readConfig(file: string): RegressConfig {
  const text = readTextFile(file);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new UsageError(`${file} is not JSON: ${(error as Error).message}`);
  }
  return checkConfig(value, file);
}

/** @throws UsageError */
export function checkConfig(value: unknown, file = CONFIG_FILE): RegressConfig {
  const faults = schemaFaults(value, CONFIG_SCHEMA);
  if (faults.length > 0) {
    throw new UsageError(`${file}: ${faults.join('; ')}`);
  }
  const given = { ...(value as Partial<RegressConfig> & { $schema?: string; cases: RegressCase[] }) };
  delete given.$schema;
  const config = {
    ...defaultsOf(CONFIG_SCHEMA),
    ...given,
    cases: given.cases.map((each) => ({ ...defaultsOf(CONFIG_SCHEMA.properties!['cases']!.items!), ...each })),
  } as RegressConfig;
  const wrong = config.cases.flatMap((each, i) => caseFaults(config, each, i));
  if (wrong.length > 0) {
    throw new UsageError(`${file}: ${wrong.join('; ')}`);
  }
  return config;
}

function defaultsOf({ properties = {} }: Schema): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(properties).flatMap(([name, { default: standard }]) =>
      standard === undefined ? [] : [[name, standard]],
    ),
  );
}

function caseFaults(config: RegressConfig, each: RegressCase, i: number): string[] {
  const at = `cases[${i}]`;
  const faults: string[] = [];
  if (config.cases.findIndex(({ name }) => name === each.name) !== i) {
    faults.push(`${at}.name: ${each.name} is there twice`);
  }
  if ((each.buckets & (each.buckets - 1)) !== 0) {
    faults.push(`${at}.buckets: must be a power of two`);
  }
  if (each.gates.scaling !== undefined && scalingReference(config, each) === undefined) {
    faults.push(`${at}.gates.scaling: needs a case with 1 thread that is else the same`);
  }
  return faults;
}

/** The case with one thread that a case's speed-up is against; undefined for a case with one thread itself. */
export function scalingReference(config: RegressConfig, each: RegressCase): RegressCase | undefined {
  const same = ['workload', 'connections', 'batchSize', 'buckets'] as const;
  return each.threads === 1
    ? undefined
    : config.cases.find((other) => other.threads === 1 && same.every((name) => other[name] === each[name]));
}

/** A part of the cases, for one of several machines: the `number`th case of each `of`, from 1. */
export interface Shard {
  number: number;
  of: number;
}

const QUICK_SECONDS = 45;

/** The cases of a shard; with `isQuick` only the first of these, in less time. @throws UsageError if the shard has none */
export function chosenCases(config: RegressConfig, isQuick: boolean, shard?: Shard): RegressConfig {
  const own = config.cases.filter((_, index) => shard === undefined || index % shard.of === shard.number - 1);
  if (shard !== undefined && own.length === 0) {
    throw new UsageError(`shard ${shard.number}/${shard.of} has no case: there are ${config.cases.length}`);
  }
  return isQuick
    ? { ...config, cases: own.slice(0, 1), budgetSeconds: Math.min(QUICK_SECONDS, config.budgetSeconds) }
    : { ...config, cases: own };
}
