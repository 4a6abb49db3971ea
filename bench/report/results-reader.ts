/** Reads results files. Apart from results-file.ts, so that benchmarks start without the library of schemas. */

import * as v from 'valibot';
import { UsageError } from '../../src/core/errors.ts';
import { anything, faultOf, list, number, object, optional, positive, text } from '../../src/host/file-schema.ts';
import { readTextFile } from '../../src/host/input-file.ts';
import { probeFields } from '../machine/probe-fields.ts';
import type { ResultsFile } from './results-file.ts';

const times = v.pipe(list(positive), v.minLength(1, 'a list with at least one time'));
const result = object({
  workload: text,
  engine: text,
  threads: positive,
  connections: positive,
  packets: positive,
  medianMs: positive,
  runsMs: times,
});
const trial = object({ pps: positive, latencyUs: object({ p50: number, p99: number, p999: number }) });
const rate = object({
  profile: text,
  engine: text,
  threads: positive,
  flows: positive,
  atShares: list(object({ share: positive, samples: list(trial) })),
  wanted: optional(object({ pps: positive, runs: list(list(trial)) })),
});
const file = object({
  command: optional(text),
  finishedAt: optional(text),
  machine: object({ cpu: text, cores: number, ...probeFields }),
  options: optional(object({})),
  results: list(result),
  aging: optional(list(anything)),
  simulation: optional(list(anything)),
  rate: optional(list(rate)),
});

/** @throws UsageError */
export function readResultsFile(path: string): ResultsFile {
  return parseResults(readTextFile(path), path);
}

/** @throws UsageError that names the file and its first error */
export function parseResults(content: string, path: string): ResultsFile {
  let value: unknown;
  try {
    value = JSON.parse(content);
  } catch {
    throw new UsageError(`${path} is not JSON`);
  }
  const fault = faultOf(value, file);
  if (fault !== undefined) {
    throw new UsageError(`${path} is not a file of benchmark results: ${fault}`);
  }
  return value as ResultsFile;
}
