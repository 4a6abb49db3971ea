/** `npm run bench` ends within its time on machines of any speed. The tests simulate the machine and its clock. */

import { describe, expect, it } from 'vitest';
import { firstLook } from '../../bench/report/first-look.ts';
import { textReport } from '../../bench/report/report.ts';
import type { BenchResult, ResultsFile } from '../../bench/report/results-file.ts';
import type { TakeSample } from '../../bench/samples/samples.ts';
import { runSuite, type SuiteOptions } from '../../bench/suite/suite.ts';
import type { WorkloadSampleOptions } from '../../bench/samples/workload-options.ts';

const OPTIONS: SuiteOptions = {
  threads: [1, 2],
  connections: 400_000,
  runs: 3,
  batch: 32,
  buckets: 1024,
  seconds: 90,
};

/** The time of a sample on a machine of slowness 1, in ms: the start of its process, its rehearsal, its connections. */
function costMs({ connections, rehearsalConnections = 300_000 }: WorkloadSampleOptions): number {
  return 400 + rehearsalConnections / 166 + connections / 1000;
}

function fakeMachine(slownessAt: (sample: number) => number) {
  let now = 1000;
  let samples = 0;
  const take: TakeSample = async <Sample>(module: string, options: unknown): Promise<Sample> => {
    const slowness = slownessAt(samples++);
    if (module === 'samples/line-transfer-sample.js') {
      now += 500 * slowness;
      return { ns: null } as Sample;
    }
    if (module === 'aging/aging-sample.js') {
      now += 8000 + 2000 * slowness;
      const latency = { p50: 1, p99: 2, p999: 3 };
      const lagMs = { p50: 200, p99: 400, max: 500 };
      return {
        lagMs,
        allAtOnceMs: 9,
        bytesPerConnection: 180,
        latencyUs: { with: latency, without: latency },
      } as Sample;
    }
    const work = options as WorkloadSampleOptions;
    now += costMs(work) * slowness;
    const ms = ((work.connections / 2000) * slowness) / work.threads;
    const names = work.workload === 'insert' ? ['udp-insert', 'udp-lookup'] : ['tcp-life'];
    const threadMs = Array.from({ length: work.threads }, () => ms);
    const results = names.map((name) => ({ name, ms, packets: work.connections, threadMs }));
    return { results, bytesPerConnection: 180, counters: {} } as Sample;
  };
  return { take, nowMs: () => now, passedMs: () => now - 1000 };
}

async function suiteOn(slownessAt: (sample: number) => number, options: Partial<SuiteOptions> = {}) {
  const { take, nowMs, passedMs } = fakeMachine(slownessAt);
  const lines: string[] = [];
  const file = await runSuite({ ...OPTIONS, ...options }, (line) => lines.push(line), { take, nowMs });
  const insert = file.results.filter(({ workload }) => workload === 'udp-insert');
  return { file, lines, seconds: passedMs() / 1000, runs: insert[0]!.runsMs.length, ...insert[0]! };
}

describe('the bench suite', () => {
  it('measures everything without a remark if there is enough time', async () => {
    const { file, lines, seconds, runs, connections } = await suiteOn(() => 1);
    expect({ runs, connections }).toEqual({ runs: 3, connections: 400_000 });
    expect(seconds).toBeLessThan(90);
    expect(file.aging).toHaveLength(1);
    expect(lines.filter((line) => /--seconds|No time/.test(line))).toEqual([]);
  });

  it('prints a line for each table and number of threads after its measurement', async () => {
    const { lines } = await suiteOn(() => 1);
    expect(lines.slice(0, 3)).toEqual([
      'First figures of insertion and lookup; time, and packets a second:',
      expect.stringMatching(/^ {2}insert, ct-bucket, 1 thread +udp-insert 200.ms, 2\.00 M\/s {2}udp-lookup 200.ms, /),
      expect.stringMatching(/^ {2}insert, .*, 1 thread +udp-insert /),
    ]);
    expect(lines.filter((line) => line.startsWith('  '))).toHaveLength(14);
  });

  it.each([1.5, 2, 2.5, 3, 4, 6, 10])('ends in time on a machine that is %d times as slow', async (slowness) => {
    const { lines, seconds, runs, connections, file } = await suiteOn(() => slowness);
    expect(seconds).toBeLessThanOrEqual(90);
    expect(file.results.filter(({ workload }) => workload === 'udp-insert')).toHaveLength(6);
    const told = lines.filter((line) => line.includes('to end within 90 s (--seconds)'));
    expect(told.length > 0).toBe(runs < 3 || connections < 400_000);
    expect(textReport(file, { isBrief: true })).toContain('udp-insert');
  });

  it('ends in time on a machine that becomes slow during the run', async () => {
    for (const [from, slowness] of [
      [1, 2],
      [8, 4],
      [20, 3],
    ] as const) {
      expect((await suiteOn((sample) => (sample < from ? 1 : slowness))).seconds).toBeLessThanOrEqual(90);
    }
  });

  it('measures everything on a slow machine if --seconds gives it the time', async () => {
    const { runs, connections, seconds } = await suiteOn(() => 3, { seconds: 600 });
    expect({ runs, connections }).toEqual({ runs: 3, connections: 400_000 });
    expect(seconds).toBeGreaterThan(90);
  });
});

describe('the summary of the bench suite', () => {
  const result = (engine: string, threads: number, runsMs: number[]): BenchResult => ({
    workload: 'udp-insert',
    engine,
    threads,
    connections: 400_000,
    packets: 400_000,
    medianMs: runsMs.toSorted((a, b) => a - b)[runsMs.length >> 1]!,
    runsMs,
  });
  const machine = { cpu: '', cores: 2, memoryBytes: 1, kernel: '', node: '', v8: '', nodeOptions: '', flags: [] };
  const file = (results: BenchResult[], loadAverage1m = 0.1): ResultsFile => ({
    benchmark: 'suite',
    machine: { ...machine, loadAverage1m },
    options: {},
    results,
  });
  const all = (ours: number[]) => [
    result('ct-bucket', 1, ours),
    result('ct-bucket', 2, [100, 101, 102]),
    result('baseline', 1, [200, 201, 202]),
    result('baseline', 2, [400, 404, 408]),
    result('ct-scale', 1, [150, 200, 250]),
    result('ct-scale', 2, [90, 91, 92]),
  ];

  it('gives the speed, the comparison with the other tables, and the spread of the runs', () => {
    const steady = all([199, 200, 201]).filter(({ engine }) => engine !== 'ct-scale');
    expect(firstLook(file(steady))).toEqual([
      'ct-bucket opens about 2.0 million UDP connections a second on one thread and 4.0 million on two threads (2.0 times as many).',
      expect.stringMatching(/^On one thread it is about as fast as baseline \(1\.00 to 1\.\d\d times\)\.$/),
      'On two threads it is 3.92 to 4.08 times as fast as baseline.',
      'Runs of the same thing lie at most 2 % apart: for a first look the figures can be trusted.',
    ]);
  });

  it('gives ranges if runs differ much, and says if ct-bucket is slower', () => {
    const [, one, two, trust] = firstLook(file(all([199, 200, 201])));
    expect(one).toMatch(/about as fast as ct-scale \(0\.7\d to 1\.2\d times\)/);
    expect(two).toContain('slower than ct-scale (0.88 to 0.92 of its rate)');
    expect(trust).toMatch(/^Runs of the same thing lie up to 50 % apart: smaller differences mean nothing now/);
  });

  it('concludes nothing from one run, and names a busy machine and too few cores', () => {
    const once = [1, 2, 4].map((threads) => result('ct-bucket', threads, [200 / threads]));
    const lines = firstLook(file([...once, result('baseline', 1, [300])], 3.14)).join('\n');
    expect(lines).toContain('On one thread it is 1.5 times as fast as baseline.');
    expect(lines).toContain('load 3.1 on 2 cores');
    expect(lines).toContain('There are 2 cores: four threads take turns on them.');
    expect(lines).toContain('Each was measured once, which does not tell a small difference from chance');
  });

  it('is empty if insertion was not measured', () => {
    expect(firstLook(file([]))).toEqual([]);
  });
});
