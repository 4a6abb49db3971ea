/**
 * CPU profiles of two builds that run their slices in turn: `node slice-profile-sample.js '<SliceProfileOptions>'` prints a SliceProfile
 * as a line of JSON. V8 samples both in one process, so they meet the same machine.
 */

import { Session } from 'node:inspector';
import { pathToFileURL } from 'node:url';
import type { SliceOptions } from '../samples/slices.ts';

type SlicesModule = typeof import('../samples/slices.ts');

export interface SliceProfileOptions {
  /** The slices.js of both builds. */
  modules: [string, string];
  slices: SliceOptions;
  /** Processor time of the profile, in ms. */
  durationMs: number;
}

/** Samples by function, for each build. */
export interface SliceProfile {
  selfSamples: Record<string, number>[];
}

interface ProfileNode {
  id: number;
  callFrame: { functionName: string; url: string };
  hitCount?: number | undefined;
  children?: number[] | undefined;
}

const INTERVAL_US = 200;

const options = JSON.parse(process.argv[2]!) as SliceProfileOptions;
const modules: SlicesModule[] = [];
for (const path of options.modules) {
  modules.push((await import(pathToFileURL(path).href)) as SlicesModule);
}
/* The folder of each build: all modules of it have it in their URLs. */
const folders = options.modules.map((path) => pathToFileURL(path).href.split('/dist/')[0]!);
const builds = modules.map(({ sliceWorkload }) => sliceWorkload(options.slices));
builds.forEach((build) => build.rehearse());

const session = new Session();
session.connect();
session.post('Profiler.enable');
session.post('Profiler.setSamplingInterval', { interval: INTERVAL_US });
session.post('Profiler.start');
const before = process.cpuUsage();
let turn = 0;
do {
  fillInTurn(turn++);
} while (processorMs() < options.durationMs);
session.post('Profiler.stop', (error, result) => {
  if (error !== null) {
    throw error;
  }
  console.log(JSON.stringify({ selfSamples: samplesOf(result.profile.nodes) } satisfies SliceProfile));
});

function processorMs(): number {
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
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

/** Samples in the function itself. A built-in function counts for the build that calls it. */
function samplesOf(nodes: readonly ProfileNode[]): Record<string, number>[] {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const samples: Record<string, number>[] = [{}, {}];
  const visit = ({ callFrame, hitCount = 0, children = [] }: ProfileNode, of: number): void => {
    const own = folders.findIndex((folder) => callFrame.url.startsWith(`${folder}/`));
    const build = own < 0 ? of : own;
    if (build >= 0 && hitCount > 0) {
      const name = callFrame.functionName || '(anonymous)';
      samples[build]![name] = (samples[build]![name] ?? 0) + hitCount;
    }
    children.forEach((id) => visit(byId.get(id)!, build));
  };
  visit(nodes[0]!, -1);
  return samples;
}
