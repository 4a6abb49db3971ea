/** One verdict from beginning to end: finds two builds, takes pairs, judges them. */

import { machineFingerprint, type MachineFingerprint } from '../machine/machine.ts';
import { showProgress } from '../samples/samples.ts';
import { findBuild, type Build } from './builds.ts';
import type { RawPair } from './cases.ts';
import type { RegressConfig } from './config.ts';
import { chooseMethods, type Method, type Methods } from './methods.ts';
import { missingGates, pairsByFigure, takePairs, type Families } from './pairs.ts';
import type { Shard } from './shard.ts';
import { judge, overallVerdict, type FigureVerdict, type Verdict } from './verdict.ts';

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
  verdict: Verdict;
  figures: FigureVerdict[];
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
  /** Gets a line about the findings so far. */
  say: (line: string) => void;
}

/** @throws UsageError, SampleError */
export async function runRegress(options: RunOptions): Promise<RegressResult> {
  return measureWith(await chooseMethods(options.base, options.head, options.config), options);
}

/** Takes pairs by these methods and judges them. @throws SampleError */
export async function measureWith(
  methods: Methods,
  { base, head, config, seed, shard, say }: Omit<RunOptions, 'base' | 'head'> & { base: State; head: State },
): Promise<RegressResult> {
  const startMs = Date.now();
  linesOfMethods(methods.byCase).forEach(say);
  /* A gate by exact counters has its place here: it needs no pairs, and time decides only where the counters are silent. */
  const { pairs, families } = await takePairs({
    config,
    sample: methods.sample,
    seed,
    ...(shard === undefined ? {} : { shards: shard.of }),
    onProgress: showProgress,
  }).finally(methods.remove);
  showProgress('');
  const named = ({ label, commit }: State) => ({ label, ...(commit === undefined ? {} : { commit }) });
  return {
    format: 'ct-bucket regress',
    base: named(base),
    head: named(head),
    machine: machineFingerprint(),
    time: new Date(startMs).toISOString(),
    seed,
    config,
    ...(shard === undefined ? {} : { shard: `${shard.number}/${shard.of}` }),
    pairs,
    families,
    methods: methods.byCase,
    ...conclude(config, pairs, families),
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

/** Judges the pairs. */
export function conclude(
  config: RegressConfig,
  pairs: readonly RawPair[],
  families?: Families,
): Pick<RegressResult, 'verdict' | 'figures' | 'missing'> {
  const byFigure = pairsByFigure(config, pairs, families);
  const figures = judge(byFigure);
  return { verdict: overallVerdict(figures), figures, missing: missingGates(config, byFigure) };
}

export { findBuild };
