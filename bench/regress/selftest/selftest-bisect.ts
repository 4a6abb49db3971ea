/** `regress selftest --bisections`: how often `regress bisect` names the commit that was made slow, and how long it takes. */

import { join } from 'node:path';
import { LineLog } from '../../../src/host/line-log.ts';
import { temporaryFolder } from '../../../src/host/cleanup.ts';
import { doubtText } from '../../machine/probe-text.ts';
import { watched, type WatchOptions } from '../../machine/watch.ts';
import { showProgress } from '../../samples/samples.ts';
import type { BisectSubject } from '../bisect/bisect-range.ts';
import { runBisect } from '../bisect/bisect-run.ts';
import type { Patch } from '../../studies/variants.ts';
import { plantHistory } from './planted-commits.ts';
import { BISECTION_SECONDS, type BisectionLine, reportBisections } from './selftest-report.ts';

export interface BisectionsOptions extends WatchOptions {
  /** A folder inside the repository. */
  repository: string;
  /** Slowdowns in percent, searched in turn. */
  slowdowns: readonly number[];
  /** Number of searches for each slowdown. */
  bisections: number;
  /** Number of commits of each. One of them is slow. */
  commits: number;
  /** File of JSON lines, one for each search. */
  out: string;
  /** Lines of an earlier run, which are not searched again. */
  before: readonly BisectionLine[];
  /** The plant for a slowdown, as patches of sources. */
  patchesOf(slowdownPercent: number): readonly Patch[];
  /** How commits of a clone are built and measured. @param cache folder for its builds */
  subjectOf(clone: string, cache: string): BisectSubject;
  say: (line: string) => void;
}

async function searchOnce(options: BisectionsOptions, bisection: number, slowdownPercent: number) {
  const { repository, commits, patchesOf, subjectOf, say, waitQuiet } = options;
  const seed = bisection * 100_000 + slowdownPercent;
  showProgress(`making ${commits} commits`);
  const history = plantHistory({ repository, commits, patches: patchesOf(slowdownPercent), seed });
  const { path: scratch, remove } = temporaryFolder('ct-bucket-planted-builds-');
  try {
    const { machine, ...result } = await watched({ waitQuiet }, () =>
      runBisect({
        good: history.good,
        bad: history.bad,
        folder: history.folder,
        subject: subjectOf(history.folder, join(scratch, 'cache')),
        seconds: BISECTION_SECONDS,
        seed,
        say: (line) => say(`  ${line}`),
      }),
    );
    const { outcome, answer, figures, changes, builds, buildSeconds, tookSeconds } = result;
    const found = answer?.found?.id;
    const first = Math.max(0, ...figures.map(({ pairs }) => pairs));
    const line: BisectionLine = {
      bisection,
      slowdownPercent,
      commits,
      changes,
      place: history.place,
      planted: history.planted,
      outcome,
      ...(found === undefined ? {} : { found }),
      isRight: found === history.planted,
      tookSeconds: Number(tookSeconds.toFixed(1)),
      buildSeconds: Number(buildSeconds.toFixed(1)),
      builds,
      pairs: first + (answer?.pairs ?? 0),
      ...(answer?.change === undefined ? {} : { changePercent: Number(answer.change.changePercent.toFixed(2)) }),
      ...(answer?.why === undefined ? {} : { why: answer.why }),
    };
    return { line, machine };
  } finally {
    remove();
    history.remove();
  }
}

/** @returns whether enough searches were right, and none took too long */
export async function runBisections(options: BisectionsOptions): Promise<boolean> {
  const { slowdowns, bisections, out, before, say } = options;
  const lines = [...before];
  const log = new LineLog(out);
  try {
    for (let bisection = 0; bisection < bisections; bisection++) {
      for (const slowdownPercent of slowdowns) {
        if (before.some((line) => line.bisection === bisection && line.slowdownPercent === slowdownPercent)) {
          continue;
        }
        const { line, machine } = await searchOnce(options, bisection, slowdownPercent);
        log.add(JSON.stringify({ ...line, machine }));
        lines.push(line);
        say(lineText(line));
        const doubt = doubtText(machine);
        if (doubt !== undefined) {
          say(doubt);
        }
      }
    }
  } finally {
    log.close();
  }
  return reportBisections(lines);
}

function lineText({ bisection, slowdownPercent, place, isRight, outcome, tookSeconds, builds, pairs }: BisectionLine) {
  const answer = isRight ? 'right' : outcome === 'found' ? 'WRONG' : outcome;
  const cost = `${tookSeconds.toFixed(0)} s, ${builds} builds, ${pairs} pairs`;
  return `${slowdownPercent} % slower, bisection ${bisection + 1}, slow commit ${place}: ${answer} (${cost})`;
}
