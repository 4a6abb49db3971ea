/** `bench study runtime` with made-up runtimes: shell scripts that print versions, probes and samples. */

import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Runtime } from '../../../bench/runtimes/runtime.ts';
import { type RuntimeStudyResults, runRuntimeStudy, runtimeStudyText } from '../../../bench/runtimes/runtime-study.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ct-bucket-study-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

interface MadeUp {
  /** What the probe prints, or does. */
  probe?: string;
  /** Time of each phase. */
  ms?: number;
  /** A shell command in place of the sample of a workload. */
  onWorkload?: string;
}

const MODULE = '{"hasModule":true}';

/** A program that acts as a runtime. It writes down what it runs. */
function makeRuntime(name: string, { probe = `echo '${MODULE}'`, ms = 10, onWorkload = '' }: MadeUp = {}): string {
  const path = join(folder, name);
  const phase = (workload: string) => `{"name":"${workload}","ms":${ms},"packets":1000,"threadMs":[${ms}]}`;
  const sample = (...workloads: string[]) => `echo '{"results":[${workloads.map(phase).join(',')}],"counters":{}}'`;
  const lines = [
    '#!/bin/sh',
    'case "$1" in',
    '--version) echo v99.1.2; exit 0 ;;',
    `*probe*) ${probe}; exit 0 ;;`,
    'esac',
    `case "$2" in`,
    `*'"insert"'*) work=insert ;; *'"tcp-life"'*) work=tcp-life ;; *) work=tcp-data ;;`,
    'esac',
    `echo "${name} $work \${CT_PACKET_PATH:-module}" >> '${join(folder, 'log')}'`,
    onWorkload,
    `case $work in`,
    `insert) ${sample('udp-insert', 'udp-lookup')} ;; *) ${sample('tcp-life')} | sed "s/tcp-life/$work/" ;;`,
    'esac',
  ];
  writeFileSync(path, `${lines.join('\n')}\n`);
  chmodSync(path, 0o755);
  return path;
}

const own = (): Runtime => ({ label: 'Own', version: '1.0.0', program: makeRuntime('own'), args: [] });

function study(others: Record<string, MadeUp>, runs = 2): Promise<RuntimeStudyResults> {
  const runtimes = Object.entries(others).map(([name, what]) => ({ name, path: makeRuntime(name, what) }));
  return runRuntimeStudy({ runtimes, connections: 1000, runs, own: own() });
}

describe('a study of runtimes', () => {
  it('measures both packet paths of each in turn', async () => {
    await study({ other: {} }, 1);
    const works = ['insert', 'tcp-life', 'tcp-data'];
    expect(readFileSync(join(folder, 'log'), 'utf8').trimEnd().split('\n')).toEqual(
      works.flatMap((work) => [
        `own ${work} javascript`,
        `own ${work} module`,
        `other ${work} javascript`,
        `other ${work} module`,
      ]),
    );
  });

  it('shows times, and their ratio to the running Node on the same path', async () => {
    const results = await study({ slow: { ms: 15 } });
    expect(results.leftOut).toEqual([]);
    expect(results.runtimes.map(({ label, version }) => [label, version])).toEqual([
      ['Own', '1.0.0'],
      ['slow', '99.1.2'],
    ]);
    expect(results.results.filter(({ engine }) => engine === 'slow, module')).toEqual(
      ['udp-insert', 'udp-lookup', 'tcp-life', 'tcp-data'].map((workload): unknown =>
        expect.objectContaining({ workload, runsMs: [15, 15], medianMs: 15, packets: 1000, threads: 1 }),
      ),
    );
    const text = runtimeStudyText(results);
    expect(text.match(/×1\.50 \(1\.50 to 1\.50\)/g)).toHaveLength(8);
    expect(text).toMatch(/│ Own, module +│ 10000 ns \(10000-10000\) │/);
  });

  it('leaves a runtime out that cannot run it, and says why', async () => {
    const results = await study({
      good: {},
      broken: { probe: `echo '{"hasModule":false,"problem":"RangeError: Invalid array length"}'` },
      dying: { probe: 'echo "TypeError: Atomics.wait is missing" >&2; exit 1' },
      silent: { probe: 'true' },
      old: { probe: `echo '{"hasModule":false}'` },
    });
    expect(results.leftOut).toEqual([
      { label: 'broken', reason: 'RangeError: Invalid array length' },
      { label: 'dying', reason: expect.stringContaining('Atomics.wait is missing') as string },
      { label: 'silent', reason: expect.stringContaining('JSON') as string },
      { label: 'old, module', reason: 'it has no memory that the packet module can use' },
    ]);
    expect(new Set(results.results.map(({ engine }) => engine))).toEqual(
      new Set(['Own, JavaScript', 'Own, module', 'good, JavaScript', 'good, module', 'old, JavaScript']),
    );
    expect(runtimeStudyText(results)).toContain('left out: broken: RangeError: Invalid array length');
  });

  it('leaves a runtime out that fails later, or whose accounting is wrong', async () => {
    const results = await study({
      good: {},
      failing: { onWorkload: 'case $work in tcp-life) echo "RangeError: no memory" >&2; exit 1 ;; esac' },
      wrong: { onWorkload: `echo '{"results":[],"counters":{},"error":"3 connections are lost"}'; exit 0` },
    });
    expect(results.leftOut).toEqual([
      { label: 'failing', reason: expect.stringContaining('no memory') as string },
      { label: 'wrong', reason: 'a run on wrong is void: 3 connections are lost' },
    ]);
  });

  it('is an error if no other runtime is left', async () => {
    await expect(study({ dying: { probe: 'exit 1' } })).rejects.toThrow(
      /^no other runtime can run ct-bucket: dying: the process of a sample failed/,
    );
  });

  it('is an error if a program is missing, or prints no version', async () => {
    const missing = runRuntimeStudy({
      runtimes: [{ name: 'mine', path: join(folder, 'nowhere') }],
      connections: 1000,
      runs: 1,
      own: own(),
    });
    await expect(missing).rejects.toThrow(/^runtime mine: cannot execute .*nowhere \(ENOENT\)$/);
    const silent = runRuntimeStudy({
      runtimes: [{ name: 'silent', path: '/bin/true' }],
      connections: 1000,
      runs: 1,
      own: own(),
    });
    await expect(silent).rejects.toThrow(/prints no version$/);
  });
});
