/** The command `bench short`: each number of zones is a result of its own, with the connections that lived. */

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { CT_BUCKET, run } from '../../support/child.ts';

const folder = mkdtempSync(join(tmpdir(), 'ct-bucket-short-'));
afterAll(() => rmSync(folder, { recursive: true }));

it.each<[what: string, args: string[], names: string[]]>([
  ['the same zones', [], ['short-1-zone', 'short-3-zones']],
  ['zones of each thread', ['--own-zones'], ['short-1-own-zone', 'short-3-own-zones']],
])('bench short measures insertion and removal in %s', async (_what, args, names) => {
  const file = join(folder, 'short.json');
  const size = ['--connections', '2000', '--runs', '1', '--threads', '2', '--zones', '1,3'];
  const less = ['--no-control', '--no-memory', '--json', file];
  const { code, stdout } = await run(process.execPath, [...CT_BUCKET, 'bench', 'short', ...size, ...less, ...args]);
  expect(code).toBe(0);
  expect(stdout).toContain('connections/s');
  const { results } = JSON.parse(readFileSync(file, 'utf8'));
  expect(results.map(({ workload }: { workload: string }) => workload)).toEqual(names);
  expect(results).toMatchObject(names.map(() => ({ threads: 2, lives: 10_000, packets: 20_000 })));
});
