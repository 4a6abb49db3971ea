/** `bench attack`: the cost of a packet under attack, what the table then holds, and whether both stay within bounds. */

import Table from 'cli-table3';
import type { AttackSampleOptions } from './attack-sample.ts';
import type { Bound } from './attack.ts';
import { brokenBounds } from './bounds.ts';
import type { Figures } from './figures.ts';
import { ATTACK_NAMES, type AttackName, attackOf } from './registry.ts';
import type { AttackResult, Times } from './run.ts';
import { machineFingerprint, type WatchedResults } from '../machine/machine.ts';
import { showProgress, takeSample } from '../samples/samples.ts';
import { median } from '../statistics/statistics.ts';

export interface AttackBenchOptions {
  packets: number;
  table: number;
  runs: number;
  seed: number;
  buckets: number;
}

/** Over the runs: medians of p50 and p99, and the greatest maximum. */
interface AttackSummary {
  attack: AttackName;
  description: string;
  packets: number;
  ordinaryNs: Omit<Times, 'packets'>;
  attackNs: Omit<Times, 'packets'>;
  /** Median time of a packet of the attack / of ordinary traffic. */
  ratio: number;
  establishedRatio: number;
  lost: number;
  /** Each bound with the greatest value of all runs. */
  bounds: Bound[];
  /** Figures of the last run. */
  before: Figures;
  after: Figures;
  runs: AttackResult[];
}

/** Runs the attacks and prints tables. @returns false if a bound is broken or the accounting of a table is wrong */
export async function runAttackBench(
  names: readonly AttackName[],
  options: AttackBenchOptions,
  onResults: (results: WatchedResults) => void,
): Promise<boolean> {
  const chosen = names.length === 0 ? ATTACK_NAMES : names;
  const summaries: AttackSummary[] = [];
  let isRight = true;
  for (const name of chosen) {
    const runs: AttackResult[] = [];
    for (let run = 0; run < options.runs; run++) {
      showProgress(`${name}: run ${run + 1} of ${options.runs}`);
      const sample = await takeSample<AttackResult>('attacks/attack-sample.js', {
        name,
        packets: options.packets,
        connections: options.table,
        seed: options.seed + run,
        buckets: options.buckets,
      } satisfies AttackSampleOptions);
      runs.push(sample);
    }
    showProgress('');
    const summary = summaryOf(name, runs);
    summaries.push(summary);
    for (const { what, value, limit } of brokenBounds(summary.bounds)) {
      console.error(`ct-bucket: ${name}: ${what} is ${value}; its bound is ${limit}`);
      isRight = false;
    }
    for (const fault of new Set(runs.flatMap((run) => run.faults))) {
      console.error(`ct-bucket: ${name}: the accounting of the table is wrong: ${fault}`);
      isRight = false;
    }
  }
  print(summaries, options);
  onResults({ benchmark: 'attack', machine: machineFingerprint(), options, results: summaries });
  return isRight;
}

function summaryOf(attack: AttackName, runs: AttackResult[]): AttackSummary {
  const last = runs.at(-1)!;
  const times = (of: (run: AttackResult) => Times) => ({
    p50: median(runs.map((run) => of(run).p50)),
    p99: median(runs.map((run) => of(run).p99)),
    max: Math.max(...runs.map((run) => of(run).max)),
  });
  const ratio = (above: (run: AttackResult) => Times, below: (run: AttackResult) => Times) =>
    median(runs.map((run) => above(run).p50 / below(run).p50));
  return {
    attack,
    description: attackOf(attack).description,
    packets: last.attack.packets,
    ordinaryNs: times((run) => run.ordinary),
    attackNs: times((run) => run.attack),
    ratio: ratio(
      (run) => run.attack,
      (run) => run.ordinary,
    ),
    establishedRatio: ratio(
      (run) => run.establishedBeside.attack,
      (run) => run.establishedBeside.ordinary,
    ),
    lost: runs.reduce((sum, run) => sum + run.lost, 0),
    bounds: last.bounds.map((bound, index) => worstOf(runs.map((run) => run.bounds[index] ?? bound))),
    before: last.before,
    after: last.after,
    runs,
  };
}

/** The bound that is closest to its limit, or furthest beyond it. */
function worstOf(bounds: readonly Bound[]): Bound {
  return bounds.reduce((worst, bound) => (bound.value - bound.limit > worst.value - worst.limit ? bound : worst));
}

const mib = (bytes: number) => (bytes / 2 ** 20).toFixed(1);
const whole = (value: number) => Math.round(value).toString();

function print(summaries: readonly AttackSummary[], { packets, table, runs, buckets }: AttackBenchOptions): void {
  const times = new Table({
    head: ['attack', 'ordinary', 'p50 ns', 'p99 ns', 'max ns', '/ ordinary', 'established', 'lost'],
    style: { head: [], border: [] },
    colAligns: ['left', ...Array.from({ length: 7 }, () => 'right' as const)],
  });
  const holds = new Table({
    head: [
      'attack',
      'connections',
      'expectations',
      'fragments',
      'longest search',
      'records MiB',
      'index MiB',
      'other MiB',
      'resident MiB',
    ],
    style: { head: [], border: [] },
    colAligns: ['left', ...Array.from({ length: 8 }, () => 'right' as const)],
  });
  for (const summary of summaries) {
    const { attack, ordinaryNs, attackNs, ratio, establishedRatio, lost, before, after, bounds } = summary;
    times.push([
      attack,
      whole(ordinaryNs.p50),
      whole(attackNs.p50),
      whole(attackNs.p99),
      whole(attackNs.max),
      ratio.toFixed(2),
      establishedRatio.toFixed(2),
      attackOf(attack).expiresAll ? 'expire' : String(lost),
    ]);
    const ofLimit = (what: string) => {
      const bound = bounds.find((each) => each.what === what);
      return bound === undefined ? '' : ` of ${bound.limit}`;
    };
    const change = (of: (figures: Figures) => number) => `${mib(of(before))} > ${mib(of(after))}`;
    holds.push([
      attack,
      `${after.connections}${ofLimit('connections')}`,
      `${after.expectations}${ofLimit('expectations')}`,
      `${after.fragments}${ofLimit('fragments')}`,
      `${after.longestSearch} lines`,
      change(({ recordBytes }) => recordBytes),
      change(({ lineBytes }) => lineBytes),
      change(({ fragmentBytes, expectationBytes }) => fragmentBytes + expectationBytes),
      change(({ residentBytes }) => residentBytes),
    ]);
  }
  console.log(
    `${packets} packets of each attack in batches of 32, beside them 1000 established connections, translated, in a table\n` +
      `for ${table} more where it is to get full; ${buckets} buckets. ns of a packet: a batch's time / 32. p50, p99: median\n` +
      `of ${runs} runs, each in a fresh process; max: of all. Established: p50 of their packets to that beside ordinary traffic.`,
  );
  console.log(times.toString());
  console.log('Contents of the table at the end, its capacity, and committed memory (before > after):');
  console.log(holds.toString());
}
