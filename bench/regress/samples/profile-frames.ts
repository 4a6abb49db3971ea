/** The CPU profile of a process that runs two builds in turn: the stacks of both, merged into one tree. */

import { Session } from 'node:inspector';
import { setFlagsFromString } from 'node:v8';
import type { FlameFrame } from '../../report/page/flame-graph.ts';

/** A node of V8's profile. */
export interface ProfileNode {
  id: number;
  callFrame: { functionName: string; url: string };
  hitCount?: number | undefined;
  children?: number[] | undefined;
}

/** What a program that profiles prints, as a line of JSON. */
export interface SliceProfile {
  /** Each frame stands before those that it calls. */
  frames: FlameFrame[];
}

/** How long a program profiles: until one of the two is over. */
export interface ProfileTime {
  /** Processor time of the profile, in ms. */
  durationMs: number;
  /** Time since the start of the process, in ms. On a busy machine a short profile is better than none. */
  untilMs: number;
}

/** What the caller of such a program allows. */
export interface ProfileLimits {
  /** Processor time of the profile. */
  durationMs: number;
  /** The process is killed after this time. */
  limitMs: number;
}

/** Part of the limit after which the profile ends, so that its process can report it. */
const ENDED_PART = 0.75;

export function profileTime({ durationMs, limitMs }: ProfileLimits): ProfileTime {
  return { durationMs, untilMs: ENDED_PART * limitMs };
}

/** The build of a module. -1: of no build, such as a built-in function, or the program that profiles */
export type OwnerOf = (url: string) => number;

const INTERVAL_US = 200;
/** A smaller share in both builds is not kept in a verdict: its file would grow for nothing. */
const KEPT_SHARE = 0.001;
const MOST_KEPT = 2000;

interface Tree {
  name: string;
  own: [number, number];
  children: Map<string, Tree>;
}

/** What is profiled. */
export interface Profiled {
  /** V8 compiles the functions meanwhile. */
  warmUp: () => void;
  /** It is repeated. @param turn number of the repetition */
  run: (turn: number) => void;
}

/**
 * V8's profile of an action. V8 inlines nothing in it: it would count most samples of an inlined function for its caller, and which
 * functions it inlines differs from run to run.
 */
export function profileOf({ warmUp, run }: Profiled, { durationMs, untilMs }: ProfileTime): readonly ProfileNode[] {
  setFlagsFromString('--no-turbo-inlining');
  setFlagsFromString('--no-maglev-inlining');
  warmUp();
  const session = new Session();
  session.connect();
  session.post('Profiler.enable');
  session.post('Profiler.setSamplingInterval', { interval: INTERVAL_US });
  session.post('Profiler.start');
  const before = process.cpuUsage();
  let turn = 0;
  do {
    run(turn++);
  } while (processorMs(before) < durationMs && performance.now() < untilMs);
  let nodes: readonly ProfileNode[] = [];
  /* The inspector of the same thread answers at once. */
  session.post('Profiler.stop', (error, result) => {
    if (error !== null) {
      throw error;
    }
    nodes = result.profile.nodes;
  });
  session.disconnect();
  return nodes;
}

function processorMs(since: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1000;
}

/** Functions of the packet module are named by source and function: `src/core/path/judge-batch.ts:judgeBatch(...)`. */
function nameOf({ functionName }: ProfileNode['callFrame']): string {
  const [, inModule] = /^[^(]*:(\w+)\(/.exec(functionName) ?? [];
  return inModule === undefined ? functionName || '(anonymous)' : `${inModule} (module)`;
}

/**
 * Merges the stacks of both builds. A stack begins at the first function of a build, and all that this function calls counts for
 * that build. What belongs to no build is left out: the program that profiles, and V8's garbage collection.
 */
export function framesOf(nodes: readonly ProfileNode[], ownerOf: OwnerOf): FlameFrame[] {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const root: Tree = { name: '', own: [0, 0], children: new Map() };
  const visit = (node: ProfileNode, owner: number, above: Tree): void => {
    const of = owner < 0 ? ownerOf(node.callFrame.url) : owner;
    const at = of < 0 ? above : childOf(above, nameOf(node.callFrame));
    if (of >= 0) {
      at.own[of as 0 | 1] += node.hitCount ?? 0;
    }
    node.children?.forEach((id) => visit(byId.get(id)!, of, at));
  };
  if (nodes.length > 0) {
    visit(nodes[0]!, -1, root);
  }
  return [...root.children.values()].flatMap((tree) => flat(tree, 0));
}

/** The frames of the stacks that begin with a function of this name. */
export function framesFrom(name: string, frames: readonly FlameFrame[]): FlameFrame[] {
  let isInside = false;
  return frames.filter((frame) => {
    isInside = frame.depth === 0 ? frame.name === name : isInside;
    return isInside;
  });
}

function childOf({ children }: Tree, name: string): Tree {
  const found = children.get(name) ?? { name, own: [0, 0], children: new Map() };
  children.set(name, found);
  return found;
}

function flat({ name, own, children }: Tree, depth: number): FlameFrame[] {
  const below = [...children.values()].map((child) => flat(child, depth + 1)).filter((frames) => frames.length > 0);
  const [before, after] = [0, 1].map((of) =>
    below.reduce((sum, [child]) => sum + (of === 0 ? child!.before : child!.after), own[of]!),
  ) as [number, number];
  const frame = { name, depth, before, after, ownBefore: own[0], ownAfter: own[1] };
  return before + after === 0 ? [] : [frame, ...below.flat()];
}

/** The samples in each function itself, before and after. */
export function ownSamples(frames: readonly FlameFrame[]): [Record<string, number>, Record<string, number>] {
  const own: [Record<string, number>, Record<string, number>] = [{}, {}];
  for (const { name, ownBefore, ownAfter } of frames) {
    own[0][name] = (own[0][name] ?? 0) + ownBefore;
    own[1][name] = (own[1][name] ?? 0) + ownAfter;
  }
  return own;
}

/** The frames that a verdict keeps. A frame that is too small takes those that it calls with it. */
export function keptFrames(frames: readonly FlameFrame[]): FlameFrame[] {
  const [before, after] = wholeOf(frames);
  const shareOf = (frame: FlameFrame) => Math.max(frame.before / (before || 1), frame.after / (after || 1));
  const shares = frames.map(shareOf).toSorted((a, b) => b - a);
  const least = Math.max(KEPT_SHARE, shares[MOST_KEPT] ?? 0);
  return frames.filter((frame) => shareOf(frame) >= least);
}

/** All samples, before and after. */
export function wholeOf(frames: readonly FlameFrame[]): [before: number, after: number] {
  const roots = frames.filter(({ depth }) => depth === 0);
  return [roots.reduce((sum, { before }) => sum + before, 0), roots.reduce((sum, { after }) => sum + after, 0)];
}
