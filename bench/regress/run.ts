/** One verdict from beginning to end: finds two builds, takes pairs, judges them. */

import { machineFingerprint, type MachineFingerprint } from '../machine/machine.ts';
import { showProgress } from '../samples/samples.ts';
import { findBuild, type Build } from './builds.ts';
import type { RawPair } from './cases.ts';
import type { RegressConfig } from './config.ts';
import { missingGates, pairsByFigure, takePairs, type Families } from './pairs.ts';
import { commonProgram, inTurn, processSampler } from './process-samples.ts';
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
  verdict: Verdict;
  figures: FigureVerdict[];
  /** Gates that could not be judged. */
  missing: string[];
  tookSeconds: number;
}

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
export async function runRegress({ base, head, config, seed, shard }: RunOptions): Promise<RegressResult> {
  const startMs = Date.now();
  const program = commonProgram(
    base,
    head,
    config.cases.map(({ workload }) => workload),
  );
  const { pairs, families } = await takePairs({
    config,
    sample: inTurn(processSampler(base, head, program)),
    seed,
    ...(shard === undefined ? {} : { shards: shard.of }),
    onProgress: showProgress,
  });
  showProgress('');
  const named = ({ label, commit }: Build) => ({ label, ...(commit === undefined ? {} : { commit }) });
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
    ...conclude(config, pairs, families),
    tookSeconds: (Date.now() - startMs) / 1000,
  };
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
