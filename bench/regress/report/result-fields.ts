/** The schemas of files of verdicts and histories: the fields that merging, showing and searching need. */

import { UsageError } from '../../../src/core/errors.ts';
import {
  count,
  flag,
  faultOf,
  isMembers,
  list,
  members,
  number,
  object,
  oneOf,
  optional,
  positive,
  text,
  wholeFrom0,
} from '../../../src/host/file-schema.ts';
import { probeFields } from '../../machine/probe-fields.ts';
import { checkConfig } from '../config.ts';
import type { RegressResult } from '../run.ts';

const sample = object({
  timesMs: members(positive),
  bytesPerConnection: optional(positive),
  contention: optional(members(count)),
});
const change = { before: count, after: count };
const phaseFinding = object({
  phase: text,
  risePercent: count,
  fallPercent: count,
  limitPercent: count,
  isWorse: flag,
  kinds: list(object({ name: text, percent: number, ...change })),
  stages: list(object({ stage: text, counter: text, ...change })),
});
const caseFinding = object({
  case: text,
  verdict: oneOf('fine', 'regressed', 'silent'),
  why: optional(text),
  accepted: optional(text),
  phases: list(phaseFinding),
});
const caseCauses = object({
  case: text,
  sites: list(object({ site: text, lock: text, before: count, after: count, changePercent: number })),
  functions: list(object({ name: text, percent: number })),
  profile: optional(
    object({
      what: text,
      frames: list(
        object({ name: text, depth: wholeFrom0, before: count, after: count, ownBefore: count, ownAfter: count }),
      ),
    }),
  ),
  leftOut: optional(list(text)),
});
const build = object({ label: text, commit: optional(text) });
const result = object({
  base: build,
  head: build,
  machine: object({ ...probeFields, cpu: text, cores: number, node: text, loadAverage1m: number }),
  time: text,
  seed: number,
  config: object({}),
  shard: optional(text),
  families: optional(members(positive)),
  methods: optional(members(object({ name: oneOf('slices', 'processes'), why: optional(text) }))),
  counters: optional(object({ cases: list(caseFinding), tookSeconds: count })),
  accepted: optional(list(object({ case: text, gate: text, ratio: positive, because: text }))),
  acceptedNotes: optional(list(text)),
  causes: optional(list(caseCauses)),
  tookSeconds: count,
  source: optional(text),
  pairs: list(
    object({
      case: text,
      phase: optional(oneOf('same', 'first', 'confirming')),
      round: wholeFrom0,
      order: text,
      a: sample,
      b: sample,
    }),
  ),
});
const entry = object({
  state: optional(object({ memoryNs: optional(positive), doubts: optional(list(text)) })),
  time: text,
  commit: text,
  machine: text,
  timesMs: members(positive),
});

/** @returns the first error, or undefined */
export function resultFault(content: unknown): string | undefined {
  if (!isMembers(content) || content['format'] !== 'ct-bucket regress') {
    return 'its format is not "ct-bucket regress"';
  }
  const fault = faultOf(content, result);
  if (fault !== undefined) {
    return fault;
  }
  const { config, pairs } = content as unknown as RegressResult;
  try {
    checkConfig(config, 'config');
  } catch (error) {
    if (error instanceof UsageError) {
      return error.message;
    }
    throw error;
  }
  const taken = new Set(pairs.map(({ round, case: name }) => `${round} ${name}`));
  return taken.size < pairs.length ? 'a round has two pairs of a case' : undefined;
}

/** @returns the first error in a line of a history, or undefined */
export function entryFault(value: unknown): string | undefined {
  return faultOf(value, entry);
}
