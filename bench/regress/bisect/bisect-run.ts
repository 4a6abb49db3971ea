/** `regress bisect` from beginning to end: the commits, a verdict on the whole range, and the search. */

import { UsageError } from '../../../src/core/errors.ts';
import { type MachineFingerprint, machineFingerprint } from '../../machine/machine.ts';
import { showProgress } from '../../samples/samples.ts';
import { bisect, nameOf, UnmeasurableError, type BisectAnswer, type Comparison } from './bisect.ts';
import { type BuildPlaces, defaultPlaces, findBuild, type Build, SOURCES } from '../builds/builds.ts';
import { ratiosOfRound, SampleError, type RawPair } from '../samples/cases.ts';
import { type BisectSubject, Range } from './bisect-range.ts';
import { codesOf } from '../builds/commit-code.ts';
import { scalingReference, type RegressConfig } from '../config.ts';
import { type Commit, commitsBetween, repositoryOf, treeIdOf, uncommittedNote } from '../builds/git.ts';
import { chooseMethods } from '../samples/methods.ts';
import { pairsByFigure, takePairs } from '../verdict/pairs.ts';
import { openProject, type Measured, type ProjectSettings } from '../projects/project.ts';
import { treeOf, type Tree } from '../projects/project-trees.ts';
import { conclude } from '../run.ts';
import { codeOfBuild } from '../builds/same-code.ts';
import type { Figure, FigureVerdict } from '../verdict/verdict.ts';

/** What to do about uncommitted changes. */
const ADVICE = 'commit them first';

export interface BisectRunOptions {
  good: string;
  bad: string;
  /** A folder inside the repository. Default: the current one */
  folder?: string;
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
  /** How many of them have another code than the commit before. */
  changes: number;
  /** Number of commits that were built, or taken from the cache, and the time for them. */
  builds: number;
  buildSeconds: number;
  outcome: BisectOutcome;
  /** The bad commit against the good one. */
  figures: FigureVerdict[];
  answer?: BisectAnswer;
  machine: MachineFingerprint;
  seed: number;
  tookSeconds: number;
}

/** ct-bucket itself. */
export function ownSubject(
  config: RegressConfig,
  say: (line: string) => void,
  places: BuildPlaces = defaultPlaces(),
): BisectSubject {
  const builds = new Map<string, Build>();
  return {
    uncommittedNote: (commit, repository) => uncommittedNote([commit], repository, SOURCES, 'normal', ADVICE),
    codesOf,
    /* All at once: nothing is measured meanwhile. */
    prepare: async (commits) => {
      const found = await Promise.all(commits.map(async (each) => builds.get(each) ?? findBuild(each, places, say)));
      commits.forEach((each, i) => builds.set(each, found[i]!));
    },
    compiledCodeOf: (commit) => codeOfBuild(builds.get(commit)!),
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
    uncommittedNote: (commit, repository) => uncommittedNote([commit], repository, ['.'], 'no', ADVICE),
    /* What the benchmarks read is not known: commits are the same if all their files are. */
    codesOf: async (commits, repository) => commits.map(({ id }) => treeIdOf(id, repository)),
    /* One after the other: two --prepare could disturb each other. */
    prepare: async (commits) => {
      for (const commit of commits) {
        trees.set(commit, trees.get(commit) ?? (await treeOf(commit, settings)));
      }
    },
    open: (base, head) => openProject(trees.get(base)!, trees.get(head)!, settings),
    remove: () => trees.forEach((tree) => tree.remove()),
  };
}

/** @throws UsageError, SampleError */
export async function runBisect(options: BisectRunOptions): Promise<BisectResult> {
  const { good, bad, folder = process.cwd(), subject, seed, say } = options;
  const startMs = performance.now();
  const repository = repositoryOf(folder);
  const commits = commitsBetween(good, bad, repository);
  const count = commits.length - 1;
  say(`${count} commit${count === 1 ? '' : 's'} after ${nameOf(commits[0])}, up to ${nameOf(commits[count]!)}`);
  const note = subject.uncommittedNote?.(commits[count]!.id, repository);
  if (note !== undefined) {
    say(note);
  }
  try {
    const range = new Range(commits, await subject.codesOf(commits, repository), subject);
    if (range.last < count) {
      say(`${count - range.last} of them run the same code as the commit before: none of them is to blame`);
    }
    const found = await searchRange(range, options, startMs + options.seconds * 1000);
    return {
      format: 'ct-bucket bisect',
      good: commits[0],
      bad: commits[count]!,
      commits: count,
      changes: range.last,
      builds: range.builds,
      buildSeconds: range.buildMs / 1000,
      ...found,
      machine: machineFingerprint(),
      seed,
      tookSeconds: (performance.now() - startMs) / 1000,
    };
  } finally {
    showProgress('');
    subject.remove();
  }
}

async function searchRange(
  range: Range,
  { seed, say }: BisectRunOptions,
  endMs: number,
): Promise<Pick<BisectResult, 'outcome' | 'figures' | 'answer'>> {
  const { last } = range;
  if (range.isSameCode(0, last)) {
    return { outcome: 'not slower', figures: [] };
  }
  await range.prepare(0, last);
  const { verdict, figures, figure, first } = await measureRange(await range.open(0, last), seed);
  if (verdict !== 'regressed') {
    return { outcome: verdict === 'fine' ? 'not slower' : 'unclear', figures };
  }
  say(`the search follows ${figure.case}, ${figure.gate}: ${figure.name}`);
  const answer = await bisect({
    commits: range.changes,
    figure,
    first,
    seed,
    isOver: () => performance.now() > endMs,
    say: (line) => {
      showProgress('');
      say(line);
    },
    prepare: (commit) => orUnmeasurable(range.prepare(commit)),
    codeOf: (commit) => range.codeOf(commit),
    compare: async (base, head) => comparisonOf(await orUnmeasurable(range.open(base, head)), figure),
  });
  return { outcome: answer.found === undefined ? 'unclear' : 'found', figures, answer };
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
