/** `regress bisect` from beginning to end: the commits, a verdict on the whole range, and the search. */

import { UsageError } from '../../src/core/errors.ts';
import { showProgress } from '../samples/samples.ts';
import { bisect, nameOf, UnmeasurableError, type BisectAnswer, type Comparison } from './bisect.ts';
import { findBuild, type Build } from './builds.ts';
import { ratiosOfRound, SampleError, type RawPair } from './cases.ts';
import { scalingReference, type RegressConfig } from './config.ts';
import { commitsBetween, repositoryOf, type Commit } from './git.ts';
import { chooseMethods } from './methods.ts';
import { pairsByFigure, takePairs } from './pairs.ts';
import { openProject, type Measured, type ProjectSettings } from './project.ts';
import { treeOf, type Tree } from './project-trees.ts';
import { conclude } from './run.ts';
import type { Figure, FigureVerdict } from './verdict.ts';

/** How commits are built and measured. */
export interface BisectSubject {
  /** Builds a commit, once. @throws UsageError */
  prepare(commit: string): Promise<void>;
  /** Both commits are prepared. @throws UsageError, SampleError */
  open(base: string, head: string): Promise<Measured>;
  remove(): void;
}

export interface BisectRunOptions {
  good: string;
  bad: string;
  subject: BisectSubject;
  /** Time limit of the whole search, with builds. */
  seconds: number;
  seed: number;
  say: (line: string) => void;
}

/** 'not slower': the bad commit is as fast as the good one. 'unclear': the commit is not to be told. */
export type BisectOutcome = 'found' | 'not slower' | 'unclear';

/** The file that `regress bisect --json` writes. */
export interface BisectResult {
  format: 'ct-bucket bisect';
  good: Commit;
  bad: Commit;
  /** Number of commits after the good one, up to the bad one. */
  commits: number;
  outcome: BisectOutcome;
  /** The bad commit against the good one. */
  figures: FigureVerdict[];
  answer?: BisectAnswer;
  seed: number;
  tookSeconds: number;
}

/** ct-bucket itself. */
export function ownSubject(config: RegressConfig, say: (line: string) => void): BisectSubject {
  const builds = new Map<string, Build>();
  return {
    prepare: async (commit) => {
      builds.set(commit, builds.get(commit) ?? (await findBuild(commit, undefined, say)));
    },
    open: async (base, head) => ({
      config,
      methods: await chooseMethods(builds.get(base)!, builds.get(head)!, config),
    }),
    remove: () => {},
  };
}

/** Any other project. */
export function projectSubject(settings: ProjectSettings): BisectSubject {
  const trees = new Map<string, Tree>();
  return {
    prepare: async (commit) => {
      trees.set(commit, trees.get(commit) ?? (await treeOf(commit, settings)));
    },
    open: (base, head) => openProject(trees.get(base)!, trees.get(head)!, settings),
    remove: () => trees.forEach((tree) => tree.remove()),
  };
}

/** @throws UsageError, SampleError */
export async function runBisect({ good, bad, subject, seconds, seed, say }: BisectRunOptions): Promise<BisectResult> {
  const startMs = performance.now();
  const endMs = startMs + seconds * 1000;
  const commits = commitsBetween(good, bad, repositoryOf(process.cwd()));
  const last = commits.length - 1;
  say(`${last} commit${last === 1 ? '' : 's'} after ${nameOf(commits[0])}, up to ${nameOf(commits[last]!)}`);
  const idOf = (commit: number) => commits[commit]!.id;
  try {
    await subject.prepare(idOf(0));
    await subject.prepare(idOf(last));
    const range = await measureRange(await subject.open(idOf(0), idOf(last)), seed);
    const result = (outcome: BisectOutcome, answer?: BisectAnswer): BisectResult => ({
      format: 'ct-bucket bisect',
      good: commits[0],
      bad: commits[last]!,
      commits: last,
      outcome,
      figures: range.figures,
      ...(answer === undefined ? {} : { answer }),
      seed,
      tookSeconds: (performance.now() - startMs) / 1000,
    });
    if (range.verdict !== 'regressed') {
      return result(range.verdict === 'fine' ? 'not slower' : 'unclear');
    }
    const { figure, first } = range;
    say(`the search follows ${figure.case}, ${figure.gate}: ${figure.name}`);
    const answer = await bisect({
      commits,
      figure,
      first,
      seed,
      isOver: () => performance.now() > endMs,
      say: (line) => {
        showProgress('');
        say(line);
      },
      prepare: (commit) => orUnmeasurable(subject.prepare(idOf(commit))),
      compare: async (base, head) => comparisonOf(await orUnmeasurable(subject.open(idOf(base), idOf(head))), figure),
    });
    return result(answer.found === undefined ? 'unclear' : 'found', answer);
  } finally {
    showProgress('');
    subject.remove();
  }
}

interface RangeVerdict {
  verdict: FigureVerdict['verdict'];
  figures: FigureVerdict[];
  /** The figure that regressed most, and its pairs. */
  figure: Figure;
  first: readonly number[];
}

/** The bad commit against the good one, with all cases. */
async function measureRange({ config, methods }: Measured, seed: number): Promise<RangeVerdict> {
  const { pairs, families } = await takePairs({
    config,
    sample: methods.sample,
    seed,
    onProgress: (text) => showProgress(`the bad commit against the good one, ${text}`),
  }).finally(methods.remove);
  showProgress('');
  const { verdict, figures } = conclude(config, pairs, families);
  const worst = figures
    .filter((figure) => figure.verdict === 'regressed')
    .toSorted((a, b) => b.changePercent - a.changePercent)[0];
  const { case: name, gate, name: what, tolerate, alarm } = worst ?? figures[0]!;
  const all = pairsByFigure(config, pairs, families);
  const own = all.find(({ figure }) => figure.case === name && figure.gate === gate && figure.name === what)!;
  return { verdict, figures, figure: { case: name, gate, name: what, tolerate, alarm }, first: own.logRatios };
}

/** A comparison that takes the pairs of one figure. */
function comparisonOf({ config, methods }: Measured, figure: Figure): Comparison {
  const own = config.cases.find(({ name }) => name === figure.case);
  if (own === undefined) {
    methods.remove();
    throw new UnmeasurableError(`it has no case ${figure.case}`);
  }
  const reference = figure.gate === 'scaling' ? scalingReference(config, own) : undefined;
  const cases = reference === undefined ? [own] : [reference, own];
  return {
    pair: async (order) => {
      showProgress(`a pair of ${figure.case}`);
      const round: RawPair[] = [];
      for (const each of cases) {
        const pair = await orUnmeasurable(Promise.resolve(methods.sample(each, order)));
        round.push({ case: each.name, round: 0, order, ...pair });
      }
      const ratio = ratiosOfRound(config, round).find(
        ({ figure: { case: name, gate, name: what } }) =>
          name === figure.case && gate === figure.gate && what === figure.name,
      );
      if (ratio === undefined) {
        throw new UnmeasurableError(`it does not report ${figure.gate}: ${figure.name} of ${figure.case}`);
      }
      return ratio.logRatio;
    },
    remove: () => methods.remove(),
  };
}

/** What fails for one commit need not fail for others. */
async function orUnmeasurable<Value>(value: Promise<Value>): Promise<Value> {
  try {
    return await value;
  } catch (error) {
    if (error instanceof UsageError || error instanceof SampleError) {
      throw new UnmeasurableError(error.message);
    }
    throw error;
  }
}
