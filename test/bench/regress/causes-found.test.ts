/** Causes of planted slowdowns, from real builds. The plants are far larger than the noise. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Build } from '../../../bench/regress/builds/builds.ts';
import { type CaseCauses, causeLines, causesOf } from '../../../bench/regress/causes/causes.ts';
import { checkConfig } from '../../../bench/regress/config.ts';
import { HELD_SITE, plantPatches } from '../../../bench/regress/selftest/plants.ts';
import type { FigureVerdict } from '../../../bench/regress/verdict/verdict.ts';
import { buildVariant, type Variant } from '../../../bench/studies/variants.ts';

const LONG_MS = 300_000;
/** More than half of the time that the lock is held anyway, and of the time of a batch. */
const HOLD_STEPS = 80;
const BATCH_STEPS = 800;

const gates = { time: { tolerate: 1, alarm: 3 } };
const config = checkConfig({
  budgetSeconds: 55,
  cases: [{ name: 'insert', workload: 'insert', threads: 1, connections: 8192, rehearsalConnections: 4096, gates }],
});
const figures = [{ case: 'insert', gate: 'time', verdict: 'regressed' } as FigureVerdict];

describe('a build that holds a lock longer, and whose batches take longer', () => {
  const variants: Variant[] = [];
  let builds: readonly [Build, Build];

  beforeAll(async () => {
    variants.push(await buildVariant([]));
    variants.push(await buildVariant([...plantPatches('lock-hold', HOLD_STEPS), ...plantPatches('idle', BATCH_STEPS)]));
    builds = [
      { label: 'base', dist: variants[0]!.dist },
      { label: 'head', dist: variants[1]!.dist },
    ];
  }, LONG_MS);

  afterAll(() => variants.forEach((variant) => variant.remove()));

  const causes = (limitMs: number): Promise<CaseCauses[]> => causesOf(...builds, config, { figures }, limitMs);

  it(
    'has the lock site and the function as its causes, and a profile that shows the function',
    async () => {
      const [found] = await causes(LONG_MS);
      expect(found!.leftOut).toBeUndefined();
      expect(found!.sites[0]).toMatchObject({ site: HELD_SITE, lock: 'bucket' });
      expect(found!.sites[0]!.changePercent).toBeGreaterThan(20);
      expect(found!.functions.map(({ name }) => name)).toContain('conntrackExecute');
      const own = found!.profile!.frames.filter(({ name }) => name === 'conntrackExecute');
      expect(own.reduce((sum, frame) => sum + frame.ownAfter - frame.ownBefore, 0)).toBeGreaterThan(0);
    },
    LONG_MS,
  );

  it(
    'has no causes if there is no time, and says so',
    async () => {
      const lines = causeLines(await causes(1));
      expect(lines).toEqual([
        'cause in insert: left out: lock sites: there was no time',
        'cause in insert: left out: functions: there was no time',
      ]);
    },
    LONG_MS,
  );
});
