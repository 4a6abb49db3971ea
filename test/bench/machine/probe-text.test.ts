/** The lines about the state of the machine, and where they stand. */

import { describe, expect, it } from 'vitest';
import type { MachineFingerprint } from '../../../bench/machine/machine.ts';
import { doubtText, machineLine, probeLines } from '../../../bench/machine/probe-text.ts';
import { analyse } from '../../../bench/report/analysis.ts';
import { firstLook } from '../../../bench/report/first-look.ts';
import { htmlReport } from '../../../bench/report/html.ts';
import { markdownReport, textReport } from '../../../bench/report/report.ts';
import type { ResultsFile } from '../../../bench/report/results-file.ts';
import { parseResults } from '../../../bench/report/results-reader.ts';
import { jsonText } from '../../../src/host/output-files.ts';
import { BARE, machineWith, QUIET, SLOW_MEMORY } from '../../support/probe-readings.ts';

const QUIET_LINE =
  'this machine: memory 90 ns from 64 MB, as usual, 16.0 ns from 8 MB, 9.0 ns from 1 MB, 1.7 ns from 16 KB; ' +
  'atomic operation 8.7 ns, arithmetic step 1.1 ns; steal 0.0 %, load 0.1, no other threads running';

describe('the line about the machine', () => {
  it('gives every figure of the probe', () => {
    expect(machineLine(machineWith(QUIET))).toBe(QUIET_LINE);
  });

  it('says how many times as slow as usual the memory is', () => {
    expect(machineLine(machineWith(SLOW_MEMORY))).toContain(
      'memory 262 ns from 64 MB, 3.2 times as slow as usual for a processor of this clock (81 ns), 205 ns from 8 MB',
    );
  });

  it('gives both figures if they changed, and the mean if they did not', () => {
    expect(machineLine(machineWith(QUIET, SLOW_MEMORY))).toContain('memory 90 ns, then 262 ns from 64 MB, 2.2 times');
    const like = { ...QUIET, loadNs: { ...QUIET.loadNs, '64M': 100 } };
    expect(machineLine(machineWith(QUIET, like))).toContain('memory 95 ns from 64 MB, as usual');
  });

  it('leaves out what the system does not report', () => {
    const machine = { ...machineWith(), probe: { before: BARE, after: BARE } };
    expect(machineLine(machine)).toBe(
      'this machine: memory not measured; atomic operation 8.7 ns, arithmetic step 1.1 ns; load 0.1',
    );
    expect(machineLine(machineWith())).toBeUndefined();
  });

  it('names the busiest other processes', () => {
    const busy = { ...QUIET, runnableOthers: 2, busiest: [{ name: 'cc1plus', cpuPercent: 97 }] };
    expect(machineLine(machineWith(QUIET, busy))).toMatch(/2 other threads running \(cc1plus 97 %\)$/);
  });
});

describe('the line of doubt', () => {
  it('is one line with all reasons, and is missing for a quiet machine', () => {
    expect(doubtText(machineWith(QUIET))).toBeUndefined();
    expect(doubtText(machineWith(SLOW_MEMORY))).toBe(
      'NOT QUIET: memory is slow (262 ns from 64 MB, usual: 81 ns); caches are slow (205 ns from 8 MB, usual: 16.2 ns): ' +
        'these figures cannot be trusted, and nothing is concluded from them',
    );
    expect(doubtText({ ...machineWith(SLOW_MEMORY), loadAverage1m: 3 })).toMatch(/^OVERLOADED: the load was 3\.0 /);
    expect(probeLines(machineWith(SLOW_MEMORY))).toHaveLength(2);
  });
});

describe('a report', () => {
  const file = (machine: MachineFingerprint): ResultsFile => ({
    benchmark: 'insert',
    machine,
    options: {},
    results: [1, 2, 4].map((threads) => ({
      workload: 'udp-insert',
      engine: 'ct-bucket',
      threads,
      connections: 1000,
      packets: 1000,
      medianMs: 100 / threads + threads,
      runsMs: [100, 100, 100].map((ms) => ms / threads + threads),
    })),
  });
  const simulation = [
    {
      workload: 'udp-insert',
      engine: 'ct-bucket',
      work: { outsideNs: 500, sections: [{ locks: 1024, holdNs: 100 }], lineTransferNs: 60 },
    },
  ];
  const formats = [textReport, markdownReport, htmlReport];

  it('has the line about the machine in every format', () => {
    for (const format of formats) {
      expect(format(file(machineWith(QUIET)))).toContain(QUIET_LINE);
      expect(format(file(machineWith(QUIET)))).not.toMatch(/NOT QUIET|OVERLOADED/);
      expect(format(file(machineWith(SLOW_MEMORY)))).toContain('NOT QUIET: memory is slow');
      expect(format(file(machineWith()))).not.toContain('this machine:');
    }
  });

  it('of a machine that was not quiet fits no law, predicts nothing, and vouches for no figure', () => {
    const engineOf = (machine: MachineFingerprint) => analyse({ ...file(machine), simulation })[0]!.engines[0]!;
    expect(engineOf(machineWith(QUIET))).toMatchObject({ law: {}, simulation: {} });
    expect(engineOf(machineWith(SLOW_MEMORY))).toMatchObject({ law: undefined, simulation: undefined });
    expect(firstLook(file(machineWith(QUIET))).join()).toContain('for a first look the figures can be trusted');
    const busy = firstLook(file(machineWith(SLOW_MEMORY))).join();
    expect(busy).toContain('NOT QUIET: memory is slow');
    expect(busy).not.toContain('the figures can be trusted');
  });

  it('reads the probe back from JSON, reads files without one, and names a wrong member', () => {
    const written = file(machineWith(QUIET, SLOW_MEMORY));
    expect(parseResults(jsonText(written), 'a.json')).toEqual(written);
    expect(parseResults(jsonText(file(machineWith())), 'a.json').machine.probe).toBeUndefined();
    const broken = structuredClone(written);
    broken.machine.probe!.after.loadNs['64M'] = 'slow' as unknown as number;
    expect(() => parseResults(jsonText(broken), 'a.json')).toThrow(
      /a\.json is not a file of benchmark results: machine\.probe\.after\.loadNs(\.|\[)"?64M"?\]? must be a number above 0, not "slow"/,
    );
  });
});
