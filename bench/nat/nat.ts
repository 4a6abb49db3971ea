/**
 * The NAT benchmark: the cost of source NAT for established traffic, and the time that a new connection takes to find a port
 * in a range that is nearly full.
 */

import Table from 'cli-table3';
import { machineFingerprint, type WatchedResults } from '../machine/machine.ts';
import type { NatRangeSample, NatRangeSampleOptions } from './nat-range-sample.ts';
import type { NatSample, NatSampleOptions } from './nat-sample.ts';
import { range, showProgress, takeSample } from '../samples/samples.ts';
import { median } from '../statistics/statistics.ts';
import type { L4Protocol } from '../workloads/established.ts';

export interface NatBenchOptions {
  established: number;
  runs: number;
  batch: number;
  buckets: number;
}

/** Packets of a sample. */
const PACKETS = 4_000_000;
const PORT_RANGES = [128, 1024, 64_512];
/** Connections to try after as many as the range has ports. */
const BEYOND = 10_000;

interface NatResult {
  workload: 'nat-data';
  engine: 'ct-bucket';
  protocol: L4Protocol;
  isTranslated: boolean;
  medianNsPerPacket: number;
  nsPerPacket: number[];
  /** Median time / median time without translation. */
  toPlain: number;
}

interface NatRangeResult {
  workload: 'nat-range';
  engine: 'ct-bucket';
  ports: number;
  samples: NatRangeSample[];
}

/** Runs the benchmark and prints two tables. @returns false if the accounting of a run was wrong */
export async function runNatBench(
  options: NatBenchOptions,
  onResults: (results: WatchedResults) => void,
): Promise<boolean> {
  const results = await measureTraffic(options);
  const ranges = results && (await measureRanges(options));
  showProgress('');
  if (results === undefined || ranges === undefined) {
    return false;
  }
  printTraffic(results, options);
  printRanges(ranges, options);
  onResults({ benchmark: 'nat', machine: machineFingerprint(), options, results, ranges });
  return true;
}

function isVoid(what: string, sample: { error?: string }): boolean {
  if (sample.error !== undefined) {
    showProgress('');
    console.error(`ct-bucket: the run of ${what} is void: ${sample.error}`);
  }
  return sample.error !== undefined;
}

async function measureTraffic({
  established,
  runs,
  batch,
  buckets,
}: NatBenchOptions): Promise<NatResult[] | undefined> {
  /* Measure in turn, so that a drift of the machine affects all alike. */
  const sets = (['udp', 'tcp'] as const).flatMap((protocol) =>
    [false, true].map((isTranslated) => ({ protocol, isTranslated, nsPerPacket: [] as number[] })),
  );
  for (let run = 0; run < runs; run++) {
    for (const { protocol, isTranslated, nsPerPacket } of sets) {
      const what = `${protocol} ${isTranslated ? 'through source NAT' : 'without NAT'}`;
      showProgress(`run ${run + 1} of ${runs}: ${what}`);
      const sample = await takeSample<NatSample>('nat/nat-sample.js', {
        protocol,
        isTranslated,
        connections: established,
        packets: PACKETS,
        batchSize: batch,
        buckets,
      } satisfies NatSampleOptions);
      if (isVoid(what, sample)) {
        return undefined;
      }
      nsPerPacket.push(sample.nsPerPacket);
    }
  }
  return sets.map(({ protocol, isTranslated, nsPerPacket }) => {
    const plain = sets.find((other) => other.protocol === protocol && !other.isTranslated)!;
    return {
      workload: 'nat-data',
      engine: 'ct-bucket',
      protocol,
      isTranslated,
      medianNsPerPacket: median(nsPerPacket),
      nsPerPacket,
      toPlain: median(nsPerPacket) / median(plain.nsPerPacket),
    };
  });
}

async function measureRanges({ runs, buckets }: NatBenchOptions): Promise<NatRangeResult[] | undefined> {
  const results: NatRangeResult[] = [];
  for (const ports of PORT_RANGES) {
    const samples: NatRangeSample[] = [];
    for (let run = 0; run < runs; run++) {
      const what = `a range of ${ports} ports`;
      showProgress(`run ${run + 1} of ${runs}: ${what}`);
      const options = { ports, beyond: BEYOND, buckets } satisfies NatRangeSampleOptions;
      const sample = await takeSample<NatRangeSample>('nat/nat-range-sample.js', options);
      if (isVoid(what, sample)) {
        return undefined;
      }
      samples.push(sample);
    }
    results.push({ workload: 'nat-range', engine: 'ct-bucket', ports, samples });
  }
  return results;
}

function printTraffic(results: readonly NatResult[], { established, runs, batch, buckets }: NatBenchOptions): void {
  const table = new Table({
    head: ['established', 'source NAT', 'ns/packet', 'range', '/ no NAT'],
    style: { head: [], border: [] },
    colAligns: ['left', 'left', 'right', 'right', 'right'],
  });
  for (const { protocol, isTranslated, medianNsPerPacket, nsPerPacket, toPlain } of results) {
    table.push([
      protocol,
      isTranslated ? 'yes' : 'no',
      medianNsPerPacket.toFixed(1),
      range(nsPerPacket, 1),
      toPlain.toFixed(2),
    ]);
  }
  console.log(
    `${established} established connections on one thread, both directions in turn, ${PACKETS} packets, ${buckets} buckets,\n` +
      `batches of ${batch}. Times include making the packets. Median of ${runs} runs, each in a fresh process.`,
  );
  console.log(table.toString());
}

function printRanges(results: readonly NatRangeResult[], { runs }: NatBenchOptions): void {
  const table = new Table({
    head: ['ports', 'in use', 'new connections', 'refused', 'median us', 'p99 us', 'max us'],
    style: { head: [], border: [] },
    colAligns: Array.from({ length: 7 }, () => 'right' as const),
  });
  const percent = (share: number) => `${+(share * 100).toFixed(1)}`;
  for (const { ports, samples } of results) {
    samples[0]!.bands.forEach(({ usedFrom, usedTo }, index) => {
      const bands = samples.map((sample) => sample.bands[index]!).filter((band) => band.attempts > 0);
      if (bands.length === 0) {
        return;
      }
      table.push([
        String(ports),
        usedFrom === usedTo ? 'all' : `${percent(usedFrom)}-${percent(usedTo)} %`,
        range(bands.map((band) => band.attempts)),
        range(bands.map((band) => band.refused)),
        median(bands.map((band) => band.medianUs)).toFixed(1),
        median(bands.map((band) => band.p99Us)).toFixed(1),
        median(bands.map((band) => band.maxUs)).toFixed(1),
      ]);
    });
  }
  console.log(
    `New connections through one address and a range of ports, until ${BEYOND} more than ports were tried, one packet a batch.\n` +
      `Medians of ${runs} runs.`,
  );
  console.log(table.toString());
}
