/**
 * CPU profiles of two builds that run their slices in turn: `node slice-profile-sample.js '<SliceProfileOptions>'` prints a SliceProfile
 * as a line of JSON. V8 samples both in one process, so they meet the same machine.
 */

import { pathToFileURL } from 'node:url';
import type { SliceOptions } from '../samples/slices.ts';
import { framesFrom, framesOf, profileOf, type ProfileTime, type SliceProfile } from './profile-frames.ts';

type SlicesModule = typeof import('../samples/slices.ts');

export interface SliceProfileOptions {
  /** The slices.js of both builds. */
  modules: [string, string];
  slices: SliceOptions;
  time: ProfileTime;
}

const options = JSON.parse(process.argv[2]!) as SliceProfileOptions;
const modules: SlicesModule[] = [];
for (const path of options.modules) {
  modules.push((await import(pathToFileURL(path).href)) as SlicesModule);
}
/* The folder of each build: all modules of it have it in their URLs. */
const folders = options.modules.map((path) => pathToFileURL(path).href.split('/dist/')[0]!);
const builds = modules.map(({ sliceWorkload }) => sliceWorkload(options.slices));

const nodes = profileOf({ warmUp, run: fillInTurn }, options.time);
const frames = framesOf(nodes, (url) => folders.findIndex((folder) => url.startsWith(`${folder}/`)));
/* The time of tables that are made and removed is not measured either. */
console.log(JSON.stringify({ frames: framesFrom('run', frames) } satisfies SliceProfile));

/** Code that only whole workloads reach gets warm too. */
function warmUp(): void {
  builds.forEach((build) => build.rehearse());
  fillInTurn(0);
}

function fillInTurn(repetition: number): void {
  builds.forEach((build) => build.begin());
  for (const [phase, { slices }] of builds[0]!.phases.entries()) {
    for (let slice = 0; slice < slices; slice++) {
      const first = (repetition + slice) & 1;
      builds[first]!.run(phase, slice);
      builds[1 - first]!.run(phase, slice);
    }
  }
  builds.forEach((build) => build.end());
}
