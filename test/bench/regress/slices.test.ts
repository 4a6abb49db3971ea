/** Slices: a workload in parts, and two builds that run them in turn in one process. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { Build } from '../../../bench/regress/builds/builds.ts';
import { checkConfig, type RegressConfig } from '../../../bench/regress/config.ts';
import { chooseMethods } from '../../../bench/regress/samples/methods.ts';
import { loadSlices } from '../../../bench/regress/samples/slice-samples.ts';
import { SliceTimes, trimmedMean } from '../../../bench/regress/samples/slice-times.ts';
import { slicedWorkloads, sliceWorkload, type SlicedWorkload } from '../../../bench/samples/slices.ts';
import type { WorkloadName } from '../../../bench/workloads/registry.ts';
import { buildVariant } from '../../../bench/studies/variants.ts';
import { CT_BUCKET, REPOSITORY, run } from '../../support/child.ts';

const folder = mkdtempSync(join(tmpdir(), 'ct-bucket-slices-test-'));
afterAll(() => rmSync(folder, { recursive: true }));

const OURS: Build = { label: 'ours', dist: join(REPOSITORY, 'dist') };

function configWith(...cases: object[]): RegressConfig {
  const usual = { workload: 'insert', threads: 1, connections: 1000, rehearsalConnections: 1000, repetitions: 6 };
  return checkConfig({
    cases: cases.map((each, i) => ({ name: `case ${i}`, ...usual, gates: { time: 1 }, ...each })),
  });
}

/** A build with slices of this code, and an older one's sample program. @param spin rounds of a loop in each slice */
function fakeBuild(name: string, spin: number, more = ''): Build {
  const dist = join(folder, name);
  mkdirSync(join(dist, 'bench', 'samples'), { recursive: true });
  writeFileSync(join(dist, '.complete'), '');
  writeFileSync(join(dist, 'bench', 'samples', 'part.js'), `export const SPIN = ${spin};`);
  writeFileSync(
    join(dist, 'bench', 'samples', 'slices.js'),
    `import { SPIN } from './part.js';
     let sum = 1;
     ${more}
     export const SLICES_VERSION = globalThis.version ?? 1;
     export const flags = globalThis.flags ?? [];
     export const slicedWorkloads = ['insert'];
     export function sliceWorkload() {
       return {
         phases: [{ slices: 1 }, { result: 'udp-insert', slices: 20 }],
         rehearse() {},
         begin() {},
         run() { for (let i = 0; i < SPIN; i++) sum = (Math.imul(sum, 1664525) + 1013904223) | 0; },
         end() { return globalThis.fault; },
       };
     }`,
  );
  return { label: name, dist };
}

describe('the slices of a workload', () => {
  const options = { connections: 3000, batchSize: 32, buckets: 64, packetsPerSlice: 256, rehearsalConnections: 1000 };
  const each = slicedWorkloads.map((name) => ({ name }));

  function fill(workload: SlicedWorkload, isLeftOut = (_phase: number, _slice: number) => false): string | undefined {
    workload.begin();
    for (const [phase, { slices }] of workload.phases.entries()) {
      for (let slice = 0; slice < slices; slice++) {
        if (!isLeftOut(phase, slice)) {
          workload.run(phase, slice);
        }
      }
    }
    return workload.end();
  }

  it.each(each)('of $name are the whole workload, on one table after another', ({ name }) => {
    const workload = sliceWorkload({ ...options, workload: name as WorkloadName });
    workload.rehearse();
    expect(fill(workload)).toBeUndefined();
    expect(fill(workload)).toBeUndefined();
    const timed = workload.phases.filter(({ result }) => result !== undefined);
    expect(timed.length).toBeGreaterThan(0);
    /* A flush is one call. */
    const few = timed.filter(({ slices }) => slices <= 10).map(({ result }) => result);
    expect(few).toEqual(name === 'zones' ? ['zones-flush-full', 'zones-flush-empty'] : []);
  });

  it('are missed by the accounting if one is left out', () => {
    const workload = sliceWorkload({ ...options, workload: 'insert' });
    expect(fill(workload, (phase, slice) => phase === 0 && slice === 3)).toMatch(/accounting of the table is wrong/);
  });

  it('do not exist for a workload with a sweeper', () => {
    expect(slicedWorkloads).not.toContain('churn');
    expect(slicedWorkloads).toContain('tcp-life');
  });
});

describe('the times of slices', () => {
  /** Times by a clock that each slice moves. @param took µs of a slice by both builds */
  function timesOf(took: (slice: number) => [number, number], isCoarse = false): SliceTimes {
    let [processor, wall] = [0, 0];
    const clocks = { processor: () => (isCoarse ? Math.floor(processor / 1e4) * 1e4 : processor), wall: () => wall };
    const times = new SliceTimes([{ slices: 10 }, { result: 'udp-insert', slices: 20 }], clocks);
    const build = (which: 0 | 1) =>
      ({
        run: (_phase: number, slice: number) => {
          processor += took(slice)[which];
          wall += 3 * took(slice)[which];
        },
      }) as unknown as SlicedWorkload;
    for (let slice = 0; slice < 20; slice++) {
      const first = slice & 1;
      times.run(build(first as 0 | 1), first, 1, slice);
      times.run(build((1 - first) as 0 | 1), 1 - first, 1, slice);
    }
    return times;
  }

  it('are those of the whole phase, and their ratio is that of the same slice of both', () => {
    const { timesMs, clock } = timesOf((slice) => [100 + 10 * slice, 1.1 * (100 + 10 * slice)]).results();
    expect(clock).toBe('processor');
    expect(timesMs[1]!['udp-insert']! / timesMs[0]!['udp-insert']!).toBeCloseTo(1.1, 12);
    /* Slices of 100 to 290 us. */
    expect(timesMs[0]!['udp-insert']).toBeGreaterThan(20 * 0.18);
    expect(timesMs[0]!['udp-insert']).toBeLessThan(20 * 0.195);
    expect(Object.keys(timesMs[0]!)).toEqual(['udp-insert']);
  });

  it('leave out a tenth of the slices at each end', () => {
    const { timesMs } = timesOf((slice) => (slice < 2 ? [200, 9000] : [200, 200])).results();
    expect(timesMs[1]!['udp-insert']! / timesMs[0]!['udp-insert']!).toBeCloseTo(1, 12);
    const often = timesOf((slice) => (slice < 6 ? [200, 9000] : [200, 200])).results().timesMs;
    expect(often[1]!['udp-insert']! / often[0]!['udp-insert']!).toBeGreaterThan(2);
    expect(trimmedMean([5, 1, 2, 3, 4, 0, 6, 7, 8, 1000])).toBe(4.5);
  });

  it('are wall-clock times where the processor time is too coarse', () => {
    const { timesMs, clock } = timesOf(() => [100, 200], true).results();
    expect(clock).toBe('wall');
    expect(timesMs[0]!['udp-insert']).toBeCloseTo(20 * 0.3, 9);
  });
});

describe('a case', () => {
  it('is measured in slices if both builds can, else in fresh processes, and the reason is told', async () => {
    const config = configWith(
      {},
      { threads: 2 },
      { workload: 'churn' },
      { gates: { time: 1, contention: 10 } },
      { workload: 'tcp-life' },
    );
    const { byCase, remove } = await chooseMethods(OURS, OURS, config);
    remove();
    expect(Object.values(byCase)).toEqual([
      { name: 'slices' },
      { name: 'processes', why: 'slices have one thread' },
      { name: 'processes', why: 'churn has no slices' },
      { name: 'processes', why: 'slices show no contention' },
      { name: 'slices' },
    ]);
  });

  it('is measured in fresh processes if the builds set different flags of V8', async () => {
    const { dist, remove } = await buildVariant([
      { path: 'src/workers/threads/compiler.ts', find: /size=1500/, replace: 'size=1600' },
    ]);
    const methods = await chooseMethods(OURS, { label: 'other', dist }, configWith({}));
    remove();
    methods.remove();
    expect(methods.byCase['case 0']).toEqual({
      name: 'processes',
      why: 'the two builds set different flags of V8',
    });
  });

  it('is measured in slices of one folder against itself, with all its figures', async () => {
    const config = configWith({ gates: { time: 1, memory: 10 } });
    const methods = await chooseMethods(OURS, OURS, config);
    const { a, b } = await methods.sample(config.cases[0]!, 'ab');
    methods.remove();
    for (const { timesMs } of [a, b]) {
      expect(Object.keys(timesMs)).toEqual(['udp-insert', 'udp-lookup']);
      expect(Object.values(timesMs).every((ms) => ms > 0)).toBe(true);
    }
  });

  it('shows which build is slower, in either order', async () => {
    const slices = await loadSlices(fakeBuild('fast', 20_000), fakeBuild('slow', 400_000));
    const [each] = configWith({}).cases;
    for (const order of ['ab', 'ba'] as const) {
      const { a, b } = await slices.sample(each!, order);
      expect(b.timesMs['udp-insert']! / a.timesMs['udp-insert']!).toBeGreaterThan(3);
    }
    slices.remove();
  });

  it('has no verdict if the accounting of a table is wrong', async () => {
    const slices = await loadSlices(
      fakeBuild('right', 10),
      fakeBuild('wrong', 10, "globalThis.fault = 'one connection too many';"),
    );
    await expect(slices.sample(configWith({}).cases[0]!, 'ab')).rejects.toThrow('case 0: one connection too many');
    slices.remove();
  });
});

describe('the command regress in slices', () => {
  it('calls a build twenty times as slow after two pairs', async () => {
    const config = join(folder, 'config.json');
    writeFileSync(config, JSON.stringify({ budgetSeconds: 10, cases: configWith({}).cases }));
    const [base, head] = [fakeBuild('usual', 20_000), fakeBuild('slower', 400_000)];
    const args = ['regress', '--base', base.dist, '--head', head.dist, '--config', config];
    const { code, stdout } = await run(process.execPath, [...CT_BUCKET, ...args]);
    expect(code).toBe(1);
    expect(stdout).toContain('each of the first 2 pairs shows a huge slowdown');
    expect(stdout).not.toContain('fresh processes');
  });
});
