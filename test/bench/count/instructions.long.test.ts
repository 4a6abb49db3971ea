/** Instructions by valgrind: half a minute for each count. */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { CountSampleOptions } from '../../../bench/count/count-options.ts';
import { hasValgrind, instructionsOf } from '../../../bench/count/instructions.ts';
import { ownBuild } from '../../../bench/count/run.ts';
import { copyOfBuild } from '../../../bench/studies/variants.ts';

const INSERT: CountSampleOptions = {
  workload: 'insert',
  engine: 'ct-bucket',
  connections: 1024,
  batchSize: 32,
  buckets: 1024,
};

describe.skipIf(!hasValgrind())('instructions of a packet', () => {
  it('are those of the build: a loop of 1000 turns adds at least 2000', { timeout: 600_000 }, async () => {
    const build = await ownBuild();
    const usual = await instructionsOf(build, INSERT);
    expect(usual['udp-lookup']).toBeGreaterThan(500);
    const { dist, remove } = await copyOfBuild(build);
    try {
      const chunk = join(dist, 'chunks', 'packet-path.js');
      const loop = 'for (let j = 0; j < 1000; j++) tracker.scratch.sink ^= j;';
      const changed = readFileSync(chunk, 'utf8').replace(
        /(const slot = batch\.slots\[i\];)(\s*if \(kind === 1\) judgePacket)/,
        `$1 ${loop}$2`,
      );
      writeFileSync(chunk, changed);
      const more = await instructionsOf(dist, INSERT);
      expect(more['udp-lookup']! - usual['udp-lookup']!).toBeGreaterThan(2000);
      expect(more['udp-insert']! - usual['udp-insert']!).toBeGreaterThan(2000);
    } finally {
      remove();
    }
  });
});
