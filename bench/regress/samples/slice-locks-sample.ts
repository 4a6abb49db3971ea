/**
 * Lock profiles of two builds that run their slices in turn: `CT_PROFILE=8 node slice-locks-sample.js '<SliceLocksOptions>'` prints
 * SliceLocks as a line of JSON. Both builds meet the same state of the same core, so small differences show.
 */

import type { LockProfile } from '../../../src/core/inspect/lock-records.ts';
import type { SliceOptions } from '../../samples/slices.ts';
import { fillInTurn, loadWorkloads, warmUp } from './slice-turns.ts';

export interface SliceLocksOptions {
  /** The slices.js of both builds. */
  modules: [string, string];
  slices: SliceOptions;
  mostPairs: number;
  /** Time since the start of the process after which no table is begun, in ms. */
  untilMs: number;
}

export interface SliceLocks {
  /** A pair for each table that both builds have filled. Empty if a build cannot profile its slices. */
  pairs: [LockProfile, LockProfile][];
}

const options = JSON.parse(process.argv[2]!) as SliceLocksOptions;
const builds = await loadWorkloads(options.modules, options.slices);
const pairs: SliceLocks['pairs'] = [];
if (builds.every(({ lockProfile }) => lockProfile !== undefined)) {
  warmUp(builds);
  while (pairs.length < options.mostPairs && performance.now() < options.untilMs) {
    const [a, b] = fillInTurn(builds, pairs.length, (build) => build.lockProfile!());
    if (a === undefined || b === undefined) {
      break;
    }
    pairs.push([a, b]);
  }
}
console.log(JSON.stringify({ pairs } satisfies SliceLocks));
