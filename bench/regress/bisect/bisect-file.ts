/** Files of `regress bisect --json`, read again. */

import { nullable } from 'valibot';
import { UsageError } from '../../../src/core/errors.ts';
import {
  count,
  faultOf,
  isMembers,
  list,
  number,
  object,
  oneOf,
  optional,
  text,
} from '../../../src/host/file-schema.ts';
import { readTextFile } from '../../../src/host/input-file.ts';
import type { BisectResult } from './bisect-run.ts';
import { resultIn } from '../report/result-file.ts';
import type { RegressResult } from '../run.ts';

const commit = object({ id: text, title: text });
const figure = object({
  case: text,
  gate: text,
  name: text,
  verdict: oneOf('fine', 'regressed', 'inconclusive'),
  changePercent: number,
  intervalPercent: object({ low: nullable(number), high: nullable(number) }),
  pairs: count,
});
const result = object({
  good: commit,
  bad: commit,
  outcome: oneOf('found', 'not slower', 'unclear'),
  builds: count,
  buildSeconds: count,
  tookSeconds: count,
  machine: object({ cpu: text, cores: number, node: text, loadAverage1m: number }),
  seed: number,
  figures: list(figure),
  answer: optional(
    object({
      found: optional(commit),
      suspects: list(commit),
      parent: commit,
      change: optional(figure),
      why: optional(text),
      skipped: list(object({ id: text, title: text, why: text })),
      pairs: count,
    }),
  ),
});

/** The file of a verdict, or of a bisect. @throws UsageError unless it is complete */
export function readAnswer(file: string): RegressResult | BisectResult {
  const content = readTextFile(file);
  let value: unknown;
  try {
    value = JSON.parse(content);
  } catch {
    /* The reader of verdicts says what is wrong. */
  }
  if (!isMembers(value) || value['format'] !== 'ct-bucket bisect') {
    return resultIn(content, file);
  }
  const answer = value as unknown as BisectResult;
  const fault =
    faultOf(value, result) ??
    (answer.outcome === 'found' && answer.answer?.found === undefined ? 'it names no commit' : undefined);
  if (fault !== undefined) {
    throw new UsageError(`${file} is not the answer of a bisect: ${fault}. Write one with regress bisect --json`);
  }
  return answer;
}
