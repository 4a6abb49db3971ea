/** The command `bench insert` with its additional measurements: memory, and the parameters of the simulation. */

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { CT_BUCKET, run } from '../support/child.ts';

const folder = mkdtempSync(join(tmpdir(), 'ct-bucket-bench-'));
afterAll(() => rmSync(folder, { recursive: true }));

it('bench insert reports the bytes per connection and the parameters of the simulation', async () => {
  const file = join(folder, 'insert.json');
  const args = ['bench', 'insert', '--connections', '20000', '--runs', '1', '--threads', '1', '--json', file];
  const { code } = await run(process.execPath, [...CT_BUCKET, ...args]);
  expect(code).toBe(0);
  const { results, simulation } = JSON.parse(readFileSync(file, 'utf8'));
  expect(results).toHaveLength(2);
  for (const { bytesPerConnection } of results) {
    /* 128 bytes of record and some of index, less other memory that the process frees meanwhile. */
    expect(bytesPerConnection).toBeGreaterThan(100);
  }
  expect(simulation).toMatchObject([{ workload: 'udp-insert', engine: 'ct-bucket' }]);
});
