/**
 * CPU profiles of two builds that run their slices in turn: `node slice-profile-sample.js '<SliceProfileOptions>'` prints a SliceProfile
 * as a line of JSON. V8 samples both in one process, so they meet the same machine.
 */

import { pathToFileURL } from 'node:url';
import type { SliceOptions } from '../../samples/slices.ts';
import { framesFrom, framesOf, profileOf, type ProfileTime, type SliceProfile } from './profile-frames.ts';
import { fillInTurn, loadWorkloads, warmUp } from './slice-turns.ts';

export interface SliceProfileOptions {
  /** The slices.js of both builds. */
  modules: [string, string];
  slices: SliceOptions;
  time: ProfileTime;
}

const options = JSON.parse(process.argv[2]!) as SliceProfileOptions;
/* The folder of each build: all modules of it have it in their URLs. */
const folders = options.modules.map((path) => pathToFileURL(path).href.split('/dist/')[0]!);
const builds = await loadWorkloads(options.modules, options.slices);
const profiled = { warmUp: () => warmUp(builds), run: (turn: number) => void fillInTurn(builds, turn) };
const nodes = profileOf(profiled, options.time);
const frames = framesOf(nodes, (url) => folders.findIndex((folder) => url.startsWith(`${folder}/`)));
/* The time of tables that are made and removed is not measured either. */
console.log(JSON.stringify({ frames: framesFrom('run', frames) } satisfies SliceProfile));
