/** As explorer.test.ts with one preemption more, then thousands of random schedules. */

import { afterAll, describe, expect, it } from 'vitest';
import { CATALOGUE, idOf } from './catalogue.ts';
import { CompiledSources } from './compile.ts';
import { ExplorerCrew } from './crew.ts';
import { explore, optionsOf } from './explore.ts';

const RANDOM_RUNS = 20_000;
/** Beyond, a search is cut off, and says so. */
const MAX_SCHEDULES = 400_000;

describe('under more schedules', () => {
  const sources = new CompiledSources();
  const crew = new ExplorerCrew(sources.root);
  afterAll(async () => {
    await crew.end();
    sources.remove();
  }, 60_000);

  it.each(CATALOGUE.map((entry) => ({ id: idOf(entry), entry, ...entry })))(
    '$id with up to $long preemptions, and at random: $what',
    async ({ entry, id }) => {
      await crew.load({ root: sources.root, ...entry });
      const { failure, isComplete, schedules, randomSchedules, elapsedMs } = await explore(crew, {
        ...optionsOf(entry),
        preemptions: entry.long,
        maxSchedules: MAX_SCHEDULES,
        randomRuns: entry.victim === undefined ? RANDOM_RUNS : 0,
        changePoints: 5,
      });
      console.log(
        `${id}: ${schedules} schedules${isComplete ? ', all there are' : ' (cut off)'}, ${randomSchedules} at random, ` +
          `${Math.round(elapsedMs / 1000)} s`,
      );
      expect(failure).toBeUndefined();
    },
  );
});
