/** Studies, the anatomy and regress's selftest change the build by patterns. Each pattern must match and leave valid code. */

import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { PLANTS } from '../../bench/regress/selftest/plant-names.ts';
import { plantPatches } from '../../bench/regress/selftest/plants.ts';
import { CUTS } from '../../bench/studies/anatomy.ts';
import { STUDIES } from '../../bench/studies/study.ts';
import { buildVariant, type Patch } from '../../bench/studies/variants.ts';

const CHOICES: { name: string; patches: readonly Patch[] }[] = [
  ...Object.entries(STUDIES).flatMap(([study, { choices }]) =>
    choices.flatMap((choice) =>
      'patches' in choice ? [{ name: `study ${study}: ${choice.name}`, patches: choice.patches }] : [],
    ),
  ),
  ...CUTS.flatMap(({ name, phase, patches }) =>
    patches.length === 0 ? [] : [{ name: `anatomy of ${phase ?? 'both'}: ${name}`, patches }],
  ),
  ...(['nothing', ...PLANTS] as const).map((plant) => ({ name: `selftest ${plant}`, patches: plantPatches(plant, 7) })),
];

/** The text of each JavaScript file, by its name. */
function codeOf(dist: string): Map<string, string> {
  const names = readdirSync(dist, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.js'));
  return new Map(names.map((name) => [name, readFileSync(join(dist, name), 'utf8')]));
}

describe('a variant of the build', () => {
  let whole: Map<string, string>;
  beforeAll(async () => {
    whole = codeOf((await buildVariant([])).dist);
  });

  it.each(CHOICES)('$name is valid code in one changed file', async ({ patches }) => {
    const { dist, remove } = await buildVariant(patches);
    try {
      const changed = [...codeOf(dist)].filter(([name, text]) => text !== whole.get(name));
      expect(changed).toHaveLength(1);
      execFileSync(process.execPath, ['--check', join(dist, changed[0]![0])], { stdio: 'pipe' });
    } finally {
      remove();
    }
  });

  it('is refused if a pattern does not match', async () => {
    await expect(buildVariant([{ path: 'src/core', find: /nowhere at all/, replace: '' }])).rejects.toThrow(
      'nothing in src/core matches /nowhere at all/',
    );
  });
});
