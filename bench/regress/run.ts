/** One verdict from beginning to end: finds two builds, takes pairs, judges them. */

import { machineFingerprint, type MachineFingerprint } from '../machine/machine.ts';
import { showProgress } from '../samples/samples.ts';
import { type AcceptedSlowdown, type Applicable, markCounters, markFigures } from './verdict/accepted.ts';
import { CAUSES_LIMIT_MS, causesOf, type CaseCauses } from './causes/causes.ts';
import { findBuild, type Build } from './builds/builds.ts';
import type { RawPair } from './samples/cases.ts';
import type { RegressConfig } from './config.ts';
import type { CounterFindings } from './counters/counter-findings.ts';
import { CounterGate } from './counters/counter-gate.ts';
import type { CounterMode } from './counters/counter-modes.ts';
import { chooseMethods, type Method, type Methods } from './samples/methods.ts';
import { missingGates, pairsByFigure, takePairs, type Families } from './verdict/pairs.ts';
import type { Shard } from './shard.ts';
import { judge, overallVerdict, type FigureVerdict, type Verdict } from './verdict/verdict.ts';

/** The file that `regress --json` writes. It holds everything that is needed to compute the verdict again. */
export interface RegressResult {
  format: 'ct-bucket regress';
  base: { label: string; commit?: string };
  head: { label: string; commit?: string };
  machine: MachineFingerprint;
  /** Start time, ISO 8601. */
  time: string;
  seed: number;
  config: RegressConfig;
  shard?: string;
  pairs: RawPair[];
  /** By case: the number of figures that share the tolerated errors. Older files have none: their own figures do. */
  families?: Families;
  /** By case: how it was measured. Older files have none: all in fresh processes. */
  methods?: Record<string, Method>;
  /** What the exact counters say. Older files have none. */
  counters?: CounterFindings;
  /** Accepted slowdowns that hold for this comparison. */
  accepted?: AcceptedSlowdown[];
  /** A line for each accepted slowdown that does not hold. */
  acceptedNotes?: string[];
  verdict: Verdict;
  figures: FigureVerdict[];
  /** What moved in the cases that regressed. */
  causes?: CaseCauses[];
  /** Gates that could not be judged. */
  missing: string[];
  tookSeconds: number;
  /** The file that has the cases of another project, from the root of its repository. */
  source?: string;
}

/** What is compared: the name that the user gave, and the commit if it is one. */
export type State = Pick<Build, 'label' | 'commit'>;

export interface RunOptions {
  base: Build;
  head: Build;
  config: RegressConfig;
  seed: number;
  shard?: Shard;
  /** Which counters come before the pairs. Default: none */
  counters?: CounterMode;
  accepted?: Applicable;
  /** Whether the cause of a regression is looked for, if there are counters. Default: true */
  findsCauses?: boolean;
  /** Gets a line about the findings so far. */
  say: (line: string) => void;
}

/** @throws UsageError, SampleError */
export async function runRegress(options: RunOptions): Promise<RegressResult> {
  const { base, head, config, counters = 'none', accepted, findsCauses = true, say } = options;
  const startMs = Date.now();
  const gate = new CounterGate(base, head, config, counters, accepted?.entries ?? []);
  if (await gate.compareCode()) {
    return resultOf(options, startMs, { pairs: [], counters: gate.findings });
  }
  const result = await measureWith(await chooseMethods(base, head, config), { ...options, gate, startMs });
  if (result.verdict !== 'regressed' || counters === 'none' || !findsCauses) {
    return result;
  }
  say(
    `regressed, after ${result.tookSeconds.toFixed(0)} s. Looking for the cause: at most ${CAUSES_LIMIT_MS / 1000} s`,
  );
  return { ...result, causes: await causesOf(base, head, config, result) };
}

interface MeasureOptions extends Omit<RunOptions, 'base' | 'head' | 'counters'> {
  base: State;
  head: State;
  /** It counts after the first look at the pairs. */
  gate?: CounterGate;
  /** When the verdict began, by Date.now. Default: now */
  startMs?: number;
}

/** Takes pairs by these methods and judges them. @throws SampleError */
export async function measureWith(methods: Methods, options: MeasureOptions): Promise<RegressResult> {
  const { config, seed, shard, say, gate, accepted, startMs = Date.now() } = options;
  linesOfMethods(methods.byCase).forEach(say);
  const { pairs, families } = await takePairs({
    config: { ...config, budgetSeconds: Math.max(0, config.budgetSeconds - (Date.now() - startMs) / 1000) },
    sample: methods.sample,
    seed,
    ...(shard === undefined ? {} : { shards: shard.of }),
    ...(gate === undefined ? {} : { afterFirstLook: (spareMs, slowestFirst) => gate.count(spareMs, slowestFirst) }),
    accepted: accepted?.entries ?? [],
    onProgress: showProgress,
  }).finally(methods.remove);
  showProgress('');
  const counters = gate === undefined || gate.findings.cases.length === 0 ? {} : { counters: gate.findings };
  return resultOf(options, startMs, { pairs, families, methods: methods.byCase, ...counters });
}

type Measured = Pick<RegressResult, 'pairs' | 'families' | 'methods' | 'counters'>;

function resultOf(options: MeasureOptions, startMs: number, measured: Measured): RegressResult {
  const { base, head, config, seed, shard, accepted = { entries: [], notes: [] } } = options;
  const named = ({ label, commit }: State) => ({ label, ...(commit === undefined ? {} : { commit }) });
  const decisions = {
    ...(measured.counters === undefined ? {} : { counters: measured.counters }),
    ...(accepted.entries.length === 0 ? {} : { accepted: accepted.entries }),
  };
  return {
    format: 'ct-bucket regress',
    base: named(base),
    head: named(head),
    machine: machineFingerprint(),
    time: new Date(startMs).toISOString(),
    seed,
    config,
    ...(shard === undefined ? {} : { shard: `${shard.number}/${shard.of}` }),
    ...measured,
    ...(accepted.notes.length === 0 ? {} : { acceptedNotes: accepted.notes }),
    ...decisions,
    ...conclude(config, measured.pairs, measured.families, decisions),
    tookSeconds: (Date.now() - startMs) / 1000,
  };
}

/** A line for each reason why cases are not measured in slices. */
export function linesOfMethods(methods: Record<string, Method>): string[] {
  const whys = new Set(Object.values(methods).flatMap(({ why }) => why ?? []));
  return [...whys].map((why) => {
    const names = Object.keys(methods).filter((name) => methods[name]!.why === why);
    return `measured in fresh processes, which takes longer and detects less: ${names.join(', ')} (${why})`;
  });
}

/** What decides beside the pairs. */
type Decisions = Pick<RegressResult, 'counters' | 'accepted'>;

/** Judges the counters and the pairs. A case whose counters decide needs no pairs. */
export function conclude(
  config: RegressConfig,
  pairs: readonly RawPair[],
  families?: Families,
  { counters, accepted = [] }: Decisions = {},
): Pick<RegressResult, 'verdict' | 'figures' | 'missing'> {
  const byFigure = pairsByFigure(config, pairs, families);
  const figures = markFigures(judge(byFigure), accepted);
  const byCounters = counters === undefined ? [] : markCounters(counters, accepted).cases;
  const decided = byCounters.filter(({ verdict }) => verdict !== 'silent');
  const others = { ...config, cases: config.cases.filter(({ name }) => !decided.some((each) => each.case === name)) };
  const verdicts = [
    ...figures.map(({ verdict, accepted: because }) => ({ verdict: because === undefined ? verdict : 'fine' })),
    ...decided,
  ] as { verdict: Verdict }[];
  const isStopped = decided.some(({ verdict }) => verdict === 'regressed');
  return {
    verdict: overallVerdict(verdicts),
    figures,
    missing: isStopped ? [] : missingGates(others, byFigure),
  };
}

export { findBuild };
