/**
 * `ct-bucket bench anatomy`: the time of each stage of an insertion and of a lookup. Builds differ only in the stage after which
 * the packet path is cut off. The time of a stage is the difference between two of them. Parts of the last stage are removed one
 * at a time. For comparison there is the time of only touching the same cache lines.
 */

import { join } from 'node:path';
import Table from 'cli-table3';
import type { FloorOptions, FloorSample } from '../samples/floor-sample.ts';
import { machineFingerprint } from '../machine/machine.ts';
import { IN_JAVASCRIPT, sampleOf, showProgress, takeSample } from '../samples/samples.ts';
import { median } from '../statistics/statistics.ts';
import { buildVariant, type Patch, type Variant } from './variants.ts';
import type { WorkloadSample, WorkloadSampleOptions } from '../samples/workload-options.ts';

type PhaseName = 'udp-insert' | 'udp-lookup';

interface Cut {
  /** The last stage before the cut, or the removed part. */
  name: string;
  patches: readonly Patch[];
  /** Cut only this phase. */
  phase?: PhaseName;
  kind: 'upTo' | 'without' | 'whole';
}

/** Time of the packets' clock in each phase (workload-thread.ts). The cuts recognise a phase by it. */
const PHASE_MS: Record<PhaseName, number> = { 'udp-insert': 1_000_000, 'udp-lookup': 1_000_001 };

/** Ends the work on a batch before a statement. */
function endingAt(find: RegExp, before: string, phase: PhaseName): Patch {
  return { path: 'src/core/path/judge-batch.ts', find, replace: `if (now === ${PHASE_MS[phase]}) return; ${before}` };
}

/** Ends it before anything is done. */
function endingAtOnce(phase: PhaseName): Patch {
  return {
    path: 'src/core/path/execute.ts',
    find: /let count = batch\.count;/,
    replace: `if (nowMs === ${PHASE_MS[phase]}) return; let count = batch.count;`,
  };
}

function cutsOf(phase: PhaseName): Cut[] {
  const cut = (name: string, patch: Patch): Cut => ({ name, patches: [patch], phase, kind: 'upTo' });
  return [
    cut('filling the packets (the sender)', endingAtOnce(phase)),
    cut('parsing, hashing', endingAt(/\btouchLines\(tracker, count\);/, 'touchLines(tracker, count);', phase)),
    cut(
      'touching index lines',
      endingAt(
        /const missing = touchRecords\(tracker, action, count\) \| 0;/,
        'const missing = touchRecords(tracker, action, count) | 0;',
        phase,
      ),
    ),
    cut(
      'searching them, touching records',
      endingAt(/const prefetched = missing > 1/, 'const prefetched = missing > 1', phase),
    ),
  ];
}

/** Parts of the last stage. */
const REMOVALS: readonly Cut[] = [
  {
    name: "the bucket's lock",
    kind: 'without',
    phase: 'udp-insert',
    patches: [{ path: 'src/core/lifecycle/create.ts', find: /table\.(un)?lockBucket\([^;]*;/, replace: '' }],
  },
  {
    name: 'the notes for a repair',
    kind: 'without',
    phase: 'udp-insert',
    /* INTENT_KIND, RECORD_IN_FLIGHT, and the credits (shared/participant.ts). */
    patches: [
      { path: 'src/core/lifecycle/create.ts', find: /own\[base \+ (16|19|20)\](\+\+| = [^;]*);/, replace: '' },
      { path: 'src/core/lifecycle/finish-links.ts', find: /words\[base \+ (16|19|20|24)( \+ 0)?\] = 0;/, replace: '' },
    ],
  },
  {
    name: 'the verdict: mark, label, tuple',
    kind: 'without',
    patches: [
      {
        path: 'src/core/path/stage-verdict.ts',
        find: /\bwriteConnected\(words, slot, tracker\.words, r, state \| 32, action\.zone\);/,
        replace: 'words[slot + 3] = state | 32;',
      },
    ],
  },
  {
    name: 'the new expiry',
    kind: 'without',
    phase: 'udp-lookup',
    patches: [
      { path: 'src/core/path/update-conn.ts', find: /\btracker\.expiry\.extend\(r, timeout, now\);/, replace: ';' },
    ],
  },
];

/** All builds to measure, in the order of the rows. */
export const CUTS: readonly Cut[] = [
  ...cutsOf('udp-insert'),
  ...cutsOf('udp-lookup'),
  { name: 'all of it', patches: [], kind: 'whole' },
  ...REMOVALS,
];

export interface AnatomyOptions {
  connections: number;
  runs: number;
}

export interface AnatomyResults {
  machine: ReturnType<typeof machineFingerprint>;
  options: AnatomyOptions;
  /** ns for a packet in each run. */
  cuts: { name: string; kind: Cut['kind']; phase?: PhaseName; runsNs: Partial<Record<PhaseName, number[]>> }[];
  floor: FloorSample;
}

const BATCH = 32;

/** Measures, and prints the tables. */
export async function runAnatomy(options: AnatomyOptions): Promise<AnatomyResults> {
  const variants: Variant[] = [];
  const runs = CUTS.map((): Partial<Record<PhaseName, number[]>> => ({}));
  try {
    for (const { name, patches } of CUTS) {
      showProgress(`building: ${name}`);
      variants.push(await buildVariant(patches));
    }
    for (let run = 0; run < options.runs; run++) {
      for (const [index, cut] of CUTS.entries()) {
        showProgress(`run ${run + 1} of ${options.runs}: ${cut.name}`);
        /* A cut makes the accounting wrong on purpose, so do not check it. */
        const { results } = await sampleFrom(variants[index]!.dist, options.connections);
        for (const { name, ms, packets } of results) {
          if (cut.phase === undefined || cut.phase === name) {
            (runs[index]![name as PhaseName] ??= []).push((ms * 1e6) / packets);
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
  showProgress('measuring the floor: only touching the same cache lines');
  const results: AnatomyResults = {
    machine: machineFingerprint(),
    options,
    cuts: CUTS.map(({ name, kind, phase }, index) => ({
      name,
      kind,
      ...(phase === undefined ? {} : { phase }),
      runsNs: runs[index]!,
    })),
    floor: await takeSample<FloorSample>('samples/floor-sample.js', {
      connections: options.connections,
      batchSize: BATCH,
    } satisfies FloorOptions),
  };
  showProgress('');
  print(results);
  return results;
}

function sampleFrom(dist: string, connections: number): Promise<WorkloadSample> {
  const options: WorkloadSampleOptions = {
    workload: 'insert',
    threads: 1,
    connections,
    batchSize: BATCH,
    buckets: 1024,
    prefaulted: true,
  };
  return sampleOf<WorkloadSample>(join(dist, 'bench', 'samples', 'workload-sample.js'), options, IN_JAVASCRIPT);
}

function print({ cuts, floor, options }: AnatomyResults): void {
  for (const phase of ['udp-insert', 'udp-lookup'] as const) {
    const nsOf = ({ runsNs }: AnatomyResults['cuts'][number]) => median(runsNs[phase]!);
    const stages = cuts.filter((cut) => cut.kind === 'upTo' && cut.phase === phase);
    const whole = nsOf(cuts.find(({ kind }) => kind === 'whole')!);
    const table = new Table({
      head: [phase, 'ns', 'total'],
      style: { head: [], border: [] },
      colAligns: ['left', 'right', 'right'],
    });
    let before = 0;
    for (const stage of stages) {
      const upTo = nsOf(stage);
      table.push([stage.name, (upTo - before).toFixed(0), upTo.toFixed(0)]);
      before = upTo;
    }
    const last = whole - before;
    const parts = cuts.filter((cut) => cut.kind === 'without' && cut.runsNs[phase] !== undefined);
    table.push([
      phase === 'udp-insert' ? 'creating the connection' : 'confirming it, updating its state',
      last.toFixed(0),
      whole.toFixed(0),
    ]);
    for (const part of parts) {
      table.push([`  of that: ${part.name}`, (whole - nsOf(part)).toFixed(0), '']);
    }
    const lines = phase === 'udp-insert' ? floor.indexHeaderAndRecordWritten : floor.indexAndRecordRead;
    table.push([
      phase === 'udp-insert'
        ? 'floor: writing its index line, bucket header and record'
        : 'floor: reading its index line and record',
      lines.toFixed(0),
      '',
    ]);
    console.log(table.toString());
  }
  console.log(
    `${options.connections} connections, one thread, batches of ${BATCH}, medians of ${options.runs} runs in turn, each in a fresh process.`,
  );
}
