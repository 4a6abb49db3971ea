/** The committed file of counts: read, compared, written. */

import { readFileSync } from 'node:fs';
import * as v from 'valibot';
import { UsageError } from '../../src/core/errors.ts';
import { type Change, changesOf, type Counted, type CountsByWork } from './gate.ts';

const FORMAT = 'ct-bucket counts 1';

const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const counted = v.strictObject({
  packets: count,
  counts: v.record(v.string(), count),
  instructions: v.exactOptional(v.record(v.string(), v.number())),
});
const accepted = v.strictObject({ counter: v.string(), before: v.number(), after: v.number(), because: v.string() });
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
    const now = countOf(works, rise);
    return now <= rise.before || risen.some(({ counter }) => counter === rise.counter) ? [] : [{ ...rise, after: now }];
  });
  return { format: FORMAT, accepted: [...kept, ...risen], works: withOldInstructions(old?.works ?? {}, works) };
}

/** Keeps instructions that were not counted this time: those of another Node, or all. */
function withOldInstructions(old: CountsByWork, works: CountsByWork): CountsByWork {
  const phasesOf = (work: string, phases: Record<string, Counted>) =>
    Object.entries(phases).map(([phase, now]): [string, Counted] => {
      const instructions = { ...old[work]?.[phase]?.instructions, ...now.instructions };
      return [phase, Object.keys(instructions).length === 0 ? now : { ...now, instructions }];
    });
  return Object.fromEntries(
    Object.entries(works).map(([work, phases]) => [work, Object.fromEntries(phasesOf(work, phases))]),
  );
}

/** The present value of a counter that had risen. Instructions that were not counted this time are as after the rise. */
function countOf(works: CountsByWork, { counter, after }: AcceptedRise): number {
  for (const [work, phases] of Object.entries(works)) {
    for (const [phase, { counts, instructions }] of Object.entries(phases)) {
      const start = `${work}: ${phase}: `;
      if (counter.startsWith(start)) {
        const name = counter.slice(start.length);
        const node = /^instructions, Node (\d+)$/.exec(name)?.[1];
        return node === undefined ? (counts[name] ?? 0) : (instructions?.[node] ?? after);
      }
    }
  }
  return 0;
}
