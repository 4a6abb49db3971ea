/** Slices of two builds in one process, in turn. */

import { pathToFileURL } from 'node:url';
import type { SlicedWorkload, SliceOptions } from '../../samples/slices.ts';

type SlicesModule = typeof import('../../samples/slices.ts');

/** Loads the slices.js of both builds. */
export async function loadWorkloads(modules: readonly string[], slices: SliceOptions): Promise<SlicedWorkload[]> {
  const loaded: SlicesModule[] = [];
  for (const path of modules) {
    loaded.push((await import(pathToFileURL(path).href)) as SlicesModule);
  }
  return loaded.map(({ sliceWorkload }) => sliceWorkload(slices));
}

/** Tables that each build fills before anything counts. Code that only whole workloads reach gets warm too. */
const WARM_UP_TABLES = 4;

export function warmUp(builds: readonly SlicedWorkload[]): void {
  builds.forEach((build) => build.rehearse());
  for (let table = 0; table < WARM_UP_TABLES; table++) {
    fillInTurn(builds, table);
  }
}

/** Runs each slice with one build, then with the other. Who is first changes with every slice. @param run gets the build's number, 0 or 1 */
export function takeTurns(
  phases: SlicedWorkload['phases'],
  repetition: number,
  run: (which: number, phase: number, slice: number) => void,
): void {
  let turn = repetition;
  for (const [phase, { slices }] of phases.entries()) {
    for (let slice = 0; slice < slices; slice++, turn++) {
      const first = turn & 1;
      run(first, phase, slice);
      run(1 - first, phase, slice);
    }
  }
}

/** Fills a table of each build, slice by slice. @returns what `look` says of each full table */
export function fillInTurn<Seen>(
  builds: readonly SlicedWorkload[],
  repetition: number,
  look?: (build: SlicedWorkload) => Seen,
): Seen[] {
  builds.forEach((build) => build.begin());
  takeTurns(builds[0]!.phases, repetition, (which, phase, slice) => builds[which]!.run(phase, slice));
  const seen = look === undefined ? [] : builds.map(look);
  builds.forEach((build) => build.end());
  return seen;
}
