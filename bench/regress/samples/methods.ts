/** How each case is measured: in slices wherever both builds can, else in fresh processes. */

import type { Build } from '../builds/builds.ts';
import type { PairSampler } from './cases.ts';
import type { RegressCase, RegressConfig } from '../config.ts';
import { commonProgram, inTurn, processSampler } from './process-samples.ts';
import type { SliceAbilities } from './slice-pair-sample.ts';
import { loadSlices, withoutSlices, type LoadedSlices } from './slice-samples.ts';

export interface Method {
  name: 'slices' | 'processes';
  /** Why the case is not measured in slices. */
  why?: string;
}

export interface Methods {
  /** By case. */
  byCase: Record<string, Method>;
  sample: PairSampler;
  remove(): void;
}

/** @throws UsageError if the builds have no sample program in common; SampleError if their slices cannot be loaded */
export async function chooseMethods(a: Build, b: Build, { cases }: RegressConfig): Promise<Methods> {
  const without = withoutSlices([a, b]);
  const slices = without === undefined ? await loadSlices(a, b) : undefined;
  const common = slices === undefined ? `${without} is older than slices` : unfitBuilds(slices.abilities);
  const methodOf = (each: RegressCase): Method => {
    const why = common ?? unfitCase(each, slices!.abilities);
    return why === undefined ? { name: 'slices' } : { name: 'processes', why };
  };
  const byCase = Object.fromEntries(cases.map((each) => [each.name, methodOf(each)]));
  const others = cases.filter(({ name }) => byCase[name]!.name === 'processes');
  return { byCase, sample: samplerOf(a, b, others, slices), remove: () => slices?.remove() };
}

/** @param others cases that are not measured in slices */
function samplerOf(a: Build, b: Build, others: readonly RegressCase[], slices: LoadedSlices | undefined): PairSampler {
  if (others.length === 0) {
    return slices!.sample;
  }
  const program = commonProgram(
    a,
    b,
    others.map(({ workload }) => workload),
  );
  const inProcesses = inTurn(processSampler(a, b, program));
  return (each, order) => (others.includes(each) ? inProcesses(each, order) : slices!.sample(each, order));
}

/** Why no case can be measured in slices. undefined if it can */
function unfitBuilds({ versions, flags }: SliceAbilities): string | undefined {
  if (new Set(versions).size > 1) {
    return 'the slices of the two builds differ in kind';
  }
  /* V8's flags hold for the whole process. */
  return new Set(flags.map((each) => each.join(' '))).size > 1 ? 'the two builds set different flags of V8' : undefined;
}

function unfitCase({ threads, workload, gates }: RegressCase, { workloads }: SliceAbilities): string | undefined {
  if (threads > 1) {
    return 'slices have one thread';
  }
  if (gates.contention !== undefined || gates.scaling !== undefined) {
    return 'slices show no contention';
  }
  return workloads.every((known) => known.includes(workload)) ? undefined : `${workload} has no slices`;
}
