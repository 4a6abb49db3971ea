/**
 * What readings of the probe mean: which latencies are usual, when figures cannot be trusted, and when two machines were in
 * different states. No rule knows models of processors. The probe itself tells the clock, and the system the sizes of the caches.
 */

import type { BusyProcess } from './other-processes.ts';
import type { MachineFingerprint, MachineProbe } from './machine.ts';
import { PROBE_SIZES, type ProbeReading, type ProbeSize } from './probe.ts';

const MIB = 2 ** 20;
const SIZE_BYTES: Record<ProbeSize, number> = { '16K': 2 ** 14, '1M': MIB, '8M': 8 * MIB, '64M': 64 * MIB };
/** The arithmetic step of the probe takes these cycles: three for the multiplication, one for the addition. */
const CYCLES_OF_STEP = 4;
/**
 * Usual latencies in cycles, of processors since 2015. Caches run at the processor's clock or near it. Memory does not: its
 * latency is bounded in ns. It includes misses of the TLB.
 */
const USUAL_CYCLES = { l2: 16, l3: 60, memory: 300 } as const;
const USUAL_MEMORY_NS = { least: 80, most: 160 } as const;
/** A region counts as held by a cache if it takes at most this share of it: code and other data are there, too. */
const CACHE_SHARE = 0.75;

/** Times of the usual latency from which on memory or a cache is slow. A cache varies more between processors. */
const SLOW_TIMES = { memory: 2, cache: 3 } as const;
/** Ratio of two latencies from which on the state of the machine is another one. */
export const OTHER_STATE_TIMES = 1.5;
/** The same of the processor's clock. */
const OTHER_CLOCK_TIMES = 1.25;
const MOST_STEAL_PERCENT = 5;
/** Running threads of others per core from which on they disturb. One always does on up to four cores. */
const MOST_OTHERS_SHARE = 0.25;

/** The usual latency for a region in ns, by the smallest cache that holds it. undefined if the size of no such cache is known. */
export function usualNs(size: ProbeSize, { arithmeticNs, cacheBytes = {} }: ProbeReading): number | undefined {
  const cycleNs = arithmeticNs / CYCLES_OF_STEP;
  const isIn = (cache: number | undefined) => cache !== undefined && SIZE_BYTES[size] <= cache * CACHE_SHARE;
  if (size === '64M') {
    return Math.min(USUAL_MEMORY_NS.most, Math.max(USUAL_MEMORY_NS.least, USUAL_CYCLES.memory * cycleNs));
  }
  if (size === '16K') {
    return undefined;
  }
  if (isIn(cacheBytes.l2)) {
    return USUAL_CYCLES.l2 * cycleNs;
  }
  return isIn(cacheBytes.l3) ? USUAL_CYCLES.l3 * cycleNs : undefined;
}

/** The reading with the greatest value, among those that have it. */
function greatest<Value>(
  readings: readonly ProbeReading[],
  valueOf: (reading: ProbeReading) => Value | undefined,
  sizeOf: (value: Value) => number,
): { reading: ProbeReading; value: Value } | undefined {
  return readings
    .flatMap((reading) => {
      const value = valueOf(reading);
      return value === undefined ? [] : [{ reading, value }];
    })
    .toSorted((a, b) => sizeOf(b.value) - sizeOf(a.value))[0];
}

function slowDoubts(readings: readonly ProbeReading[]): string[] {
  const slow = (size: ProbeSize, times: number) => {
    const worst = greatest(
      readings,
      ({ loadNs }) => loadNs[size],
      (ns) => ns,
    );
    const usual = worst && usualNs(size, worst.reading);
    return usual !== undefined && worst!.value > times * usual
      ? { size, text: `${nsText(worst!.value)} from ${sizeText(size)}, usual: ${nsText(usual)}` }
      : undefined;
  };
  const memory = slow('64M', SLOW_TIMES.memory);
  const caches = [slow('8M', SLOW_TIMES.cache), slow('1M', SLOW_TIMES.cache)].filter((each) => each !== undefined);
  return [
    ...(memory === undefined ? [] : [`memory is slow (${memory.text})`]),
    ...(caches.length === 0 ? [] : [`caches are slow (${caches.map(({ text }) => text).join('; ')})`]),
  ];
}

function stealDoubts(readings: readonly ProbeReading[], during: number | undefined): string[] {
  /* The time of a probe is short, so that its share is coarse. The time of the measurement tells more. */
  const steal =
    during ??
    greatest(
      readings,
      (reading) => reading.stealPercent,
      (percent) => percent,
    )?.value ??
    0;
  return steal > MOST_STEAL_PERCENT ? [`the hypervisor gave ${steal.toFixed(0)} % of the time to other guests`] : [];
}

function othersDoubts(readings: readonly ProbeReading[], cores: number): string[] {
  const most = greatest(
    readings,
    ({ runnableOthers }) => runnableOthers,
    (threads) => threads,
  );
  if (most === undefined || most.value < Math.max(1, MOST_OTHERS_SHARE * cores)) {
    return [];
  }
  const threads = `${most.value} other thread${most.value === 1 ? ' was' : 's were'} running on ${cores} cores`;
  return [`${threads}${busiestText(most.reading.busiest)}`];
}

function changeDoubts(readings: readonly ProbeReading[]): string[] {
  const [before, after] = readings;
  return before === undefined || after === undefined
    ? []
    : changesOf(before, after).map(({ what, first, second }) => `${what} changed meanwhile (${first}, then ${second})`);
}

interface Change {
  what: string;
  first: string;
  second: string;
}

function isApart(a: number, b: number, times: number): boolean {
  return Math.max(a, b) > times * Math.min(a, b);
}

function changesOf(a: ProbeReading, b: ProbeReading): Change[] {
  /* If memory differs, the cache below it need not be named. */
  const size = (['64M', '8M'] as const).find((each) => {
    const [first, second] = [a.loadNs[each], b.loadNs[each]];
    return first !== undefined && second !== undefined && isApart(first, second, OTHER_STATE_TIMES);
  });
  const ofLoads =
    size === undefined
      ? []
      : [{ what: `latency from ${sizeText(size)}`, first: nsText(a.loadNs[size]!), second: nsText(b.loadNs[size]!) }];
  const ofClock = isApart(a.arithmeticNs, b.arithmeticNs, OTHER_CLOCK_TIMES)
    ? [{ what: 'time of an arithmetic step', first: nsText(a.arithmeticNs), second: nsText(b.arithmeticNs) }]
    : [];
  return [...ofLoads, ...ofClock];
}

type Loaded = Pick<MachineFingerprint, 'loadAverage1m' | 'machineCores' | 'cores'>;

function coresOf({ machineCores, cores }: Loaded): number {
  return machineCores ?? cores;
}

function loadDoubts(machine: Loaded): string[] {
  const cores = coresOf(machine);
  return machine.loadAverage1m > cores
    ? [`the load was ${machine.loadAverage1m.toFixed(1)} on ${cores} cores when this began`]
    : [];
}

/** Reasons not to trust what is measured on a machine of this state. Each is a clause. Empty: the machine is quiet. */
export function doubtsAbout(machine: Loaded & { probe?: MachineProbe }): string[] {
  const { before, after, stealPercent } = machine.probe ?? {};
  const readings = [before, after].filter((each) => each !== undefined);
  return [
    ...loadDoubts(machine),
    ...slowDoubts(readings),
    ...changeDoubts(readings),
    ...stealDoubts(readings, stealPercent),
    ...othersDoubts(readings, coresOf(machine)),
  ];
}

/** The same by one reading, for a measurement that begins now. */
export function doubtsNow(reading: ProbeReading, cores: number): string[] {
  const { loadAverage1m } = reading;
  return [
    ...loadDoubts({ loadAverage1m, cores }),
    ...slowDoubts([reading]),
    ...stealDoubts([reading], undefined),
    ...othersDoubts([reading], cores),
  ];
}

/** The mean of two readings, figure by figure. */
function meanOf({ before, after }: MachineProbe): ProbeReading {
  const loadNs: ProbeReading['loadNs'] = {};
  for (const size of PROBE_SIZES) {
    const values = [before, after].map((each) => each.loadNs[size]).filter((ns) => ns !== undefined);
    if (values.length > 0) {
      loadNs[size] = values.reduce((sum, ns) => sum + ns, 0) / values.length;
    }
  }
  return { ...before, loadNs, arithmeticNs: (before.arithmeticNs + after.arithmeticNs) / 2 };
}

/**
 * Reasons not to compare the figures of two machines, or of one machine at two times: it was busy, or it was in another state.
 * A file without a probe is of an unknown state, which is no reason.
 */
export function stateDifferences(a: MachineFingerprint, b: MachineFingerprint): string[] {
  const doubts = [a, b].flatMap((machine, index) => {
    const those = doubtsAbout(machine);
    return those.length === 0 ? [] : [`${index === 0 ? 'A' : 'B'}: ${those.join('; ')}`];
  });
  const changes = a.probe === undefined || b.probe === undefined ? [] : changesOf(meanOf(a.probe), meanOf(b.probe));
  return [...doubts, ...changes.map(({ what, first, second }) => `${what}: ${first} in A, ${second} in B`)];
}

export function sizeText(size: ProbeSize): string {
  return `${size.slice(0, -1)} ${size.endsWith('K') ? 'KB' : 'MB'}`;
}

export function nsText(ns: number): string {
  return `${ns < 20 ? ns.toFixed(1) : ns.toFixed(0)} ns`;
}

export function busiestText(busiest: readonly BusyProcess[] = []): string {
  return busiest.length === 0
    ? ''
    : ` (${busiest.map(({ name, cpuPercent }) => `${name} ${cpuPercent} %`).join(', ')})`;
}
