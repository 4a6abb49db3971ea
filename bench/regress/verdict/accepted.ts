/**
 * Slowdowns that the project has accepted, in a committed file: reviewers see which case, how much, and why. An entry holds until the
 * base of a comparison has it in its own file: from then on the slowdown is in both builds.
 */

import { existsSync } from 'node:fs';
import * as v from 'valibot';
import { UsageError } from '../../../src/core/errors.ts';
import { faultsIn, list, oneOf, onlyObject, positive, text } from '../../../src/host/file-schema.ts';
import { readTextFile } from '../../../src/host/input-file.ts';
import type { CounterFindings } from '../counters/counter-findings.ts';
import type { FigureVerdict, Gate } from './verdict.ts';

export const ACCEPTED_FILE = 'ct-bucket.regress-accepted.json';
const FORMAT = 'ct-bucket accepted slowdowns 1';

const date = v.pipe(v.string('a date like 2026-01-31'), v.regex(/^\d{4}-\d\d-\d\d$/, 'a date like 2026-01-31'));
const reason = v.pipe(v.string('a reason'), v.regex(/\S/, 'a reason'));
const slowdown = onlyObject({
  case: text,
  gate: oneOf('time', 'memory', 'contention', 'scaling'),
  /** The head's figure / the base's. */
  ratio: positive,
  base: text,
  head: text,
  date,
  because: reason,
});
const file = onlyObject({ format: v.literal(FORMAT, `"${FORMAT}"`), accepted: list(slowdown) });

export interface AcceptedSlowdown {
  case: string;
  gate: Gate;
  ratio: number;
  /** Commits, or folders as they were named. */
  base: string;
  head: string;
  date: string;
  because: string;
}

/** The entries in a file's text. @throws UsageError that names every error */
export function parseAccepted(content: string, name: string): AcceptedSlowdown[] {
  let value: unknown;
  try {
    value = JSON.parse(content);
  } catch (error) {
    throw new UsageError(`${name} is not JSON (${(error as Error).message}): solve a conflict in it line by line`);
  }
  const checked = v.safeParse(file, value, { abortPipeEarly: true });
  if (!checked.success) {
    throw new UsageError(`${name}: ${faultsIn(checked.issues).join('; ')}`);
  }
  return checked.output.accepted as AcceptedSlowdown[];
}

/** The entries of the file at `path`; none if there is no file. @throws UsageError */
export function readAccepted(path: string): AcceptedSlowdown[] {
  return existsSync(path) ? parseAccepted(readTextFile(path), path) : [];
}

function keyOf({ case: name, gate, base }: AcceptedSlowdown): string {
  return `${name}\0${gate}\0${base}`;
}

/** The text of the file: sorted, and one entry a line, so that two branches that add entries seldom conflict. */
export function acceptedText(entries: readonly AcceptedSlowdown[]): string {
  const lines = entries
    .toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
    .map(({ case: name, gate, ratio, base, head, date: day, because }) =>
      JSON.stringify({ case: name, gate, ratio, base, head, date: day, because }),
    );
  const inside = lines.length === 0 ? '' : `\n    ${lines.join(',\n    ')}\n  `;
  return `{\n  "format": "${FORMAT}",\n  "accepted": [${inside}]\n}\n`;
}

/** The file with further entries. An entry of the same case, gate and base is replaced. */
export function withEntries(
  before: readonly AcceptedSlowdown[],
  more: readonly AcceptedSlowdown[],
): AcceptedSlowdown[] {
  const added = new Set(more.map(keyOf));
  return [...before.filter((entry) => !added.has(keyOf(entry))), ...more];
}

/** What the accepted entries need to know of the comparison. */
export interface Lineage {
  /** All cases of the configuration. */
  cases: readonly string[];
  /** The entries in the base's own file. */
  ofBase: readonly AcceptedSlowdown[];
  /** Whether this commit or folder is the base, or lies in the history of the head. undefined: it is not known here */
  isBeforeHead(commit: string): boolean | undefined;
}

export interface Applicable {
  entries: AcceptedSlowdown[];
  /** A line for each entry that does not hold. */
  notes: string[];
}

/** The entries that hold for a comparison. */
export function applicableEntries(entries: readonly AcceptedSlowdown[], lineage: Lineage): Applicable {
  const before = new Set(lineage.ofBase.map((entry) => JSON.stringify(entry)));
  const notes: string[] = [];
  const holding = entries.filter((entry) => {
    const { case: name, gate, base } = entry;
    const isBefore = lineage.isBeforeHead(base);
    const why = !lineage.cases.includes(name)
      ? 'unknown: the configuration has no such case'
      : before.has(JSON.stringify(entry))
        ? 'expired: the base contains this slowdown already; remove the line'
        : isBefore === undefined
          ? `unknown: this repository has no commit ${base.slice(0, 10)}`
          : isBefore
            ? undefined
            : `unknown: ${base.slice(0, 10)} is not in the history of the head`;
    if (why !== undefined) {
      notes.push(`accepted slowdown of ${name}, ${gate}: ${why}`);
    }
    return why === undefined;
  });
  return { entries: holding, notes };
}

/** The entry that covers a change, with what is tolerated beside it. undefined: none does */
export function coveringEntry(
  { case: name, gate, changePercent, tolerate }: Pick<FigureVerdict, 'case' | 'gate' | 'changePercent' | 'tolerate'>,
  entries: readonly AcceptedSlowdown[],
): AcceptedSlowdown | undefined {
  return entries.find(
    (entry) => entry.case === name && entry.gate === gate && changePercent <= (entry.ratio - 1) * 100 + tolerate,
  );
}

/** Marks the regressions that are accepted. */
export function markFigures(figures: readonly FigureVerdict[], entries: readonly AcceptedSlowdown[]): FigureVerdict[] {
  return figures.map((figure) => {
    const entry = figure.verdict === 'regressed' ? coveringEntry(figure, entries) : undefined;
    return entry === undefined ? figure : { ...figure, accepted: entry.because };
  });
}

/** Marks the cases whose counters became worse no further than accepted. Time decides on them. */
export function markCounters(findings: CounterFindings, entries: readonly AcceptedSlowdown[]): CounterFindings {
  const cases = findings.cases.map((each) => {
    const worse = each.phases.filter(({ isWorse }) => isWorse);
    const found = worse.map(({ risePercent, fallPercent, limitPercent }) =>
      coveringEntry(
        { case: each.case, gate: 'time', changePercent: risePercent - fallPercent, tolerate: limitPercent },
        entries,
      ),
    );
    const isCovered = each.verdict === 'regressed' && found.every((entry) => entry !== undefined);
    return isCovered ? { ...each, verdict: 'silent' as const, accepted: found[0]!.because } : each;
  });
  return { ...findings, cases };
}

/** The part of a verdict that can be accepted. */
export interface AcceptableVerdict {
  base: { label: string; commit?: string };
  head: { label: string; commit?: string };
  config: { cases: readonly { name: string }[] };
  figures: readonly FigureVerdict[];
  counters?: CounterFindings;
}

/** The percent of each gate of a case that regressed: the largest of its figures. */
function slowdownsOf({ figures, counters }: AcceptableVerdict, name: string): Map<Gate, number> {
  const found = new Map<Gate, number>();
  const add = (gate: Gate, percent: number) => found.set(gate, Math.max(percent, found.get(gate) ?? 0));
  figures
    .filter(({ case: of, verdict }) => of === name && verdict === 'regressed')
    .forEach(({ gate, changePercent }) => add(gate, changePercent));
  (counters?.cases ?? [])
    .filter(({ case: of, verdict }) => of === name && verdict === 'regressed')
    .flatMap(({ phases }) => phases.filter(({ isWorse }) => isWorse))
    .forEach(({ risePercent, fallPercent }) => add('time', risePercent - fallPercent));
  return found;
}

/** The entries that accept what regressed in a case of a verdict. @throws UsageError if the case did not regress */
export function entriesFor(result: AcceptableVerdict, name: string, because: string, day: string): AcceptedSlowdown[] {
  const cases = result.config.cases.map((each) => each.name);
  if (!cases.includes(name)) {
    throw new UsageError(`the verdict has no case ${name}: it has ${cases.join(', ')}`);
  }
  const slowdowns = slowdownsOf(result, name);
  if (slowdowns.size === 0) {
    throw new UsageError(`${name} did not regress in this verdict: there is nothing to accept`);
  }
  const nameOf = ({ commit, label }: AcceptableVerdict['base']) => commit ?? label;
  return [...slowdowns].map(([gate, percent]) => ({
    case: name,
    gate,
    ratio: Number((1 + percent / 100).toFixed(4)),
    base: nameOf(result.base),
    head: nameOf(result.head),
    date: day,
    because,
  }));
}
