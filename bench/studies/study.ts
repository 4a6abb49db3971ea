/** `ct-bucket bench study NAME`: the cost of each alternative to a choice of the design. */

import { join } from 'node:path';
import Table from 'cli-table3';
import { machineFingerprint } from '../machine/machine.ts';
import { IN_JAVASCRIPT, sampleOf, showProgress } from '../samples/samples.ts';
import { counted } from '../../src/host/terminal.ts';
import { median, medianRatio } from '../statistics/statistics.ts';
import { buildVariant, type Patch, type Variant } from './variants.ts';
import { VoidRunError } from '../suite/workload-bench.ts';
import type { WorkloadSample, WorkloadSampleOptions } from '../samples/workload-options.ts';

interface Choice {
  name: string;
  options?: Partial<WorkloadSampleOptions>;
  patches?: readonly Patch[];
  environment?: Readonly<Record<string, string>>;
}

interface Study {
  question: string;
  /** The workloads and threads to measure for each choice. */
  works: readonly Pick<WorkloadSampleOptions, 'workload' | 'threads'>[];
  /** The choices. The first is the reference of the ratios. */
  choices: readonly Choice[];
}

const INSERT_ON_1_AND_2 = [
  { workload: 'insert', threads: 1 },
  { workload: 'insert', threads: 2 },
] as const;

const BUCKET_OF: Omit<Patch, 'replace'> = {
  path: 'src/core/table/bucket-index.ts',
  find: /this\.shift === 32 \? 0 : hash >>> this\.shift/,
};
const SPIN_BOUND: Omit<Patch, 'replace'> = {
  path: 'src/shared/sync/lock-wait.ts',
  find: /Math\.min\(1e3, owner\.spinEstimate \* 2 \+ 10\)/,
};

/** Removes the scheduling points from the access seam. */
const BARE_SEAM: readonly Patch[] = [
  /* load ... poke, pause: keep the last part of "CHECKED ? (...) => { hook, access } : access". */
  { path: 'src/shared/access.ts', find: /= CHECKED\s*\? \([^]*?\}\s*: /, replace: '= ' },
  /* wait and notify: remove the hook. */
  { path: 'src/shared/access.ts', find: /if \(CHECKED\) \{\s*at\([^]*?\n\t\}\n/, replace: '' },
];

export const STUDIES = {
  buckets: {
    question: 'How many buckets?',
    works: INSERT_ON_1_AND_2,
    choices: [1024, 1, 4, 16, 64, 256, 4096, 16_384].map((buckets) => ({
      name: `${buckets} bucket${buckets === 1 ? '' : 's'}`,
      options: { buckets },
    })),
  },
  batch: {
    question: 'How many packets in a batch?',
    works: INSERT_ON_1_AND_2,
    choices: [32, 16, 8, 4, 2, 1].map((batchSize) => ({
      name: `batches of ${batchSize}`,
      options: { batchSize },
    })),
  },
  window: {
    question: 'How many connections should talk side by side? The more, the colder is each for its next packet.',
    works: [
      { workload: 'tcp-life', threads: 1 },
      { workload: 'tcp-data', threads: 1 },
    ],
    choices: [
      { name: 'all' },
      { name: '65536', options: { window: 65536 } },
      { name: '4096', options: { window: 4096 } },
      { name: '256', options: { window: 256 } },
      { name: '32', options: { window: 32 } },
    ],
  },
  module: {
    question: 'WebAssembly or JavaScript for the path of a packet?',
    works: [
      { workload: 'insert', threads: 1 },
      { workload: 'insert', threads: 2 },
      { workload: 'tcp-life', threads: 1 },
      { workload: 'tcp-data', threads: 1 },
    ],
    choices: [{ name: 'the packet module' }, { name: 'JavaScript', environment: IN_JAVASCRIPT }],
  },
  prefault: {
    question: 'Commit memory before the start, or on first use?',
    works: INSERT_ON_1_AND_2,
    choices: [
      { name: 'prefaulted', options: { prefaulted: true } },
      { name: 'on first use', options: { prefaulted: false } },
    ],
  },
  bits: {
    question: 'Which bits of the hash should choose the bucket? The low ones choose the line in it.',
    works: INSERT_ON_1_AND_2,
    choices: [
      { name: 'high bits' },
      { name: 'low bits', patches: [{ ...BUCKET_OF, replace: '(hash & (this.bucketCount - 1))' }] },
    ],
  },
  spin: {
    question: 'How long should a thread spin before it sleeps, with few locks?',
    works: [{ workload: 'insert', threads: 2 }],
    choices: [
      { name: 'adaptive, 4 buckets', options: { buckets: 4 } },
      { name: '1000 tries', options: { buckets: 4 }, patches: [{ ...SPIN_BOUND, replace: '1000' }] },
      { name: '100 tries', options: { buckets: 4 }, patches: [{ ...SPIN_BOUND, replace: '100' }] },
      { name: 'sleeps at once', options: { buckets: 4 }, patches: [{ ...SPIN_BOUND, replace: '0' }] },
      { name: 'never sleeps', options: { buckets: 4 }, patches: [{ ...SPIN_BOUND, replace: '1e9' }] },
    ],
  },
  seam: {
    question:
      'What does the interface between tracker and engine cost ct-bucket? Compare a build without the calls that do nothing.',
    works: [
      { workload: 'insert', threads: 1 },
      { workload: 'tcp-data', threads: 1 },
    ],
    choices: [
      { name: 'as it is' },
      {
        name: 'ct-bucket only',
        patches: [
          {
            path: 'src/core',
            find: /tracker\.expiry\.(?:linkedLocked|linked|changed|extendUnlocked|unlinkedLocked)\([^;]*\);/,
            replace: '',
          },
          { path: 'src/core', find: /\blinkedIntent !== 0/, replace: 'false' },
        ],
      },
    ],
  },
  'scheduling-points': {
    question: 'What do scheduling points and the checked mode cost when they are off? Compare builds without them.',
    works: [...INSERT_ON_1_AND_2, { workload: 'tcp-data', threads: 1 }],
    choices: [
      { name: 'as it is' },
      { name: 'bare Atomics', patches: BARE_SEAM },
      {
        name: 'and neither checker nor profiler',
        patches: [
          ...BARE_SEAM,
          {
            path: 'src/shared/access.ts',
            find: /CHECKED = process\.env\["CT_CHECKED"\] === "1"/,
            replace: 'CHECKED = false',
          },
          { path: 'src/shared/sync/lock-profile.ts', find: /PROFILED = sampleEvery > 0/, replace: 'PROFILED = false' },
        ],
      },
    ],
  },
  sweeper: {
    question: 'What do the marks for the sweeper in the index lines cost? Compare a build without them.',
    works: [
      { workload: 'insert', threads: 1 },
      { workload: 'tcp-life', threads: 1 },
    ],
    choices: [
      { name: 'with marks' },
      {
        name: 'without',
        patches: [
          { path: 'src/core/table/bucket-table.ts', find: /poke\(words, line \+ 15, 0\);/, replace: '' },
          {
            path: 'src/core/engines/word-expiry.ts',
            find: /if \(\(expires - before \| 0\) < [^)]*\)/,
            replace: 'if (false)',
          },
        ],
      },
    ],
  },
} as const satisfies Record<string, Study>;

export type StudyName = keyof typeof STUDIES;
export const STUDY_NAMES = Object.keys(STUDIES) as StudyName[];

export interface StudyOptions {
  connections: number;
  runs: number;
}

interface StudyRow {
  choice: string;
  result: string;
  threads: number;
  packets: number;
  runsMs: number[];
}

export interface StudyResults {
  study: StudyName;
  machine: ReturnType<typeof machineFingerprint>;
  options: StudyOptions;
  rows: StudyRow[];
}

/** Measures a study and prints its table. @throws VoidRunError */
export async function runStudy(name: StudyName, options: StudyOptions): Promise<StudyResults> {
  const study: Study = STUDIES[name];
  const variants: Variant[] = [];
  const rows = new Map<string, StudyRow>();
  try {
    for (const { name: choice, patches = [] } of study.choices) {
      showProgress(`building: ${choice}`);
      variants.push(await buildVariant(patches));
    }
    for (let run = 0; run < options.runs; run++) {
      for (const work of study.works) {
        for (const [index, choice] of study.choices.entries()) {
          showProgress(
            `run ${run + 1} of ${options.runs}: ${work.workload}, ${counted(work.threads, 'thread')}, ${choice.name}`,
          );
          const sample = await takeFrom(
            variants[index]!.dist,
            { ...work, ...options, ...choice.options },
            environmentOf(study, choice),
          );
          if (sample.error !== undefined) {
            throw new VoidRunError(`run ${run + 1} of ${choice.name} is void: ${sample.error}`);
          }
          for (const { name: result, ms, packets } of sample.results) {
            const key = `${choice.name} ${result} ${work.threads}`;
            const row = rows.get(key) ?? { choice: choice.name, result, threads: work.threads, packets, runsMs: [] };
            row.runsMs.push(ms);
            rows.set(key, row);
          }
        }
      }
    }
  } finally {
    showProgress('');
    for (const variant of variants) {
      variant.remove();
    }
  }
  const results = { study: name, machine: machineFingerprint(), options, rows: [...rows.values()] };
  print(study, results);
  return results;
}

/** A patch changes the JavaScript. So all choices of its study run that. */
function environmentOf({ choices }: Study, { environment = {} }: Choice): Readonly<Record<string, string>> {
  return choices.some(({ patches }) => patches !== undefined) ? IN_JAVASCRIPT : environment;
}

function takeFrom(
  dist: string,
  { workload, threads, connections, ...rest }: Partial<WorkloadSampleOptions> & Omit<StudyOptions, 'runs'>,
  environment: Readonly<Record<string, string>>,
): Promise<WorkloadSample> {
  const options: WorkloadSampleOptions = {
    workload: workload!,
    threads: threads!,
    connections,
    batchSize: rest.batchSize ?? 32,
    buckets: rest.buckets ?? 1024,
    prefaulted: rest.prefaulted ?? true,
    ...(rest.window === undefined ? {} : { window: rest.window }),
  };
  return sampleOf<WorkloadSample>(join(dist, 'bench', 'samples', 'workload-sample.js'), options, environment);
}

function print({ question, choices }: Study, { rows, options }: StudyResults): void {
  const columns = [...new Set(rows.map(({ result, threads }) => `${result}, ${threads}`))];
  const find = (choice: string, column: string) =>
    rows.find((row) => row.choice === choice && `${row.result}, ${row.threads}` === column)!;
  const first = choices[0]!.name;
  const table = new Table({
    head: ['', ...columns.map((column) => `${column} thread${column.endsWith(' 1') ? '' : 's'}`)],
    style: { head: [], border: [] },
    colAligns: ['left', ...columns.map(() => 'right' as const)],
  });
  for (const { name } of choices) {
    table.push([
      name,
      ...columns.map((column) => {
        const row = find(name, column);
        const ms = median(row.runsMs);
        const time = `${ms.toFixed(1)} ms, ${((ms * 1e6) / row.packets).toFixed(0)} ns a packet`;
        if (name === first || options.runs < 2) {
          return time;
        }
        const { ratio, low, high } = medianRatio(row.runsMs, find(first, column).runsMs);
        return `${time}\n×${ratio.toFixed(2)} (${low.toFixed(2)} to ${high.toFixed(2)})`;
      }),
    ]);
  }
  console.log(
    `${question} ${options.connections} connections, medians of ${options.runs} runs in turn, each in a fresh process.`,
  );
  console.log(`× is the time / the time of the first row, with its 95 % interval.`);
  console.log(table.toString());
}
