/**
 * `regress selftest`: how reliable the verdicts are. It builds known slowdowns into the packet path, takes verdicts, and counts
 * the detections. Every verdict is written at once, so that a test can be continued later.
 */

import { existsSync, readFileSync } from 'node:fs';
import { UsageError } from '../../../src/core/errors.ts';
import { LineLog } from '../../../src/host/line-log.ts';
import { doubtText } from '../../machine/probe-text.ts';
import { watched, type WatchOptions } from '../../machine/watch.ts';
import { showProgress } from '../../samples/samples.ts';
import { median } from '../../statistics/statistics.ts';
import { buildVariant, type Patch, type Variant } from '../../studies/variants.ts';
import { ownSubject } from '../bisect/bisect-run.ts';
import type { SamplePair } from '../samples/cases.ts';
import { startBusyProcesses } from './busy-processes.ts';
import { chooseMethods } from '../samples/methods.ts';
import type { CounterMode } from '../counters/counter-modes.ts';
import { buildSources } from './planted-clone.ts';
import { HELD_SITE, isOfSources, plantPatches } from './plants.ts';
import type { Plant } from './plant-names.ts';
import type { RegressConfig } from '../config.ts';
import { runRegress } from '../run.ts';
import { runBisections } from './selftest-bisect.ts';
import { type BisectionLine, reportVerdicts, type SelftestLine } from './selftest-report.ts';

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
  /** Processes that compute beside the verdicts. */
  busy: number;
  say: (line: string) => void;
}

/** About as long as the packets take, so that noise is small in comparison. */
const PROBE_STEPS = 2000;
/** The same for each created connection. Few, since the processor does the first steps beside other work: more would seem longer. */
const PROBE_STEPS_HELD = 20;
const PROBES = 5;

async function buildPlanted(plant: Plant, patches: readonly Patch[]): Promise<Variant> {
  return isOfSources(plant) ? buildSources(patches) : buildVariant(patches);
}

/** The largest slowdown of a time of this pair, as a fraction of the time. */
function largestRise({ a, b }: SamplePair): number {
  return Math.max(...Object.keys(a.timesMs).map((time) => b.timesMs[time]! / a.timesMs[time]! - 1));
}

/**
 * Measures the steps of idle work that lengthen one of the times by one percent, and every other time by less. So a slowdown of 3 % is one
 * of at most 3 % in every figure.
 */
async function calibrate(config: RegressConfig, base: Variant, plant: Plant): Promise<number> {
  const steps = plant === 'lock-hold' ? PROBE_STEPS_HELD : PROBE_STEPS;
  const probe = await buildPlanted(plant, plantPatches(plant, steps));
  try {
    const builds = [base, probe].map(({ dist }, i) => ({ label: i === 0 ? 'base' : 'probe', dist }));
    const methods = await chooseMethods(builds[0]!, builds[1]!, config);
    const rises: number[] = [];
    for (const each of config.cases) {
      const pairs: SamplePair[] = [];
      while (pairs.length < PROBES) {
        showProgress(`how long is a step? ${each.name}, probe ${pairs.length + 1} of ${PROBES}`);
        pairs.push(await methods.sample(each, pairs.length % 2 === 0 ? 'ab' : 'ba'));
      }
      rises.push(median(pairs.map(largestRise)));
    }
    methods.remove();
    return steps / (Math.max(...rises) * 100);
  } finally {
    probe.remove();
  }
}

/** A line of a verdict, or of a search. */
type AnyLine = SelftestLine | BisectionLine;

function readLines<Line extends AnyLine>(file: string, isOfKind: (line: AnyLine) => line is Line): Line[] {
  const texts = existsSync(file) ? readFileSync(file, 'utf8').split('\n') : [];
  const lines = texts.filter((line) => line !== '').map((line) => JSON.parse(line) as AnyLine);
  if (!lines.every(isOfKind)) {
    throw new UsageError(`${file} has other lines: verdicts and bisections need files of their own`);
  }
  return lines as Line[];
}

/** The lines of an earlier run. @throws UsageError if there are some, and none are expected */
function earlierLines<Line extends AnyLine>(
  { out, resume }: Pick<SelftestOptions, 'out' | 'resume'>,
  isOfKind: (line: AnyLine) => line is Line,
): Line[] {
  if (out === '-') {
    throw new UsageError('--out must name a file, not -: --resume reads the lines again');
  }
  const before = readLines(out, isOfKind);
  if (before.length > 0 && !resume) {
    throw new UsageError(`${out} has lines already: continue with --resume, or choose another file`);
  }
  return before;
}

const isVerdict = (line: AnyLine): line is SelftestLine => 'run' in line;
const isBisection = (line: AnyLine): line is BisectionLine => 'bisection' in line;

export interface SelftestBisectionsOptions
  extends Pick<SelftestOptions, 'config' | 'slowdowns' | 'out' | 'resume' | 'plant' | 'say' | 'waitQuiet'> {
  bisections: number;
  commits: number;
}

/** Plants slow commits in clones of the repository here, and searches them. @returns whether the answers are as required */
export async function runSelftestBisections(options: SelftestBisectionsOptions): Promise<boolean> {
  const { config, plant, say } = options;
  const before = earlierLines(options, isBisection);
  const stepsPerPercent = await calibrate(config, await buildVariant([]), plant);
  say(`one percent equals ${stepsPerPercent.toFixed(1)} steps of idle work per batch`);
  return runBisections({
    ...options,
    repository: process.cwd(),
    before,
    patchesOf: (percent) => plantPatches(plant, Math.round(stepsPerPercent * percent)),
    subjectOf: (repository, cache) => ownSubject(config, (line) => say(`  ${line}`), { repository, cache }),
  });
}

/** @returns whether every share is as required, of the verdicts taken so far */
export async function runSelftest(options: SelftestOptions): Promise<boolean> {
  const { config, slowdowns, verdicts, out, say, waitQuiet, plant, counters, busy } = options;
  const before = earlierLines(options, isVerdict);
  const log = new LineLog(out);
  const base = await buildPlanted(plant, []);
  const stepsPerPercent = await calibrate(config, base, plant);
  say(`one percent equals ${stepsPerPercent.toFixed(1)} steps of idle work per batch`);
  const heads = new Map<number, Variant>();
  for (const percent of slowdowns) {
    showProgress(`building what is ${percent} % slower`);
    const patches = plantPatches(percent === 0 ? 'nothing' : plant, Math.round(stepsPerPercent * percent));
    heads.set(percent, await buildPlanted(plant, patches));
  }
  const others = startBusyProcesses(busy);
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
            findsCauses: plant === 'lock-hold',
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
          ...(busy === 0 ? {} : { busy }),
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
    others.end();
    log.close();
    for (const head of heads.values()) {
      head.remove();
    }
  }
  return reportVerdicts(readLines(out, isVerdict));
}
