/** The stacks of two builds in one CPU profile. */

import { describe, expect, it } from 'vitest';
import { framesOf, keptFrames, ownSamples, type ProfileNode } from '../../../bench/regress/samples/profile-frames.ts';

const owner = (url: string): number => (url.startsWith('/a/') ? 0 : url.startsWith('/b/') ? 1 : -1);
const node = (id: number, functionName: string, url: string, hitCount: number, children: number[]): ProfileNode => ({
  id,
  callFrame: { functionName, url },
  hitCount,
  children,
});

const NODES = [
  node(1, '(root)', '', 3, [2, 9]),
  node(2, 'fillInTurn', '/program.js', 5, [3, 5]),
  node(3, 'run', '/a/x.js', 10, [4]),
  node(4, 'wait', '', 7, []),
  node(5, 'run', '/b/x.js', 12, [6, 7]),
  node(6, 'src/core/path/judge-batch.ts:judgeBatch(#,(x))', 'wasm://wasm/1', 20, []),
  node(7, '', '/a/shared.js', 1, []),
  node(9, '(garbage collector)', '', 100, []),
];

describe('the frames of both builds', () => {
  it('merge by name, begin at the first function of a build, and leave out what belongs to none', () => {
    expect(framesOf(NODES, owner)).toEqual([
      { name: 'run', depth: 0, before: 17, after: 33, ownBefore: 10, ownAfter: 12 },
      { name: 'wait', depth: 1, before: 7, after: 0, ownBefore: 7, ownAfter: 0 },
      { name: 'judgeBatch (module)', depth: 1, before: 0, after: 20, ownBefore: 0, ownAfter: 20 },
      { name: '(anonymous)', depth: 1, before: 0, after: 1, ownBefore: 0, ownAfter: 1 },
    ]);
  });

  it('add up by function', () => {
    const [before, after] = ownSamples(framesOf(NODES, owner));
    expect([before['run'], after['run'], before['wait'], after['judgeBatch (module)']]).toEqual([10, 12, 7, 20]);
  });

  it('that are tiny in both builds are not kept', () => {
    const big = { name: 'big', depth: 0, before: 10_000, after: 10_000, ownBefore: 9991, ownAfter: 9991 };
    const tiny = { name: 'tiny', depth: 1, before: 9, after: 9, ownBefore: 9, ownAfter: 9 };
    expect(keptFrames([big, tiny])).toEqual([big]);
    expect(keptFrames([big, { ...tiny, after: 900 }])).toHaveLength(2);
  });
});
