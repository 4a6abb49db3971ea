/** The page answers first: which engine is fastest, how does each scale, may the reader believe it? */

import { describe, expect, it } from 'vitest';
import { htmlReport } from '../../../bench/report/html.ts';
import type { ResultsFile } from '../../../bench/report/results-file.ts';
import { machineWith, QUIET, SLOW_MEMORY } from '../../support/probe-readings.ts';
import { pageOf, REPORTS, resultsOf, sectionOf } from '../../support/report-files.ts';

const headingsIn = (page: string): string[] => Array.from(page.matchAll(/<h2>([^<]+)/g), ([, heading]) => heading!);

/** Results of two engines that differ by a factor. */
function duel(factor: number, packets = 1000): ResultsFile {
  const runs = (ms: number, count = 1000) => ({
    workload: 'udp-insert',
    threads: 1,
    connections: 1000,
    packets: count,
    medianMs: ms,
    runsMs: [ms - 1, ms - 0.5, ms, ms + 0.5, ms + 1],
  });
  return {
    ...resultsOf('one-engine'),
    results: [
      { engine: 'ct-bucket', ...runs(100) },
      { engine: 'other', ...runs(100 * factor, packets) },
    ],
  };
}

describe('which is fastest', () => {
  it.each(REPORTS)('comes first on the page of %s', (name) => {
    const [first, ...others] = headingsIn(pageOf(name));
    expect(first).toBe('Which is fastest?');
    expect(others.filter((heading) => heading.endsWith('?')).at(-1)).toBe('How was it measured?');
    expect(others.indexOf('May I believe it?')).toBeLessThan(others.indexOf('All figures'));
  });

  it('names the fastest engine with the interval of its lead, on all cores and on one thread', () => {
    const text = sectionOf(pageOf('three-engines'), 'Which is fastest?');
    expect(text).toMatch(/udp-insert on 4 threads ?On 4 threads ct-bucket is the fastest: \d\.\d\d to \d\.\d\d times/);
    expect(text).toMatch(/On 1 thread ct-bucket is the fastest: 1\.\d\d to 1\.\d\d times the rate of ct-scale/);
  });

  it('says that two engines show no difference if their interval contains one', () => {
    expect(htmlReport(duel(1.001))).toContain('On 1 thread ct-bucket and other show no difference (');
    expect(htmlReport(duel(1.2))).toContain('On 1 thread ct-bucket is the fastest: 1.');
  });

  it('compares rates, also if one engine had more packets', () => {
    expect(htmlReport(duel(1.2, 3000))).toContain('On 1 thread other is the fastest: 2.');
  });

  it('compares on the greatest number of threads that had a core each', () => {
    const page = pageOf('more-threads-than-cores');
    expect(sectionOf(page, 'Which is fastest?')).toContain('udp-insert on 2 threads');
    expect(sectionOf(page, 'May I believe it?')).toContain('2 cores served up to 4 threads');
  });

  it('has nothing to compare if there is one engine', () => {
    const text = sectionOf(pageOf('one-engine'), 'Which is fastest?');
    expect(text).toMatch(/On 1 thread ct-bucket does [\d.]+\u00a0Mpps\. No other engine was measured\./);
  });
});

describe('how does it scale', () => {
  it('gives each speed-up with its interval, and the bound of the machine', () => {
    expect(sectionOf(pageOf('three-engines'), 'How does it scale?')).toMatch(
      /Times the rate of one thread, on 4 threads: ct-bucket 3\.\d\d \(3\.\d\d to 3\.\d\d\); baseline 0\.\d\d [^.]*.*With a table for each thread it is 3\.\d\d\./,
    );
  });

  it('is left out if there is one number of threads', () => {
    expect(headingsIn(pageOf('one-engine'))).not.toContain('How does it scale?');
  });
});

describe('may I believe it', () => {
  it('is yes on a quiet machine with steady runs', () => {
    expect(pageOf('three-engines')).toContain('<strong>May I believe it?</strong> Yes');
    expect(pageOf('three-engines')).not.toContain('<div class="loud"');
  });

  it('is no on a busy machine: the page says so above all figures, and concludes nothing', () => {
    const page = pageOf('busy-machine');
    const loud = page.indexOf('<div class="loud" role="note">');
    expect(loud).toBeGreaterThan(0);
    expect(loud).toBeLessThan(page.indexOf('<h2>'));
    expect(page.slice(loud, page.indexOf('<h2>'))).toMatch(
      /<strong>May I believe it\? No\. Do not draw conclusions[^]*OVERLOADED: the load was 7\.3/,
    );
    expect(page).not.toContain('is the fastest');
    expect(page).not.toContain('show no difference');
    expect(page).not.toContain('Times the rate of one thread, on');
    expect(page).toContain('No conclusion, because the machine was not quiet.');
    expect(headingsIn(page)).not.toContain('What would more cores bring?');
  });

  it('is no if a probe found slow memory, and both lines of the probe stand above all figures', () => {
    const file = resultsOf('three-engines');
    const slow = htmlReport({ ...file, machine: { ...file.machine, probe: machineWith(SLOW_MEMORY).probe! } });
    const head = slow.slice(0, slow.indexOf('<h2>'));
    expect(head).toMatch(/<div class="loud" role="note">[^]*NOT QUIET: memory is slow[^]*This machine: memory 262 ns/);
    expect(slow).not.toContain('is the fastest');
  });

  it('is yes if the probes found a quiet machine, whose line stands above all figures', () => {
    const file = resultsOf('three-engines');
    const page = htmlReport({ ...file, machine: { ...file.machine, probe: machineWith(QUIET).probe! } });
    const head = page.slice(0, page.indexOf('<h2>'));
    expect(head).toContain('<strong>May I believe it?</strong> Yes');
    expect(head).toContain('<p class="soft">This machine: memory 90');
    expect(head).not.toContain('class="loud"');
  });

  it('is no after one run', () => {
    const page = pageOf('one-run');
    expect(page).toContain('Each figure was measured once. That does not tell a difference from chance.');
    expect(page).toContain('No conclusion, because there are fewer than 3 runs.');
    expect(page).not.toContain('is the fastest');
    expect(page).not.toContain('95 % interval');
  });

  it.each<[what: string, change: (file: ResultsFile) => void, says: RegExp]>([
    [
      'a load below the cores',
      ({ machine }) => (machine.loadAverage1m = 2),
      /load was 2\.00 on 4 cores .*An idle machine/,
    ],
    ['steal time', ({ machine }) => (machine.stealPercent = 7), /waited 7\.00 % of the time for the host/],
    [
      'few runs',
      ({ results }) => results.forEach((each) => each.runsMs.splice(3)),
      /measured 3 times\. With fewer than 5/,
    ],
    [
      'runs far apart',
      ({ results }) => results[0]!.runsMs.push(900),
      /Equal runs lie up to \d+\.\d.% apart \(udp-insert, ct-bucket, 1 thread\)/,
    ],
  ])('is with care after %s', (_what, change, says) => {
    const file = resultsOf('one-engine');
    change(file);
    const page = htmlReport(file);
    expect(page).toContain('<strong>May I believe it?</strong> With care');
    expect(sectionOf(page, 'May I believe it?')).toMatch(says);
  });
});
