/** The explorer proves itself: every seeded fault is found, by the scenarios that the code without it passes. */

import Table from 'cli-table3';
import { afterAll, describe, expect, it } from 'vitest';
import { CATALOGUE, entryOf, idOf } from './catalogue.ts';
import { ExplorerCrew } from './crew.ts';
import { explore, optionsOf } from './explore.ts';
import { CompiledSources, edited } from './compile.ts';
import { MUTANTS } from './mutants.ts';
import { replay } from './replay.ts';

const MISSED = 'MISSED';

describe('the explorer finds', () => {
  const sources = new CompiledSources(MUTANTS);
  const crew = new ExplorerCrew(sources.root);
  const rows: string[][] = [];

  afterAll(async () => {
    await crew.end();
    sources.remove();
    const table = new Table({
      head: ['mutant', 'scenario', 'found', 'after', 'schedule'],
      style: { head: [], border: [] },
    });
    table.push(...rows);
    const caught = rows.filter(([, , found]) => found !== MISSED).length;
    console.log(`${table.toString()}\n${caught} of ${MUTANTS.length} mutants caught`);
  });

  it.each(MUTANTS.map((mutant) => ({ mutant, ...mutant })))('$name', async ({ mutant }) => {
    for (const id of mutant.scenarios) {
      const entry = entryOf(id);
      await crew.load({ root: sources.rootOf(mutant), ...entry });
      const { failure, schedules } = await explore(crew, optionsOf(entry));
      if (failure !== undefined) {
        rows.push([mutant.name, id, failure.kind, `${schedules} schedules`, failure.schedule]);
        expect(mutant.found).toContain(failure.kind);
        return;
      }
    }
    rows.push([mutant.name, mutant.scenarios.join(', '), MISSED, '', '']);
    expect.fail(`no schedule of ${mutant.scenarios.join(', ')} shows it`);
  });

  it('nothing by scenarios that are not in the catalogue, which the code as it is passes', () => {
    const ids = CATALOGUE.map(idOf);
    expect(MUTANTS.flatMap(({ scenarios }) => scenarios).filter((id) => !ids.includes(id))).toEqual([]);
    expect(MUTANTS.length).toBeGreaterThanOrEqual(12);
  });

  it('each fault again by the schedule that it printed', async () => {
    const mutant = MUTANTS.find(({ name }) => name === '`cleaned` is loaded, then stored')!;
    const [, id, found, , schedule] = rows.find(([name]) => name === mutant.name)!;
    const { failure, trace, isFollowed } = await replay(id!, schedule!, sources, mutant);
    expect(failure?.kind).toBe(found);
    expect(isFollowed).toBe(true);
    expect(
      trace.filter((line) => / {2}thread [01] {2}load +record \d+\.LIFE = /.test(line)).length,
    ).toBeGreaterThanOrEqual(2);
  });

  it('that a mutant no longer fits the sources', () => {
    const edit = { file: 'a.ts', find: 'b();', replace: '' };
    expect(edited('a();\nb();', edit)).toBe('a();\n');
    expect(() => edited('a();', edit)).toThrow('a.ts: expected once, found 0 times: b();');
    expect(() => edited('b();b();', edit)).toThrow('found 2 times');
  });
});
