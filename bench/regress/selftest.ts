/**
 * `regress selftest`: how reliable the verdicts are. It builds known slowdowns into the packet path, takes verdicts, and counts
 * the detections. Every verdict is written at once, so that a test can be continued later.
 */

import { existsSync, readFileSync } from 'node:fs';
import Table from 'cli-table3';
import { UsageError } from '../../src/core/errors.ts';
import { LineLog } from '../../src/host/line-log.ts';
import { doubtText } from '../machine/probe-text.ts';
import { watched, type WatchOptions } from '../machine/watch.ts';
import { showProgress } from '../samples/samples.ts';
import { median } from '../statistics/statistics.ts';
import { buildVariant, type Variant } from '../studies/variants.ts';
import type { CaseSample } from './cases.ts';
import { chooseMethods } from './methods.ts';
import type { CounterMode } from './counter-modes.ts';
import { HELD_SITE, plantPatches } from './plants.ts';
import type { Plant } from './plant-names.ts';
import type { RegressConfig } from './config.ts';
import { runRegress } from './run.ts';
import type { Verdict } from './verdict.ts';

export interface SelftestOptions extends WatchOptions {
  config: RegressConfig;
  /** Slowdowns in percent, measured in turn. */
  slowdowns: readonly number[];
  /** Number of verdicts for each slowdown. */
  verdicts: number;
  /** File of JSON lines, one for each verdict. */
  out: string;
  resume: boolean;
  /** What makes the head slower. */
  plant: Plant;
  counters: CounterMode;
  say: (line: string) => void;
}

interface SelftestLine {
  slowdownPercent: number;
  run: number;
  verdict: Verdict;
  /** Measured change of each time figure. */
  changePercent: number[];
  /** Without a figure if there were too few pairs. */
  smallestEffectPercent: number[];
  tookSeconds: number;
  /** Whether the causes name the site of a planted hold. */
  namesSite?: boolean;
}

interface Requirement {
  text: string;
  isMet(share: (verdict: Verdict) => number, longestSeconds: number): boolean;
}

/** What verdicts on a slowdown must be, by the slowdown in percent. Shares are of all verdicts on it. */
const REQUIRED: Record<number, Requirement> = {
  0: {
    text: 'no regression, 90 % fine',
    isMet: (share) => share('regressed') === 0 && share('fine') >= 0.9,
  },
  3: { text: '80 % regressed', isMet: (share) => share('regressed') >= 0.8 },
  5: { text: '95 % regressed', isMet: (share) => share('regressed') >= 0.95 },
  10: { text: 'all regressed', isMet: (share) => share('regressed') === 1 },
  900: {
    text: 'all regressed, within 10 s',
    isMet: (share, longestSeconds) => share('regressed') === 1 && longestSeconds <= 10,
  },
};

/** About as long as the packets take, so that noise is small in comparison. */
const PROBE_STEPS = 2000;
const PROBES = 5;

function sumOfTimes({ timesMs }: CaseSample): number {
  return Object.values(timesMs).reduce((sum, ms) => sum + ms, 0);
}

/** Measures the steps of idle work in a batch that lengthen the times of the first case by one percent. */
async function calibrate(config: RegressConfig, base: Variant, plant: Plant): Promise<number> {
  const probe = await buildVariant(plantPatches(plant, PROBE_STEPS));
  try {
    const builds = [base, probe].map(({ dist }, i) => ({ label: i === 0 ? 'base' : 'probe', dist }));
    const methods = await chooseMethods(builds[0]!, builds[1]!, config);
    const ratios: number[] = [];
    for (let i = 0; i < PROBES; i++) {
      showProgress(`how long is a step? probe ${i + 1} of ${PROBES}`);
      const { a, b } = await methods.sample(config.cases[0]!, i % 2 === 0 ? 'ab' : 'ba');
      ratios.push(sumOfTimes(b) / sumOfTimes(a));
    }
    methods.remove();
    return PROBE_STEPS / ((median(ratios) - 1) * 100);
  } finally {
    probe.remove();
  }
}

function readLines(file: string): SelftestLine[] {
  return existsSync(file)
    ? readFileSync(file, 'utf8')
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as SelftestLine)
    : [];
}

/** @returns whether every share is as required, of the verdicts taken so far */
export async function runSelftest(options: SelftestOptions): Promise<boolean> {
  const { config, slowdowns, verdicts, out, resume, say, waitQuiet, plant, counters } = options;
  if (out === '-') {
    throw new UsageError('--out must name a file, not -: --resume reads the verdicts again');
  }
  const before = readLines(out);
  if (before.length > 0 && !resume) {
    throw new UsageError(`${out} has verdicts already: continue with --resume, or choose another file`);
  }
  const log = new LineLog(out);
  const base = await buildVariant([]);
  const stepsPerPercent = await calibrate(config, base, plant);
  say(`one percent equals ${stepsPerPercent.toFixed(1)} steps of idle work per batch`);
  const heads = new Map<number, Variant>();
  for (const percent of slowdowns) {
    showProgress(`building what is ${percent} % slower`);
    const patches = plantPatches(percent === 0 ? 'nothing' : plant, Math.round(stepsPerPercent * percent));
    heads.set(percent, await buildVariant(patches));
  }
  try {
    for (let run = 0; run < verdicts; run++) {
      for (const slowdownPercent of slowdowns) {
        if (before.some((line) => line.run === run && line.slowdownPercent === slowdownPercent)) {
          continue;
        }
        const result = await watched({ waitQuiet }, () =>
          runRegress({
            base: { label: 'base', dist: base.dist },
            head: { label: `${slowdownPercent} % slower`, dist: heads.get(slowdownPercent)!.dist },
            config,
            seed: run * 1000 + slowdownPercent,
            counters,
            say: () => {},
          }),
        );
        const { verdict, figures, tookSeconds, machine, causes = [] } = result;
        const times = figures.filter(({ gate }) => gate === 'time');
        const line: SelftestLine = {
          slowdownPercent,
          run,
          verdict,
          changePercent: times.map(({ changePercent }) => Number(changePercent.toFixed(2))),
          smallestEffectPercent: times.flatMap(({ smallestEffectPercent }) =>
            smallestEffectPercent === null ? [] : [Number(smallestEffectPercent.toFixed(2))],
          ),
          tookSeconds: Number(tookSeconds.toFixed(1)),
          ...(plant === 'lock-hold' && verdict === 'regressed'
            ? { namesSite: causes.some(({ sites }) => sites.some(({ site }) => site === HELD_SITE)) }
            : {}),
        };
        log.add(JSON.stringify({ ...line, machine }));
        say(
          `${slowdownPercent} % slower, verdict ${run + 1}: ${verdict}, measured ${line.changePercent.join(' and ')} %`,
        );
        const doubt = doubtText(machine);
        if (doubt !== undefined) {
          say(doubt);
        }
      }
    }
  } finally {
    log.close();
    for (const head of heads.values()) {
      head.remove();
    }
  }
  return report(readLines(out));
}

/** How many of the regressions name the site of a planted hold. */
function namedText(lines: readonly SelftestLine[]): string {
  const asked = lines.filter(({ namesSite }) => namesSite !== undefined);
  return asked.length === 0 ? '' : `${asked.filter(({ namesSite }) => namesSite).length} of ${asked.length}`;
}

function report(lines: readonly SelftestLine[]): boolean {
  const table = new Table({
    head: [
      'slowdown',
      'verdicts',
      'regressed',
      'inconclusive',
      'fine',
      'required',
      'met',
      'detectable',
      'longest',
      'site named',
    ],
    style: { head: [], border: [] },
  });
  let isRight = true;
  for (const percent of [...new Set(lines.map(({ slowdownPercent }) => slowdownPercent))].toSorted((a, b) => a - b)) {
    const of = lines.filter(({ slowdownPercent }) => slowdownPercent === percent);
    const count = (verdict: Verdict) => of.filter((line) => line.verdict === verdict).length;
    const longestSeconds = Math.max(...of.map(({ tookSeconds }) => tookSeconds));
    const required = REQUIRED[percent];
    const isMet = required?.isMet((verdict) => count(verdict) / of.length, longestSeconds);
    isRight &&= isMet ?? true;
    const detectable = of.flatMap((line) => line.smallestEffectPercent);
    table.push([
      `${percent} %`,
      of.length,
      count('regressed'),
      count('inconclusive'),
      count('fine'),
      required?.text ?? '',
      isMet === undefined ? '' : isMet ? 'yes' : 'NO',
      detectable.length === 0 ? '' : `${median(detectable).toFixed(1)} %`,
      `${longestSeconds.toFixed(0)} s`,
      namedText(of),
    ]);
  }
  console.log(table.toString());
  return isRight;
}
