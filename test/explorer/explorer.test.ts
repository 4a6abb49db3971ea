/** The table's primitives and operations under every schedule with few preemptions. */

import { afterAll, describe, expect, it } from 'vitest';
import { CATALOGUE, idOf } from './catalogue.ts';
import { CompiledSources } from './compile.ts';
import { ExplorerCrew } from './crew.ts';
import { explore, optionsOf } from './explore.ts';

describe.each([
  { how: '', env: {}, entries: CATALOGUE },
  {
    how: ', in a profiled process',
    env: { CT_PROFILE: '1' },
    entries: CATALOGUE.filter(({ module }) => module === 'mutex'),
  },
])('under every schedule$how', ({ env, entries }) => {
  const sources = new CompiledSources();
  const crew = new ExplorerCrew(sources.root, env);
  afterAll(async () => {
    await crew.end();
    sources.remove();
  });

  it.each(
    entries.map((entry) => ({ id: idOf(entry), entry, ...entry, preemptions: entry.short ?? entry.preemptions })),
  )('$id with up to $preemptions preemptions: $what', async ({ entry, preemptions }) => {
    await crew.load({ root: sources.root, ...entry });
    const { failure, isComplete, schedules } = await explore(crew, { ...optionsOf(entry), preemptions });
    expect(failure).toBeUndefined();
    expect(isComplete).toBe(true);
    expect(schedules).toBeGreaterThan(10);
  });
});
