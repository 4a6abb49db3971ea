/** Whatever threads do at the same time to one flow: their answers are those of some order, one after another. */

import { describe, expect, it } from 'vitest';
import type { EngineName } from '../src/core/engines/engine.ts';
import type { Reclaim } from '../src/core/memory.ts';
import { checkHistories } from './history/run.ts';

const SHORT = { threads: 4, flows: 4, operations: 400 };

describe.each<{ engine: EngineName; reclaim: Reclaim; buckets: number }>([
  { engine: 'ct-bucket', reclaim: 'lookup-and-sweep', buckets: 4 },
  { engine: 'ct-bucket', reclaim: 'sweep', buckets: 1 },
  { engine: 'baseline', reclaim: 'sweep', buckets: 1 },
  { engine: 'ct-scale', reclaim: 'sweep', buckets: 1 },
])('histories of $engine ($reclaim, $buckets buckets) are linearizable', (table) => {
  it.each([
    { isMoving: false, checked: true },
    { isMoving: true, checked: true },
    { isMoving: true, checked: false },
  ])('with a moving clock: $isMoving, threads held up at random: $checked', async ({ isMoving, checked }) => {
    const summary = await checkHistories({ ...table, ...SHORT, isMoving, checked, rounds: 2, seed: 1 });
    if (process.env['SHOW'] !== undefined) console.log(JSON.stringify(summary));
    expect(summary.overlaps).toBeGreaterThan(0);
  });
});
