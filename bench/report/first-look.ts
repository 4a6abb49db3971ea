/** The result of `npm run bench` in plain sentences: how fast it is, also beside the other tables, and how certain that is. */

import { doubtText } from '../machine/probe-text.ts';
import { medianRatio, type Ratio } from '../statistics/statistics.ts';
import type { BenchResult, ResultsFile } from './results-file.ts';

/** With fewer runs, the order of two figures proves nothing. */
export const FEWEST_RUNS = 3;
/** Share of the cores that was busy before the suite began. Above this, other processes disturbed the figures. */
export const BUSY_SHARE = 0.25;
/** If equal runs differ by more than this, the figures give only an order of magnitude. */
export const WIDE_SPREAD = 0.15;
const OURS = 'ct-bucket';

const NUMBERS = ['no', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight'];

function threadsText(threads: number): string {
  return `${NUMBERS[threads] ?? threads} thread${threads === 1 ? '' : 's'}`;
}

/** Millions a second. A packet of an insertion is a connection. */
function millions({ packets, medianMs }: BenchResult): string {
  return `${(packets / medianMs / 1000).toPrecision(2)} million`;
}

/** Sentences on the suite's results. None if insertion was not measured. */
export function firstLook(file: ResultsFile): string[] {
  const results = file.results
    .filter(({ workload }) => workload === 'udp-insert')
    .toSorted((a, b) => a.threads - b.threads);
  const ours = results.filter(({ engine }) => engine === OURS);
  return ours.length === 0 ? [] : [rates(ours), ...ours.map((each) => beside(each, results)), trust(file, results)];
}

function rates(ours: readonly BenchResult[]): string {
  const [first] = ours;
  const more = ours.slice(1).map((result) => {
    const gain = (first!.medianMs / result.medianMs) * (result.packets / first!.packets);
    return `${millions(result)} on ${threadsText(result.threads)} (${gain.toFixed(1)} times as many)`;
  });
  const alone = `${millions(first!)} UDP connections a second on ${threadsText(first!.threads)}`;
  return `${OURS} opens about ${listed([alone, ...more])}.`;
}

/** Compares a figure of ct-bucket with the other tables at the same number of threads. */
function beside(ours: BenchResult, results: readonly BenchResult[]): string {
  const others = results.filter(({ engine, threads }) => engine !== OURS && threads === ours.threads);
  const each = others.map((theirs) => comparison(theirs.engine, medianRatio(theirs.runsMs, ours.runsMs), theirs, ours));
  return others.length === 0 ? '' : `On ${threadsText(ours.threads)} it is ${listed(each)}.`;
}

function comparison(name: string, { ratio, low, high }: Ratio, theirs: BenchResult, ours: BenchResult): string {
  const isKnown = Math.min(theirs.runsMs.length, ours.runsMs.length) >= FEWEST_RUNS;
  const range = `${low.toFixed(2)} to ${high.toFixed(2)}`;
  if (!isKnown) {
    return `${ratio.toFixed(1)} times as fast as ${name}`;
  }
  if (low > 1) {
    return `${range} times as fast as ${name}`;
  }
  return high < 1 ? `slower than ${name} (${range} of its rate)` : `about as fast as ${name} (${range} times)`;
}

function trust({ machine }: ResultsFile, results: readonly BenchResult[]): string {
  const runs = Math.min(...results.map(({ runsMs }) => runsMs.length));
  const spread = Math.max(
    ...results.map(({ runsMs, medianMs }) => (Math.max(...runsMs) - Math.min(...runsMs)) / medianMs),
  );
  const parts: string[] = [];
  if (machine.loadAverage1m > BUSY_SHARE * machine.cores) {
    const load = machine.loadAverage1m.toFixed(1);
    parts.push(
      `Other processes were running when the suite began (load ${load} on ${machine.cores} cores): this machine can do more than these figures show.`,
    );
  }
  const doubt = doubtText(machine);
  if (doubt !== undefined) {
    parts.push(`${doubt}.`);
  }
  const crowded = results.find(({ threads }) => threads > machine.cores);
  if (crowded !== undefined) {
    parts.push(`There are ${machine.cores} cores: ${threadsText(crowded.threads)} take turns on them.`);
  }
  if (runs < FEWEST_RUNS) {
    parts.push(
      `Each was measured ${runs === 1 ? 'once' : 'twice'}, which does not tell a small difference from chance: use --seconds 300 for more runs.`,
    );
  } else if (spread > WIDE_SPREAD) {
    parts.push(
      `Runs of the same thing lie up to ${Math.round(spread * 100)} % apart: smaller differences mean nothing now. Measure again on an idle machine.`,
    );
  } else if (doubt === undefined) {
    parts.push(
      `Runs of the same thing lie at most ${Math.max(1, Math.round(spread * 100))} % apart: for a first look the figures can be trusted.`,
    );
  }
  return parts.join(' ');
}

function listed(parts: readonly string[]): string {
  return parts.length < 2 ? parts.join('') : `${parts.slice(0, -1).join(', ')} and ${parts.at(-1)}`;
}
