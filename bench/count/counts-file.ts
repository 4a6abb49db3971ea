/** The committed file of counts: read, compared, written. */

import { readFileSync } from 'node:fs';
import * as v from 'valibot';
import { UsageError } from '../../src/core/errors.ts';
import { type Change, changesOf, type CountsByWork } from './gate.ts';

const FORMAT = 'ct-bucket counts 1';

const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const counted = v.strictObject({ packets: count, counts: v.record(v.string(), count) });
const accepted = v.strictObject({ counter: v.string(), before: count, after: count, because: v.string() });
const file = v.strictObject({
  format: v.literal(FORMAT),
  /** Rises that were accepted, and why. */
  accepted: v.array(accepted),
  works: v.record(v.string(), v.record(v.string(), counted)),
});

export type AcceptedRise = v.InferOutput<typeof accepted>;
export type CountsFile = v.InferOutput<typeof file>;

/** @throws UsageError if there is no such file, or if it holds something else */
export function readCounts(path: string): CountsFile {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new UsageError(
      `${path} cannot be read (${(error as Error).message}): write it with bench count --update ${path}`,
    );
  }
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    throw new UsageError(`${path} is no JSON: write it with bench count --update ${path}`);
  }
  const { success, output, issues } = v.safeParse(file, content);
  if (!success) {
    const where = v.getDotPath(issues[0]) ?? 'the file';
    throw new UsageError(
      `${path}: ${where} is not what bench count writes: write it with bench count --update ${path}`,
    );
  }
  return output;
}

export interface Comparison {
  worse: Change[];
  better: Change[];
  /** Works or phases that only one of the two has, or of another number of packets. */
  missing: string[];
}

function namesOf(works: CountsByWork): Set<string> {
  return new Set(
    Object.entries(works).flatMap(([work, phases]) =>
      Object.entries(phases).map(([phase, { packets }]) => `${work}: ${phase} of ${packets} packets`),
    ),
  );
}

export function compareCounts(before: CountsByWork, after: CountsByWork): Comparison {
  const changes = changesOf(before, after);
  const [old, now] = [namesOf(before), namesOf(after)];
  return {
    worse: changes.filter((change) => change.after > change.before),
    better: changes.filter((change) => change.after < change.before),
    missing: [...old].filter((name) => !now.has(name)).concat([...now].filter((name) => !old.has(name))),
  };
}

/**
 * The file after an update. An accepted rise stays listed until its counter is no more than before the rise.
 * @param because why the rises of `worse` are accepted
 */
export function updatedCounts(
  old: CountsFile | undefined,
  works: CountsByWork,
  because: string | undefined,
): CountsFile {
  const { worse } = compareCounts(old?.works ?? {}, works);
  const risen = worse.map(
    ({ counter, before, after }): AcceptedRise => ({ counter, before, after, because: because ?? '' }),
  );
  const kept = (old?.accepted ?? []).flatMap((rise): AcceptedRise[] => {
    const now = countOf(works, rise.counter);
    return now <= rise.before || risen.some(({ counter }) => counter === rise.counter) ? [] : [{ ...rise, after: now }];
  });
  return { format: FORMAT, accepted: [...kept, ...risen], works };
}

function countOf(works: CountsByWork, counter: string): number {
  for (const [work, phases] of Object.entries(works)) {
    for (const [phase, { counts }] of Object.entries(phases)) {
      const start = `${work}: ${phase}: `;
      if (counter.startsWith(start)) {
        return counts[counter.slice(start.length)] ?? 0;
      }
    }
  }
  return 0;
}

/** A line for each counter, so that a diff names what has changed. */
export function countsText({ format, accepted: rises, works }: CountsFile): string {
  const rows = (entries: string[], indent: string) =>
    entries.length === 0 ? '' : `\n${entries.map((each) => `${indent}  ${each}`).join(',\n')}\n${indent}`;
  const gate = (counts: Record<string, number>) =>
    `{${rows(
      Object.entries(counts).map(([name, each]) => `${JSON.stringify(name)}: ${each}`),
      '      ',
    )}}`;
  const phase = ([name, { packets, counts }]: [string, { packets: number; counts: Record<string, number> }]) =>
    `${JSON.stringify(name)}: { "packets": ${packets}, "counts": ${gate(counts)} }`;
  const all = Object.entries(works).map(
    ([work, phases]) => `${JSON.stringify(work)}: {${rows(Object.entries(phases).map(phase), '    ')}}`,
  );
  return `{
  "format": ${JSON.stringify(format)},
  "accepted": [${rows(
    rises.map((rise) => JSON.stringify(rise)),
    '  ',
  )}],
  "works": {${rows(all, '  ')}}
}
`;
}
