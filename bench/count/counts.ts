/** Counts of workloads on a build. Every run of the same build on the same work gives the same. */

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { IN_JAVASCRIPT, sampleOf } from '../samples/samples.ts';
import { copyOfBuild } from '../studies/variants.ts';
import { VoidRunError } from '../suite/workload-bench.ts';
import type { CountSample, CountSampleOptions, PhaseCounts } from './count-options.ts';
import { instrumented } from './instrument.ts';

/** The chunk with everything that packets go through (scripts/build.mjs). */
const PACKET_PATH = join('chunks', 'packet-path.js');
const SAMPLE = join('bench', 'count', 'count-sample.js');
/** Processes at once. Counts do not depend on what else runs. */
const AT_ONCE = 2;

/** A work, and what it counts. */
export interface WorkCounts {
  work: CountSampleOptions;
  phases: PhaseCounts[];
}

/** The build has no counters, or none that can be rewritten: an older commit. */
export class NoCountersError extends Error {
  override readonly name = 'NoCountersError';
}

export interface CountsOfOptions {
  /** Folder of a compiled build: `dist` of a checkout. */
  build: string;
  works: readonly CountSampleOptions[];
  /** Called before each work. */
  onWork?: (work: CountSampleOptions) => void;
}

/**
 * Counts the packet path of a build on each work, in the order of the works.
 * @throws NoCountersError if the build has no counters
 * @throws VoidRunError if the table does not hold the expected connections afterwards
 */
export async function countsOf({ build, works, onWork }: CountsOfOptions): Promise<WorkCounts[]> {
  if (!existsSync(join(build, SAMPLE)) || !existsSync(join(build, PACKET_PATH))) {
    throw new NoCountersError(`the build in ${build} has no counters: it is older than bench count`);
  }
  const code = await instrumented(readFileSync(join(build, PACKET_PATH), 'utf8'));
  const variant = await copyOfBuild(build);
  try {
    writeFileSync(join(variant.dist, PACKET_PATH), code);
    const counts: WorkCounts[] = [];
    let next = 0;
    const take = async () => {
      for (let index = next++; index < works.length; index = next++) {
        const work = works[index]!;
        onWork?.(work);
        counts[index] = await countsIn(variant.dist, work);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, take));
    return counts;
  } finally {
    variant.remove();
  }
}

async function countsIn(dist: string, work: CountSampleOptions): Promise<WorkCounts> {
  const { phases, error } = await sampleOf<CountSample>(join(dist, SAMPLE), work, IN_JAVASCRIPT);
  if (error !== undefined) {
    throw new VoidRunError(`${work.workload}: ${error}`);
  }
  return { work, phases };
}
