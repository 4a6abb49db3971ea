/** Files of verdicts: reading, merging shards, and the history. */

import { existsSync, readFileSync } from 'node:fs';
import { readTextFile } from '../../../src/host/input-file.ts';
import { UsageError } from '../../../src/core/errors.ts';
import type { MachineFingerprint } from '../../machine/machine.ts';
import type { RawPair } from '../samples/cases.ts';
import { entryFault, resultFault } from './result-fields.ts';
import type { Families } from '../verdict/pairs.ts';
import { isOfOneState } from '../projects/project-pairs.ts';
import { conclude, type RegressResult } from '../run.ts';
import type { Verdict } from '../verdict/verdict.ts';

/** @throws UsageError */
export function readResult(file: string): RegressResult {
  return resultIn(readTextFile(file), file);
}

/** The verdict in the text of a file. @throws UsageError */
export function resultIn(text: string, file: string): RegressResult {
  let result: RegressResult;
  try {
    result = JSON.parse(text) as RegressResult;
  } catch (error) {
    throw new UsageError(`cannot read ${file}: ${(error as Error).message}`);
  }
  const fault = resultFault(result);
  if (fault !== undefined) {
    throw new UsageError(`${file} is not a verdict: ${fault}. Write one with ct-bucket regress --json`);
  }
  return { ...result, pairs: result.pairs.filter(isOfBoth) };
}

/** Older files also have pairs of A and A. */
function isOfBoth(pair: RawPair & { phase?: string }): boolean {
  return pair.phase !== 'same';
}

/** Times are comparable only between equal fingerprints. */
export function fingerprintOf({ cpu, cores, node }: MachineFingerprint): string {
  return `${cpu}, ${cores} cores, Node ${node}`;
}

/**
 * Merges the verdicts of several shards into one on all their cases. A pair never mixes samples of two machines. So each case
 * comes from one machine, but the shards may come from several.
 * @throws UsageError if the shards are not parts of one comparison
 */
export function mergeResults(results: readonly RegressResult[]): RegressResult {
  const [first, ...others] = results;
  if (first === undefined) {
    throw new UsageError('merge needs at least one file of a verdict');
  }
  const idOf = ({ base, head }: RegressResult) => `${base.commit ?? base.label} ${head.commit ?? head.label}`;
  for (const other of others) {
    if (idOf(other) !== idOf(first)) {
      throw new UsageError(`not of the same builds: ${idOf(first)} and ${idOf(other)}`);
    }
  }
  const seen = new Map<string, string>();
  for (const result of results) {
    const machine = fingerprintOf(result.machine);
    for (const { name } of result.config.cases) {
      const before = seen.get(name);
      if (before !== undefined) {
        throw new UsageError(
          before === machine
            ? `case ${name} is in two of the files`
            : `case ${name} comes from two machines, which are not to be mixed: ${before}; ${machine}`,
        );
      }
      seen.set(name, machine);
    }
  }
  /* Renumber the rounds, since rounds of different shards are unrelated. */
  let rounds = 0;
  const pairs = results.flatMap((result) => {
    const from = rounds;
    rounds += Math.max(0, ...result.pairs.map(({ round }) => round + 1));
    return result.pairs.map((pair) => ({ ...pair, round: pair.round + from }));
  });
  const config = { ...first.config, cases: results.flatMap((result) => result.config.cases) };
  const whole = { ...first };
  delete whole.shard;
  /* Each shard has divided the tolerated errors by the number of shards, so their parts add up to the whole. */
  const allCounters = results.flatMap(({ counters }) => counters ?? []);
  const allCauses = results.flatMap(({ causes }) => causes ?? []);
  const decisions = {
    ...(allCounters.length === 0
      ? {}
      : {
          counters: {
            cases: allCounters.flatMap(({ cases }) => cases),
            tookSeconds: allCounters.reduce((sum, { tookSeconds }) => sum + tookSeconds, 0),
          },
        }),
    ...(first.accepted === undefined ? {} : { accepted: first.accepted }),
    ...(allCauses.length === 0 ? {} : { causes: allCauses }),
  };
  const families: Families = Object.assign({}, ...results.map((result) => result.families ?? {}));
  const concluded = conclude(config, pairs, families, decisions);
  return {
    ...whole,
    config,
    pairs,
    families,
    methods: Object.assign({}, ...results.map(({ methods }) => methods ?? {})),
    ...decisions,
    ...concluded,
    missing: [...new Set([...concluded.missing, ...results.flatMap(({ missing }) => missing.filter(isOfOneState))])],
    tookSeconds: results.reduce((sum, { tookSeconds }) => sum + tookSeconds, 0),
  };
}

/** A line of the history: medians of the head's times by case and result. */
export interface HistoryEntry {
  time: string;
  commit: string;
  machine: string;
  verdict: Verdict;
  /** The machine's state (machine-states.ts). Older entries have none. */
  state?: { memoryNs?: number; doubts?: string[] };
  /** Median in ms by "case, result". */
  timesMs: Record<string, number>;
}

export function historyEntryOf(result: RegressResult): HistoryEntry {
  const times = new Map<string, number[]>();
  for (const { case: name, b } of result.pairs) {
    for (const [what, ms] of Object.entries(b.timesMs)) {
      const key = `${name}, ${what}`;
      times.set(key, [...(times.get(key) ?? []), ms]);
    }
  }
  const middle = (values: number[]) => values.toSorted((a, b) => a - b)[values.length >> 1]!;
  return {
    time: result.time,
    commit: result.head.commit ?? result.head.label,
    machine: fingerprintOf(result.machine) + methodOf(result),
    verdict: result.verdict,
    timesMs: Object.fromEntries([...times].map(([key, values]) => [key, middle(values)])),
  };
}

/** Times in slices are not comparable with times in processes: they are another machine's, as it were. */
function methodOf({ methods = {} }: RegressResult): string {
  return Object.values(methods).some(({ name }) => name === 'slices') ? ', in slices' : '';
}

/** @throws UsageError that names the line */
export function readHistory(file: string): HistoryEntry[] {
  if (!existsSync(file)) {
    throw new UsageError(`there is no file ${file}`);
  }
  return readFileSync(file, 'utf8')
    .split('\n')
    .flatMap((line, index): HistoryEntry[] => {
      if (line.trim() === '') {
        return [];
      }
      let entry: unknown;
      let fault: string | undefined;
      try {
        entry = JSON.parse(line);
        fault = entryFault(entry);
      } catch {
        fault = 'it is not JSON';
      }
      if (fault !== undefined) {
        throw new UsageError(`${file}: line ${index + 1} is not an entry of a history: ${fault}`);
      }
      return [entry as HistoryEntry];
    });
}
