/** Result files of invented measurements, for tests of docs/pictures. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { MachineFingerprint } from '../../bench/machine/machine.ts';
import type { Extract, Figure } from '../../scripts/pictures/data.ts';
import { extract } from '../../scripts/pictures/extract.ts';
import { machineWith, QUIET } from './probe-readings.ts';

const ENGINES = ['ct-bucket', 'zones', 'shards', 'baseline', 'Open vSwitch'];
const SPREAD = [1, 0.98, 1.02, 0.99, 1.01];

export const ORIGIN = { command: 'ct-bucket bench insert --threads 1,2', finishedAt: '2026-11-30T01:02:03.000Z' };
export const QUIET_MACHINE = machineWith(QUIET);

/** Results of insertion and lookup. Engine number n takes n + 1 times as long as the first. */
export function insertFile(threads: readonly number[] = [1, 2], engines: readonly string[] = ENGINES): object {
  const results = ['udp-insert', 'udp-lookup'].flatMap((workload) =>
    threads.flatMap((count) =>
      engines.map((engine, number) => {
        const runsMs = SPREAD.map((times) => (100 * (number + 1) * times) / count);
        return { workload, engine, threads: count, connections: 1_000_000, packets: 1_000_000, medianMs: 0, runsMs };
      }),
    ),
  );
  return { ...ORIGIN, benchmark: 'insert', machine: QUIET_MACHINE, options: {}, results };
}

export function agingFile(): object {
  const sizes = [10_000, 1_000_000];
  const samplesOf = (cpu: number) =>
    SPREAD.map((times) => ({
      lagMs: { p50: 250 * times, p99: 500 * times, max: 510 },
      sweeperCpuPercent: cpu * times,
      nsPerRemoved: 500 * times,
      bytesPerConnection: 160,
      latencyUs: { with: { p50: 1, p99: 2, p999: 22 }, without: { p50: 1, p99: 2, p999: 20 } },
    }));
  const aging = sizes.flatMap((connections) => [
    { engine: 'ct-bucket', buckets: 256, connections, samples: samplesOf(0.1) },
    { engine: 'ct-bucket', buckets: 1024, connections, samples: samplesOf(5) },
    { engine: 'wheel', buckets: 1024, connections, samples: samplesOf(0.05) },
  ]);
  const all = aging.map((each) => ({ ...each, bytesPerConnection: each.connections < 200_000 ? null : 160 }));
  return { ...ORIGIN, benchmark: 'aging', machine: QUIET_MACHINE, options: { threads: 1 }, results: [], aging: all };
}

export function studyFile(): object {
  const rows = [
    ['Node 20', 100],
    ['Node 24', 90],
    ['Bun', 600],
  ].map(([choice, ms]) => ({
    choice,
    result: 'udp-insert',
    threads: 1,
    packets: 1_000_000,
    runsMs: SPREAD.map((times) => (ms as number) * times),
  }));
  return { ...ORIGIN, study: 'runtime', machine: QUIET_MACHINE, options: { connections: 400_000, runs: 5 }, rows };
}

export function busy(file: object, machine: MachineFingerprint): object {
  return { ...file, machine };
}

/** Writes files, and makes an extract of them. */
export function extractOf(
  files: readonly object[],
  isWanted: (figure: Figure) => boolean = () => true,
  options: Parameters<typeof extract>[2] = {},
): Extract {
  const folder = mkdtempSync(join(tmpdir(), 'ct-bucket-pictures-'));
  try {
    const paths = files.map((file, index) => {
      const path = join(folder, `results-${index}.json`);
      writeFileSync(path, JSON.stringify(file));
      return path;
    });
    return extract(paths, isWanted, options);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
