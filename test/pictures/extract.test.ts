/** What scripts/pictures/extract.mjs takes from result files. */

import { describe, expect, it, vi } from 'vitest';
import { UsageError } from '../../src/core/errors.ts';
import { publicCommand } from '../../scripts/pictures/extract.ts';
import { runExtract } from '../../scripts/pictures/extract-command.ts';
import { find } from '../../scripts/pictures/section.ts';
import { agingFile, busy, extractOf, insertFile, ORIGIN, studyFile } from '../support/picture-data.ts';
import { machineWith, SLOW_MEMORY } from '../support/probe-readings.ts';

describe('an extract', () => {
  it('has medians with intervals, of times, rates, speed-ups and ratios', () => {
    const { figures } = extractOf([insertFile()]);
    const key = { what: 'udp-insert', engine: 'zones', threads: 2 };
    expect(find(figures, { ...key, measure: 'packetNs' })).toMatchObject({ value: 100, low: 98, high: 102, runs: 5 });
    expect(find(figures, { ...key, measure: 'millionConnectionsPerS' })?.value).toBe(10);
    expect(find(figures, { ...key, measure: 'speedUp' })?.value).toBe(2);
    expect(find(figures, { ...key, measure: 'timesOfOurs' })?.value).toBe(2);
    expect(find(figures, { ...key, engine: 'ct-bucket', measure: 'timesOfOurs' })).toBeUndefined();
    expect(find(figures, { ...key, threads: 1, measure: 'speedUp' })).toBeUndefined();
  });

  it('counts the connections that a workload opened one after another', () => {
    const file = insertFile([1], ['ct-bucket']) as { results: object[] };
    const results = file.results.map((result) => ({ ...result, lives: 5_000_000 }));
    const { figures } = extractOf([{ ...file, results }]);
    expect(find(figures, { measure: 'millionConnectionsPerS' })?.value).toBe(50);
  });

  it('has no connections a second of a flush', () => {
    const file = insertFile([1], ['ct-bucket']) as { results: object[] };
    const results = file.results.map((result) => ({ ...result, workload: 'zones-flush-full' }));
    const { figures } = extractOf([{ ...file, results }]);
    expect(new Set(figures.map(({ measure }) => measure))).toEqual(new Set(['packetNs']));
  });

  it('has no interval of fewer than three runs', () => {
    const file = insertFile([1], ['ct-bucket']) as { results: { runsMs: number[] }[] };
    const results = file.results.map((result) => ({ ...result, runsMs: result.runsMs.slice(0, 2) }));
    const [figure] = extractOf([{ ...file, results }]).figures;
    expect(figure).toMatchObject({ runs: 2 });
    expect(figure).not.toHaveProperty('low');
  });

  it('keeps numbers of TCP connections side by side apart', () => {
    const { figures } = extractOf([insertFile(), { ...insertFile(), options: { window: 32 } }]);
    expect(figures.some(({ what }) => what === 'udp-insert')).toBe(true);
    expect(figures.some(({ what }) => what === 'udp-insert, 32 side by side')).toBe(true);
  });

  it('takes lag, CPU, memory and tail from the samples of aging', () => {
    const { figures } = extractOf([agingFile()]);
    const key = { engine: 'ct-bucket', buckets: 1024, connections: 1_000_000 };
    const valueOf = (measure: (typeof figures)[number]['measure']) => find(figures, { ...key, measure })?.value;
    expect(valueOf('lagP99Ms')).toBe(500);
    expect(valueOf('sweeperCpuPercent')).toBe(5);
    expect(valueOf('batchTailTimes')).toBe(1.1);
    expect(valueOf('bytesPerConnection')).toBe(160);
    expect(find(figures, { ...key, connections: 10_000, measure: 'bytesPerConnection' })).toBeUndefined();
  });

  it('compares the choices of a study with the first', () => {
    const { figures } = extractOf([studyFile()]);
    expect(find(figures, { engine: 'Node 24', measure: 'timesOfFirst' })?.value).toBe(0.9);
    expect(find(figures, { engine: 'Node 20', measure: 'timesOfFirst' })).toBeUndefined();
  });

  it('compares each packet path of a runtime with the same path of the first runtime', () => {
    const engines = ['Node 20, JavaScript', 'Node 20, module', 'Bun, JavaScript'];
    const { figures } = extractOf([{ ...insertFile([1], engines), benchmark: 'study runtime' }]);
    const ratios = figures.filter(({ measure }) => measure === 'timesOfFirst');
    expect(ratios.map(({ engine, what, value }) => [engine, what, value])).toEqual([
      ['Bun', 'udp-insert, JavaScript', 3],
      ['Bun', 'udp-lookup, JavaScript', 3],
    ]);
  });

  it('names command, date, machine and every doubt', () => {
    const { sources } = extractOf([insertFile(), busy(studyFile(), machineWith(SLOW_MEMORY))]);
    expect(sources[0]).toMatchObject({
      command: ORIGIN.command,
      date: '2026-11-30',
      machine: { cores: 2, doubts: [] },
    });
    expect(sources[0]!.machine.state).toMatch(/^this machine: memory 90 ns/);
    expect(sources[1]!.machine.doubts.join()).toMatch(/memory is slow \(262 ns/);
  });

  it('keeps the first of two figures of the same work', () => {
    const { figures } = extractOf([insertFile([1], ['ct-bucket']), insertFile([1], ['ct-bucket', 'zones'])]);
    const ours = figures.filter(
      ({ engine, measure, what }) => engine + measure + what === 'ct-bucketpacketNsudp-insert',
    );
    expect(ours).toMatchObject([{ source: 0 }]);
  });

  it('refuses files that tell too little, in a line', () => {
    const anonymous = { ...insertFile(), command: undefined };
    expect(() => extractOf([anonymous])).toThrow(/does not tell its command and date: give --command and --date/);
    expect(extractOf([anonymous], () => true, { command: 'x' }).sources[0]!.command).toBe('x');
    expect(() => extractOf([{ ...ORIGIN }])).toThrow(/it has no machine/);
    expect(() => extractOf([insertFile()], () => false)).toThrow(UsageError);
    expect(() => extractOf([{ ...insertFile(), finishedAt: 'yesterday, or so' }])).toThrow(/form YYYY-MM-DD/);
  });
});

it('a published command names no output file, and no folder of the machine', () => {
  const command =
    "ct-bucket bench peer --json /tmp/a/b.json --wait-quiet 5m --command '/home/me/c/peer {workload}' --runs 5";
  expect(publicCommand(command)).toBe("ct-bucket bench peer --command './peer {workload}' --runs 5");
});

it.each([
  ['no section', [], /^extract: usage: /],
  ['an unknown section', ['none', 'x.json'], /^extract: there is no section none; there are split, wheel/],
  ['a file that is not there', ['split', '/nowhere/x.json'], /^extract: .*x\.json cannot be read/],
  ['an unknown option', ['split', 'x.json', '--x'], /^extract: .*--x/],
])('the command refuses %s with exit code 2', (_what, args, says) => {
  const said: string[] = [];
  const spy = vi.spyOn(console, 'error').mockImplementation((line: string) => void said.push(line));
  try {
    expect(runExtract(args)).toBe(2);
    expect(said).toEqual([expect.stringMatching(says)]);
  } finally {
    spy.mockRestore();
  }
});
