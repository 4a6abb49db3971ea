/** The CPU quota and the memory of this process, and the reports of an overloaded machine. */

import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { doubtText } from '../../bench/machine/probe-text.ts';
import { htmlReport } from '../../bench/report/html.ts';
import { markdownReport, textReport } from '../../bench/report/report.ts';
import { analyse } from '../../bench/report/analysis.ts';
import type { ResultsFile } from '../../bench/report/results-file.ts';
import { demandOf, memoryProblem, requireMemory } from '../../src/core/memory/memory-demand.ts';
import type { ConntrackOptions } from '../../src/core/memory/table-options.ts';
import { tablePlan } from '../../src/core/memory/table-plan.ts';
import { requireThreadMemory } from '../../src/workers/threads/thread-memory.ts';
import { requireTableMemory } from '../../src/cli/tracking/table-memory.ts';
import { addressSpaceLeft, cgroupMemory } from '../../src/core/memory/machine-memory.ts';
import { cpuQuota, usableCores } from '../../src/host/machine-limits.ts';
import { CT_BUCKET, REPOSITORY, run } from '../support/child.ts';
import { capturePath } from '../support/fixtures.ts';

const reading = (files: Record<string, string>) => (path: string) => files[path];

const VERSION_2 = {
  '/proc/self/mountinfo': '31 23 0:28 / /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw\n',
  '/proc/self/cgroup': '0::/slice/job\n',
};
const VERSION_1 = {
  '/proc/self/mountinfo':
    '32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n',
  '/proc/self/cgroup': '4:memory:/job\n1:cpuacct,cpu:/job\n0::/\n',
};

describe('a CPU quota', () => {
  it.each<[what: string, quota: number | undefined, files: Record<string, string>]>([
    ['of its own cgroup', 1.5, { ...VERSION_2, '/sys/fs/cgroup/slice/job/cpu.max': '150000 100000\n' }],
    [
      'of a parent cgroup with a lower quota',
      0.5,
      {
        ...VERSION_2,
        '/sys/fs/cgroup/slice/job/cpu.max': 'max 100000\n',
        '/sys/fs/cgroup/slice/cpu.max': '50000 100000\n',
      },
    ],
    ['that is none', undefined, { ...VERSION_2, '/sys/fs/cgroup/slice/job/cpu.max': 'max 100000\n' }],
    [
      'of cgroup version 1',
      1,
      {
        ...VERSION_1,
        '/sys/fs/cgroup/cpu/job/cpu.cfs_quota_us': '100000\n',
        '/sys/fs/cgroup/cpu/job/cpu.cfs_period_us': '100000\n',
      },
    ],
    [
      'of cgroup version 1 without a limit',
      undefined,
      {
        ...VERSION_1,
        '/sys/fs/cgroup/cpu/job/cpu.cfs_quota_us': '-1\n',
        '/sys/fs/cgroup/cpu/job/cpu.cfs_period_us': '100000\n',
      },
    ],
    [
      'of a container whose root is its own cgroup',
      2,
      {
        '/proc/self/mountinfo': '31 23 0:28 /docker/abc /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n',
        '/proc/self/cgroup': '0::/docker/abc\n',
        '/sys/fs/cgroup/cpu.max': '200000 100000\n',
      },
    ],
    [
      'of a container with a hidden path',
      2,
      {
        '/proc/self/mountinfo': '31 23 0:28 /docker/abc /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n',
        '/proc/self/cgroup': '0::/\n',
        '/sys/fs/cgroup/cpu.max': '200000 100000\n',
      },
    ],
    ['where nothing can be read', undefined, {}],
  ])('%s is %s cores', (_what, quota, files) => {
    expect(cpuQuota(reading(files))).toBe(quota);
  });

  it('limits the usable cores, but leaves one at least', () => {
    const files = (max: string) => reading({ ...VERSION_2, '/sys/fs/cgroup/slice/job/cpu.max': max });
    expect(usableCores(files('20000 100000'))).toBe(1);
    expect(usableCores(files('100000000 100000'))).toBe(availableParallelism());
    expect(usableCores(files('max 100000'))).toBe(availableParallelism());
  });
});

describe('the memory limit', () => {
  it('of a cgroup is the lowest of its parents; a number close to 2^63 is no limit', () => {
    expect(cgroupMemory(reading({ ...VERSION_2, '/sys/fs/cgroup/slice/memory.max': '1000000\n' }))?.bytes).toBe(1e6);
    expect(
      cgroupMemory(reading({ ...VERSION_1, '/sys/fs/cgroup/memory/job/memory.limit_in_bytes': '9223372036854771712' })),
    ).toBeUndefined();
    expect(
      cgroupMemory(reading({ ...VERSION_1, '/sys/fs/cgroup/memory/job/memory.limit_in_bytes': '1048576' }))?.bytes,
    ).toBe(2 ** 20);
  });

  it('of the address space is its unused part', () => {
    const limits = (size: string) =>
      reading({
        '/proc/self/limits': `Max address space         ${size}           unlimited            bytes\n`,
        '/proc/self/status': 'VmSize:\t  1000 kB\n',
      });
    expect(addressSpaceLeft(limits('2048000'))?.bytes).toBe(1_024_000);
    expect(addressSpaceLeft(limits('unlimited'))).toBeUndefined();
  });

  it('is checked before a table is made: a table that is too large is refused in one line', () => {
    const small = reading({ ...VERSION_2, '/sys/fs/cgroup/slice/job/memory.max': '100000000\n' });
    expect(() => requireTableMemory({ buckets: 1024, threads: 1, maxConnections: 1_000_000 }, small)).toThrow(
      /^not enough memory: a table for 1000000 connections takes \d+ MiB when it is full, and the memory of this cgroup has 96 MiB: give fewer with --max-connections$/,
    );
    expect(() => requireTableMemory({ buckets: 1024, threads: 1, maxConnections: 100_000 }, small)).not.toThrow();
    expect(() => requireTableMemory({ buckets: 1024, threads: 1 }, small)).not.toThrow();
  });

  it('of ulimit -v makes run refuse a large table with a one-line error and exit code 2', async () => {
    const args = [...CT_BUCKET, 'run', capturePath('zeek_dnp3'), '--max-connections', '7000000', '--socket', '/x/y'];
    const line = [process.execPath, ...args].map((part) => `'${part}'`).join(' ');
    const { code, stdout, stderr } = await run('/bin/bash', ['-c', `ulimit -v 2000000; ${line}`]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^ct-bucket: not enough memory: a table for 7000000 connections [^\n]*ulimit -v[^\n]*\n$/);
  });
});

const MEMINFO =
  'MemTotal:       1000000 kB\nMemAvailable:    200000 kB\nSwapTotal:            0 kB\nSwapFree:             0 kB\n';

describe('the memory for a table', () => {
  const problem = (options: ConntrackOptions, files: Record<string, string>) =>
    memoryProblem(demandOf(tablePlan(options)), reading(files));
  const machine = { '/proc/meminfo': MEMINFO };

  it('is compared with the memory of the machine, if the table is full one day', () => {
    expect(problem({ maxConnections: 16_000_000 }, machine)).toEqual({
      text: expect.stringMatching(
        /^a table for 16000000 connections takes \d+ MiB when it is full, and this machine has 977 MiB$/,
      ) as string,
      isAtOnce: false,
    });
    expect(problem({ maxConnections: 1_000_000 }, machine)).toBeUndefined();
  });

  it('is compared with the memory that is free now, if the table takes it at once', () => {
    expect(problem({ prefaultConnections: 2_000_000 }, machine)).toEqual({
      text: expect.stringMatching(
        /^to commit the memory of 2000000 connections takes \d+ MiB, and the free memory has 196 MiB$/,
      ) as string,
      isAtOnce: true,
    });
    expect(problem({ prefaultConnections: 500_000 }, machine)).toBeUndefined();
  });

  it('of a cgroup counts for both, whichever limit is lower', () => {
    const files = { ...machine, ...VERSION_1, '/sys/fs/cgroup/memory/job/memory.limit_in_bytes': '104857600' };
    expect(problem({ maxConnections: 1_000_000 }, files)?.text).toMatch(/and the memory of this cgroup has 100 MiB$/);
    expect(problem({ prefaultConnections: 1_000_000 }, files)).toMatchObject({ isAtOnce: true });
  });

  it('is refused with a code of its own; a table of the default size is made', () => {
    const small = reading({ ...VERSION_2, '/sys/fs/cgroup/slice/job/memory.max': '100000000\n' });
    const require = (options: ConntrackOptions) => requireMemory(demandOf(tablePlan(options)), 'reduce it', small);
    expect(() => require({ maxConnections: 3_000_000 })).toThrow(
      expect.objectContaining({ name: 'UsageError', code: 'ERR_CT_NO_MEMORY' }) as Error,
    );
    expect(() => require({})).not.toThrow();
  });

  it('is not looked for where nothing can be read', () => {
    expect(problem({ maxConnections: 50_000_000, prefaultConnections: 50_000_000 }, {})).toBeUndefined();
  });
});

describe('the memory for threads', () => {
  const limited = (bytes: number) =>
    reading({
      '/proc/self/limits': `Max address space         ${bytes}           unlimited            bytes\n`,
      '/proc/self/status': 'VmSize:\t  0 kB\n',
    });

  it('is refused if the address space does not suffice for all of them', () => {
    expect(() => requireThreadMemory(2, limited(2 ** 30))).toThrow(
      expect.objectContaining({
        code: 'ERR_CT_NO_MEMORY',
        message:
          'not enough memory: 2 threads reserve 1200 MiB, and the address space (ulimit -v) has 1024 MiB: raise that limit, or use fewer ' +
          'threads or a smaller table',
      }) as Error,
    );
    expect(() => requireThreadMemory(1, limited(2 ** 30))).not.toThrow();
    expect(() => requireThreadMemory(64, reading({}))).not.toThrow();
  });
});

describe('ulimit -v', () => {
  it.each<[command: string, ...args: string[]]>([
    ['replay', capturePath('zeek_dnp3')],
    ['verify', 'test/fixtures/vectors/baseline-sweep.jsonl'],
    ['bench', 'insert', '--connections', '10000', '--runs', '1', '--threads', '4'],
    ['bench', 'rate', 'steady', '--quick'],
    ['bench', 'aging', '--connections', '10000'],
    ['bench', 'flood', '--connections', '10000', '--runs', '1'],
    ['bench', 'attack', 'syn-flood', '--packets', '1000', '--runs', '1', '--table', '3000000'],
    ['profile', 'insert', '--connections', '10000'],
    ['soak', '--minutes', '1'],
  ])('makes %s %s end with one line that says so, and exit code 2', async (...args) => {
    const line = [process.execPath, ...CT_BUCKET, ...args].map((part) => `'${part}'`).join(' ');
    const { code, stderr } = await run('/bin/bash', ['-c', `ulimit -v 1900000; ${line}`]);
    expect(stderr.split('\n').filter((each) => each.includes('not enough memory'))).toHaveLength(1);
    expect(stderr).toMatch(/not enough memory: [^\n]*\(ulimit -v\)[^\n]*\n$/);
    expect(code).toBe(2);
  });

  it('makes the library throw its code, and allocate nothing', async () => {
    const program = `
      import { Conntrack } from '${join(REPOSITORY, 'dist', 'src', 'index.js')}';
      globalThis.SharedArrayBuffer = class { constructor() { console.log('allocated'); } };
      try { new Conntrack({ maxConnections: 50_000_000 }); } catch ({ code, message }) { console.log(code, message); }`;
    const line = `ulimit -v 4000000; '${process.execPath}' --input-type=module -`;
    const { stdout } = await run('/bin/bash', ['-c', line], Buffer.from(program));
    expect(stdout).toMatch(/^ERR_CT_NO_MEMORY not enough memory: a table for 50000000 connections reserves [^\n]*\n$/);
  });
});

describe('a machine with more load than cores', () => {
  const results = (loadAverage1m: number): ResultsFile => ({
    benchmark: 'insert',
    machine: {
      cpu: 'Example CPU',
      cores: 4,
      machineCores: 4,
      memoryBytes: 2 ** 33,
      kernel: '6.1',
      node: 'v20.0.0',
      v8: '11.3',
      nodeOptions: '',
      flags: [],
      loadAverage1m,
    },
    options: {},
    results: [1, 2, 4].map((threads) => ({
      workload: 'udp-insert',
      engine: 'ct-bucket',
      threads,
      connections: 1000,
      packets: 1000,
      medianMs: 100 / threads + threads,
      runsMs: [100 / threads + threads],
    })),
  });

  it('is named in every format of a report', () => {
    for (const text of [textReport(results(9.5)), markdownReport(results(9.5)), htmlReport(results(9.5))]) {
      expect(text).toContain('OVERLOADED: the load was 9.5 on 4 cores when this began');
    }
    for (const text of [textReport(results(3)), markdownReport(results(3)), htmlReport(results(3))]) {
      expect(text).not.toContain('OVERLOADED');
    }
  });

  it('gets no scaling law for its figures', () => {
    expect(analyse(results(3))[0]!.engines[0]!.law).toBeDefined();
    expect(analyse(results(9.5))[0]!.engines[0]!.law).toBeUndefined();
  });

  it('is recognized by the cores of the machine, not by those of this process', () => {
    expect(doubtText({ loadAverage1m: 3, cores: 1, machineCores: 4 })).toBeUndefined();
    expect(doubtText({ loadAverage1m: 3, cores: 1 })).toContain('OVERLOADED');
  });
});
