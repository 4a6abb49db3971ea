/** Valid files of every kind that commands read. The fuzzer breaks them. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { MachineFingerprint } from '../../bench/machine/machine.ts';
import type { ProfileFile } from '../../bench/profile/run.ts';
import { noFigures } from '../../bench/profile/model.ts';
import type { RawPair } from '../../bench/regress/samples/cases.ts';
import { checkConfig } from '../../bench/regress/config.ts';
import { historyEntryOf } from '../../bench/regress/report/result-file.ts';
import { conclude, type RegressResult } from '../../bench/regress/run.ts';
import type { ResultsFile } from '../../bench/report/results-file.ts';
import { seededRandom } from '../../bench/statistics/statistics.ts';

const MACHINE: MachineFingerprint = {
  cpu: 'Example CPU',
  cores: 2,
  memoryBytes: 1,
  kernel: '6',
  node: 'v20.0.0',
  v8: '11',
  nodeOptions: '',
  flags: [],
  loadAverage1m: 0,
};

export const CONFIG: unknown = JSON.parse(
  readFileSync(join(import.meta.dirname, '..', '..', 'ct-bucket.regress.json'), 'utf8'),
);

function verdict(name: string): RegressResult {
  const config = checkConfig({
    cases: [{ name, workload: 'insert', threads: 1, connections: 1000, gates: { time: 2, memory: 3 } }],
  });
  const random = seededRandom(7);
  const ms = (of: number) => ({
    timesMs: { 'udp-insert': of * (1 + (random() - 0.5) / 100) },
    bytesPerConnection: 150,
  });
  const pairs = (['same', 'first', 'confirming'] as const).flatMap((phase, i) =>
    Array.from({ length: 6 }, (_, pair): RawPair & { phase: string } => {
      return { case: name, phase, round: i * 6 + pair, order: 'ab', a: ms(10), b: ms(10.1) };
    }),
  );
  return {
    format: 'ct-bucket regress',
    base: { label: 'main', commit: 'aaaaaaaaaaaaaaaa' },
    head: { label: 'HEAD', commit: 'bbbbbbbbbbbbbbbb' },
    machine: MACHINE,
    time: '2026-01-01T00:00:00.000Z',
    seed: 1,
    config,
    shard: '1/2',
    pairs,
    ...conclude(config, pairs),
    tookSeconds: 60,
  };
}

export const VERDICTS: RegressResult[] = ['insert', 'lookup'].map(verdict);

export const HISTORY: unknown[] = Array.from({ length: 12 }, (_, i) => ({
  ...historyEntryOf(VERDICTS[0]!),
  commit: `c${i}`,
  timesMs: { 'insert, udp-insert': i < 6 ? 10 + (i % 3) / 10 : 12 + (i % 3) / 10 },
}));

export const RESULTS: ResultsFile = {
  benchmark: 'insert',
  machine: MACHINE,
  options: { connections: 1000, threads: [1] },
  results: ['udp-insert', 'udp-lookup'].map((workload) => ({
    workload,
    engine: 'ct-bucket',
    threads: 1,
    connections: 1000,
    packets: 1000,
    medianMs: 1.5,
    runsMs: [1.4, 1.5, 1.7, 1.4, 1.5],
    bytesPerConnection: 150,
  })),
};

const times = {
  count: 2,
  total: 300,
  min: 100,
  max: 200,
  bins: [
    [50, 1],
    [60, 1],
  ] as [number, number][],
};

export const PROFILE: ProfileFile = {
  format: 'ct-bucket profile',
  what: 'insert, ct-bucket, 2 threads',
  machine: MACHINE,
  options: { threads: 2 },
  durationMs: 12.5,
  profile: {
    version: 1,
    sampleEvery: 64,
    sites: [
      { name: 'insert', lock: 'bucket' },
      { name: 'sweep', lock: 'bucket' },
    ],
    threads: [0, 1].map((thread) => ({
      thread,
      role: thread === 0 ? 'pmd' : 'sweeper',
      sites: [
        {
          ...noFigures(),
          acquisitions: 100,
          contended: 2,
          wait: times,
          hold: times,
          site: thread,
          lockClass: 1,
          firstMs: 1,
          lastMs: 2,
          byThread: [{ thread: 1 - thread, waits: 2, ns: 300, long: 0, longNs: 0 }],
          bySite: [{ site: 1 - thread, waits: 2, ns: 300, long: 0, longNs: 0 }],
        },
      ],
    })),
    buckets: {
      entries: [1, 2],
      lines: [2, 2],
      displaced: [0, 0],
      acquisitions: [10, 20],
      contended: [1, 1],
      waitNs: [100, 200],
    },
  },
};
