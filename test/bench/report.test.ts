/** Reports, comparisons of result files, and peers, for which small programs stand in. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type ComparedFiles, compareFiles, type CompareOptions } from '../../bench/report/compare.ts';
import { measurePeer, type PeerFigure, type PeerOptions, type PeerWork } from '../../bench/suite/peer.ts';
import { htmlReport } from '../../bench/report/html.ts';
import { markdownReport, printReport, textReport, writeReports } from '../../bench/report/report.ts';
import type { BenchResult, ResultsFile } from '../../bench/report/results-file.ts';
import { UsageError } from '../../src/core/errors.ts';
import { OutputFiles } from '../../src/host/output-files.ts';
import { machineWith, QUIET, SLOW_MEMORY } from '../support/probe-readings.ts';

/** Runs an action, and turns its error into an exit code and a line as the command does. */
function exitCodeOf(action: () => void): number {
  try {
    action();
    return 0;
  } catch (error) {
    if (!(error instanceof UsageError)) {
      throw error;
    }
    console.error(`ct-bucket: ${error.message}`);
    return 2;
  }
}

const runCompare = (files: readonly string[], options: CompareOptions = {}): number =>
  exitCodeOf(() => compareFiles(files, options));

async function runPeer({ json, ...options }: PeerOptions & { json?: string }): Promise<number> {
  let measured: ResultsFile | UsageError;
  try {
    measured = await measurePeer(options);
  } catch (error) {
    measured = error as UsageError;
  }
  return exitCodeOf(() => {
    if (measured instanceof Error) {
      throw measured;
    }
    printReport(measured);
    writeReports(measured, new OutputFiles(json === undefined ? {} : { json }).begin());
  });
}

let folder: string;
let out: string[];
let err: string[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ct-bucket-report-'));
  out = [];
  err = [];
  vi.spyOn(console, 'log').mockImplementation((text: string) => void out.push(text));
  vi.spyOn(console, 'error').mockImplementation((text: string) => void err.push(text));
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true });
});

function result(engine: string, threads: number, centre: number): BenchResult {
  return {
    workload: 'udp-insert',
    engine,
    threads,
    connections: 1_000_000,
    packets: 1_000_000,
    medianMs: centre,
    runsMs: [centre - 4, centre - 2, centre, centre + 2, centre + 4],
    bytesPerConnection: 181.5,
  };
}

function results(scale = 1, change: Partial<ResultsFile['machine']> = {}): ResultsFile {
  return {
    benchmark: 'insert',
    machine: {
      cpu: 'Example CPU',
      cores: 2,
      memoryBytes: 8 * 2 ** 30,
      kernel: '6.1',
      node: 'v20.0.0',
      v8: '11.3',
      nodeOptions: '',
      flags: [],
      loadAverage1m: 0.1,
      ...change,
    },
    options: { batch: 32 },
    results: [result('ct-bucket', 1, 600 * scale), result('ct-bucket', 2, 310), result('<b>"peer"&', 1, 1800)],
    aging: [
      {
        engine: 'ct-bucket',
        buckets: 1024,
        connections: 1_000_000,
        lagMs: { p50: 210, p99: 777, max: 905 },
        sweeperCpuPercent: 1.4,
        nsPerVisited: 11,
        nsPerRemoved: 131,
        bytesPerConnection: 181,
        batchP999RatioToNoSweeper: 1.07,
      },
    ],
    simulation: [
      {
        workload: 'udp-insert',
        engine: 'ct-bucket',
        work: { outsideNs: 500, sections: [{ locks: 1024, holdNs: 100 }], lineTransferNs: 60 },
      },
    ],
  };
}

describe('a report', () => {
  it('has each figure: times, speed-ups, memory, aging, the ratio to the peer', () => {
    for (const text of [textReport(results()), markdownReport(results()), htmlReport(results())]) {
      for (const figure of ['600\u00a0ms', '310\u00a0ms (×1.94)', '777\u00a0ms', '131\u00a0ns', '×1.07', '3.00 (']) {
        expect(text).toContain(figure);
      }
    }
    expect(htmlReport(results())).toContain('182 bytes');
  });

  it('escapes text, and has no figure that is no number', () => {
    const page = htmlReport(results());
    expect(page).not.toContain('<b>"peer"');
    expect(page).toContain('&lt;b&gt;&quot;peer&quot;&amp;');
    expect(page.replaceAll(/<script>[^]*?<\/script>/g, '')).not.toMatch(/NaN|Infinity|undefined/);
    expect(markdownReport(results())).not.toContain('<b>');
  });
});

describe('bench compare', () => {
  function write(name: string, content: unknown): string {
    const file = join(folder, name);
    writeFileSync(file, JSON.stringify(content));
    return file;
  }

  it('says which figures of two files differ, and which show no difference', () => {
    expect(runCompare([write('a.json', results()), write('b.json', results(1.2))])).toBe(0);
    const rows = out.join('\n').split('\n');
    expect(rows.find((row) => /udp-insert.*ct-bucket.* 1 /.test(row))).toMatch(/1\.200.*differs/);
    expect(rows.find((row) => /udp-insert.*ct-bucket.* 2 /.test(row))).toMatch(/1\.000.*no difference seen/);
  });

  it('draws no conclusion from a single run', () => {
    const single = results();
    single.results = single.results.map((r) => ({ ...r, runsMs: [r.medianMs] }));
    expect(runCompare([write('a.json', results(2)), write('b.json', single)])).toBe(0);
    expect(out.join()).toContain('too few runs');
    expect(out.join()).not.toContain('differs');
  });

  it('refuses files of different machines unless forced', () => {
    const files = [write('a.json', results()), write('b.json', results(1, { cpu: 'Other CPU' }))];
    expect(runCompare(files)).toBe(2);
    expect(err).toHaveLength(1);
    expect(err[0]).toMatch(/different machines: CPU/);
    expect(runCompare(files, { force: true })).toBe(0);
  });

  it('gives no verdict on two states of one machine unless forced, and says so first', () => {
    const quiet = results(1, machineWith(QUIET));
    const slow = results(1.2, machineWith(SLOW_MEMORY));
    const files = [write('a.json', quiet), write('b.json', slow)];
    expect(runCompare(files)).toBe(0);
    const lines = out.join('\n').split('\n');
    expect(lines[2]).toMatch(/^NOT COMPARABLE: B: memory is slow \(262 ns/);
    expect(lines[3]).toBe('NOT COMPARABLE: latency from 64 MB: 90 ns in A, 262 ns in B');
    expect(lines[4]).toMatch(/^So there are no verdicts: .*--wait-quiet.*--force/);
    expect(lines.join()).toMatch(/1\.200.*none: machine states differ/);
    expect(lines.join()).not.toMatch(/│ (differs|no difference seen) /);
    out = [];
    expect(runCompare(files, { force: true })).toBe(0);
    expect(out.join()).toMatch(/NOT COMPARABLE: .*The verdicts were forced\..*1\.200.*differs/s);
  });

  it('marks different states in its JSON, too', () => {
    const files = [
      write('a.json', results(1, machineWith(QUIET))),
      write('b.json', results(1, machineWith(SLOW_MEMORY))),
    ];
    runCompare(files, { json: true });
    const { states, comparisons } = JSON.parse(out[0]!) as ComparedFiles;
    expect(states).toHaveLength(2);
    expect(new Set(comparisons.map(({ verdict }) => verdict))).toEqual(new Set(['none: machine states differ']));
  });

  it('compares files of one quiet state, and files without a probe', () => {
    expect(runCompare([write('a.json', results(1, machineWith(QUIET))), write('b.json', results(1.2))])).toBe(0);
    expect(out.join()).toContain('note: B has no probe of the machine, so its state is unknown');
    expect(out.join()).toMatch(/1\.200.*differs/);
    expect(out.join()).not.toContain('NOT COMPARABLE');
  });

  it('leaves out figures of different work', () => {
    const other = results();
    other.results[0]!.packets = 5;
    expect(runCompare([write('a.json', results()), write('b.json', other)])).toBe(0);
    expect(out.join()).toContain('not the same work, left out: udp-insert, ct-bucket, 1 thread');
  });

  it('refuses a broken file with a one-line error', () => {
    for (const content of [{}, { ...results(), results: [{ workload: 'x' }] }]) {
      err = [];
      expect(runCompare([write('a.json', results()), write('bad.json', content)])).toBe(2);
      expect(err).toHaveLength(1);
      expect(err[0]).toContain('bad.json is not a file of benchmark results');
    }
    expect(runCompare([join(folder, 'none.json'), join(folder, 'none.json')])).toBe(2);
  });
});

describe('bench peer', () => {
  const order: string[] = [];
  const takeOurs = ({ threads, connections }: PeerWork): PeerFigure[] => {
    order.push(`ours ${threads}`);
    return [{ workload: 'udp-insert', threads, connections, packets: connections, ms: 100 / threads }];
  };
  /** A peer that evaluates an expression of its arguments, the numbers `threads` and `connections`. */
  function program(expression: string): string {
    const file = join(folder, 'fakepeer.mjs');
    writeFileSync(file, `const [threads, connections] = process.argv.slice(2).map(Number);\n${expression}\n`);
    return `'${process.execPath}' '${file}' {threads} {connections}`;
  }
  const options = (command: string): PeerOptions => ({
    command,
    name: 'fakepeer',
    workload: 'insert',
    threads: [1, 2],
    connections: 1000,
    runs: 3,
    batch: 32,
    buckets: 1024,
    takeOurs,
  });
  const line = 'JSON.stringify({ workload: "udp-insert", threads, connections, packets: connections, ms: 300 })';

  it('runs the peer and ct-bucket in turn, and shows both in one table with the ratio', async () => {
    const json = join(folder, 'peer.json');
    expect(await runPeer({ ...options(program(`console.log('hello'); console.log(${line})`)), json })).toBe(0);
    expect(order).toEqual(['ours 1', 'ours 2', 'ours 1', 'ours 2', 'ours 1', 'ours 2']);
    const written = JSON.parse(readFileSync(json, 'utf8')) as ResultsFile;
    expect(written.results.map(({ engine, threads, runsMs }) => [engine, threads, runsMs])).toEqual([
      ['ct-bucket', 1, [100, 100, 100]],
      ['fakepeer', 1, [300, 300, 300]],
      ['ct-bucket', 2, [50, 50, 50]],
      ['fakepeer', 2, [300, 300, 300]],
    ]);
    expect(out.join()).toMatch(/rate of ct-bucket \/ fakepeer.*3\.00 \(3\.00 to 3\.00\).*6\.00/);
  });

  it.each([
    ['fails', 'console.error("no table"); process.exit(3)', /the peer failed \(exit code 3\).*no table/],
    ['prints no JSON', 'console.log("done")', /printed no JSON/],
    ['prints broken JSON', 'console.log("{workload")', /not JSON/],
    ['lacks a figure', `console.log(${line.replace(', ms: 300', '')})`, /lacks/],
    ['does other work', `console.log(${line.replace('packets: connections', 'packets: 7')})`, /other work: 7 packets/],
    ['does another workload', `console.log(${line.replace('udp-insert', 'tcp')})`, /no figure of udp-insert/],
  ])('ends with a one-line error and exit code 2 if the peer %s', async (_, expression, message) => {
    expect(await runPeer(options(program(expression)))).toBe(2);
    expect(err).toHaveLength(1);
    expect(err[0]).toMatch(message);
    expect(err[0]).not.toContain('\n');
  });
});
