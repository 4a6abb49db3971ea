/**
 * A pair of samples of a project's own module: `node module-pair-sample.js '<ModulePairOptions>'` prints a ModulePair as a line
 * of JSON. The module exports functions by name (`export const cases = { name() {} }`). Those of both builds run in turn, in slices.
 */

import { pathToFileURL } from 'node:url';
import type { SlicedWorkload } from '../../samples/slices.ts';
import { framesOf, profileOf, type ProfileTime, type SliceProfile } from '../samples/profile-frames.ts';
import { SliceTimes } from '../samples/slice-times.ts';

export interface ModulePairOptions {
  /** The modules of both builds, in the order in which they are loaded and begin. */
  modules: [string, string];
  /** The folders of both states, for a profile. */
  folders?: [string, string];
  /** Absent: only report the names of the cases. */
  case?: string;
  /** Profile the case, instead of measuring it. */
  profile?: ProfileTime;
}

export interface ModuleCases {
  cases: string[][];
}

/** Time of a call in ms, in the order of `modules`. */
export interface ModulePair {
  timesMs: Record<string, number>[];
}

type Case = () => unknown;

const WARM_UP_US = 100_000;
/** A slice has as many calls as the first build makes in this time. */
const SLICE_US = 300;
const SLICES = 300;
const FEWEST_SLICES = 20;
const LONGEST_US = 500_000;
/** Of a slow function the slices are so few that they end soon after this time. There is one in each order, at least. */
const LONGEST_OF_SLOW_US = 2_000_000;
const FEWEST_OF_SLOW = 2;

/** What the functions return. It is kept, so that V8 cannot leave their work out. */
let kept: unknown;

const options = JSON.parse(process.argv[2]!) as ModulePairOptions;
const loaded: Record<string, Case>[] = [];
for (const [i, path] of options.modules.entries()) {
  /* A query makes two modules of one file. */
  const { cases } = (await import(`${pathToFileURL(path).href}?build=${i}`)) as { cases?: Record<string, Case> };
  if (typeof cases !== 'object' || Object.values(cases).some((each) => typeof each !== 'function')) {
    throw new Error(`${path} does not export cases: an object of functions`);
  }
  loaded.push(cases);
}
console.log(JSON.stringify(answer()));

function answer(): ModuleCases | ModulePair | SliceProfile {
  const { case: name, profile } = options;
  if (name === undefined) {
    return { cases: loaded.map(Object.keys) };
  }
  return profile === undefined ? samplePair(name) : profilePair(name, profile);
}

function samplePair(name: string): ModulePair {
  const functions = loaded.map((cases) => cases[name]!);
  const rates = functions.map(warmUp);
  const calls = Math.max(1, Math.round(SLICE_US * rates[0]!));
  const builds = functions.map((each) => callsOf(each, calls));
  const times = new SliceTimes([{ result: 'time', slices: 1 }]);
  const before = processorUs();
  for (let turn = 0; turn < SLICES && isDue(turn, processorUs() - before); turn++) {
    const first = turn & 1;
    times.run(builds[first]!, first, 0, 0);
    times.run(builds[1 - first]!, 1 - first, 0, 0);
  }
  return { timesMs: times.results().timesMs.map(({ time }) => ({ time: time! / calls })) };
}

/** Profiles of both functions, from equally many calls in turn. */
function profilePair(name: string, time: ProfileTime): SliceProfile {
  const functions = loaded.map((cases) => cases[name]!);
  let builds: Pick<SlicedWorkload, 'run'>[] = [];
  const profiled = {
    warmUp: () => {
      const [rate] = functions.map(warmUp);
      builds = functions.map((each) => callsOf(each, Math.max(1, Math.round(SLICE_US * rate!))));
    },
    run: (turn: number) => {
      builds[turn & 1]!.run(0, 0);
      builds[1 - (turn & 1)]!.run(0, 0);
    },
  };
  const nodes = profileOf(profiled, time);
  return { frames: framesOf(nodes, ownerOf) };
}

/** The modules themselves tell by their query, what they import by its folder. */
function ownerOf(url: string): number {
  const [, query] = /\?build=([01])$/.exec(url) ?? [];
  if (query !== undefined) {
    return Number(query);
  }
  const folders = (options.folders ?? []).map((folder) => `${pathToFileURL(folder).href}/`);
  const inside = folders.filter((folder) => url.startsWith(folder)).toSorted((a, b) => b.length - a.length);
  return inside.length === 0 ? -1 : folders.indexOf(inside[0]!);
}

function isDue(turn: number, tookUs: number): boolean {
  return turn < FEWEST_OF_SLOW || tookUs < (turn < FEWEST_SLICES ? LONGEST_OF_SLOW_US : LONGEST_US);
}

function callsOf(each: Case, calls: number): Pick<SlicedWorkload, 'run'> {
  return {
    run: () => {
      for (let i = 0; i < calls; i++) {
        kept = each();
      }
    },
  };
}

/** @returns calls per µs at the end. @throws Error if the function is asynchronous */
function warmUp(each: Case): number {
  for (let calls = 1, startUs = processorUs(); ; calls *= 2) {
    const before = performance.now();
    callsOf(each, calls).run(0, 0);
    if (kept instanceof Promise) {
      throw new Error(`case ${options.case} is asynchronous: measure a command instead`);
    }
    if (processorUs() - startUs > WARM_UP_US) {
      return calls / Math.max(1, (performance.now() - before) * 1000);
    }
  }
}

function processorUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}
