/**
 * A look at the machine, before and after a measurement: how fast are processor and memory now, and who else uses them? It takes
 * at most a second. Nothing else of this program may run meanwhile.
 *
 * Latency: each load gives the address of the next one, so that no two overlap. The addresses go through a region line by line in
 * an order that no prefetcher foresees: a linear congruential generator with full period (Hull and Dobell, 1962). So the region
 * is written from its beginning to its end, which is quick even for 64 MB.
 */

import { loadavg } from 'node:os';
import { cgroupMemory, type ReadText } from '../../src/core/memory/machine-memory.ts';
import { type CpuTicks, readCpuTicks, readText, runningThreads, stealPercent } from './cpu-ticks.ts';
import { type BusyProcess, busiestBetween, readProcessTicks } from './other-processes.ts';

/** The regions that loads go through. */
export const PROBE_SIZES = ['16K', '1M', '8M', '64M'] as const;
export type ProbeSize = (typeof PROBE_SIZES)[number];

/** What a look at the machine found. A figure that the system does not report is absent. */
export interface ProbeReading {
  /** ns of a load that depends on the load before, by the size of the region. Absent: there was no memory or no time. */
  loadNs: Partial<Record<ProbeSize, number>>;
  /** ns of a compare-exchange on a line that no other thread uses. */
  atomicNs: number;
  /** ns of a multiplication and an addition that depends on it, in the fastest round: four cycles of the processor. */
  arithmeticNs: number;
  /** Percent of all processors' time that the hypervisor gave to other guests during the probe. */
  stealPercent?: number;
  loadAverage1m: number;
  /** Threads that ran or could run besides the probe: the median of several looks. */
  runnableOthers?: number;
  /** The busiest other processes, the busiest first. */
  busiest?: BusyProcess[];
  /** Sizes of a core's caches. Absent if the system does not tell. */
  cacheBytes?: { l2?: number; l3?: number };
  tookMs: number;
}

const KIB = 1024;
const BYTES: Record<ProbeSize, number> = {
  '16K': 16 * KIB,
  '1M': KIB * KIB,
  '8M': 8 * KIB * KIB,
  '64M': 64 * KIB * KIB,
};
const LINE_BYTES = 64;
const LINE_WORDS = LINE_BYTES / 4;
/**
 * Rounds of each figure, whose median counts, and steps of a round. A round takes some 0.2 ms, much less than the scheduler's time
 * slice: else most rounds would contain the time of other threads on a busy machine.
 */
const ROUNDS = 31;
const STEPS: Record<ProbeSize, number> = { '16K': 80_000, '1M': 20_000, '8M': 2000, '64M': 2000 };
const ARITHMETIC_STEPS = 100_000;
const ATOMIC_STEPS = 20_000;
/** Time after which no further region is begun, and no further round. */
const ENOUGH_MS = 600;
/** Free memory of the cgroup below which the largest region is left out. */
const LEAST_FREE_BYTES = 256 * KIB * KIB;

/** A multiplier with full period for powers of two (1 mod 4), and an odd increment. */
const MULTIPLIER = 10_617_741;
const INCREMENT = 12_345_677;

/** Writes the cycle into the first lines of the region: each line's first word is the index of the next line's. */
export function writeCycle(words: Int32Array, lines: number): void {
  for (let line = 0; line < lines; line++) {
    const next = (Math.imul(line, MULTIPLIER) + INCREMENT) & (lines - 1);
    words[line * LINE_WORDS] = next * LINE_WORDS;
  }
}

/** Eight loads a turn, so that the loop itself costs little. */
function chase(words: Int32Array, from: number, steps: number): number {
  let at = from;
  for (let step = 0; step < steps; step += 8) {
    at = words[words[words[words[at]!]!]!]!;
    at = words[words[words[words[at]!]!]!]!;
  }
  return at;
}

function multiply(from: number, steps: number): number {
  let value = from;
  for (let step = 0; step < steps; step++) {
    value = (Math.imul(value, 1_664_525) + 1_013_904_223) | 0;
  }
  return value;
}

/** Counts up in a word, each time by an atomic operation. */
function exchange(words: Int32Array, from: number, steps: number): number {
  let value = from;
  for (let step = 0; step < steps; step++) {
    value = (Atomics.compareExchange(words, 0, value, (value + 1) | 0) + 1) | 0;
  }
  return value;
}

function middle(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

/** Takes results that nobody needs, so that the compiler cannot leave the work out. */
let sink = 0;

class Stopwatch {
  readonly #startMs = performance.now();

  get passedMs(): number {
    return performance.now() - this.#startMs;
  }

  /** Times of a step in ns, the fastest first. A first round warms up, late rounds are left out. @param work does the steps */
  rounds(steps: number, work: (steps: number) => void): number[] {
    work(steps);
    const rounds: number[] = [];
    for (let round = 0; round < ROUNDS && (round === 0 || this.passedMs < ENOUGH_MS); round++) {
      const fromMs = performance.now();
      work(steps);
      rounds.push(((performance.now() - fromMs) * 1e6) / steps);
    }
    return rounds.toSorted((a, b) => a - b);
  }
}

/** Memory for the regions, undefined if there is none. It is committed only as far as it is written. */
function probeMemory(): Int32Array | undefined {
  const { bytes = Number.POSITIVE_INFINITY } = cgroupMemory() ?? {};
  const size = bytes < LEAST_FREE_BYTES ? '8M' : '64M';
  try {
    return new Int32Array(new SharedArrayBuffer(BYTES[size]));
  } catch {
    return undefined;
  }
}

/** @param look is called after each region */
function measureLoads(watch: Stopwatch, words: Int32Array, look: () => void): ProbeReading['loadNs'] {
  const loadNs: ProbeReading['loadNs'] = {};
  let writeMs = 0;
  let written = Number.POSITIVE_INFINITY;
  for (const size of PROBE_SIZES.filter((each) => BYTES[each] <= words.byteLength)) {
    const lines = BYTES[size] / LINE_BYTES;
    /* The region before tells how long it takes to write this one. */
    if (watch.passedMs + writeMs * (lines / written) > ENOUGH_MS) {
      break;
    }
    const fromMs = watch.passedMs;
    writeCycle(words, lines);
    writeMs = watch.passedMs - fromMs;
    written = lines;
    /* Go once through a region that a cache may hold. The largest one exceeds most caches, and would take long. */
    let at = size === '64M' ? 0 : chase(words, 0, lines);
    const rounds = watch.rounds(STEPS[size], (steps) => {
      at = chase(words, at, steps);
    });
    loadNs[size] = middle(rounds);
    sink ^= at;
    look();
  }
  return loadNs;
}

function measureAtomicNs(watch: Stopwatch): number {
  const words = new Int32Array(new SharedArrayBuffer(LINE_BYTES));
  const rounds = watch.rounds(ATOMIC_STEPS, (steps) => {
    sink ^= exchange(words, Atomics.load(words, 0), steps);
  });
  return middle(rounds);
}

function measureArithmeticNs(watch: Stopwatch): number {
  let value = 1;
  const rounds = watch.rounds(ARITHMETIC_STEPS, (steps) => {
    value = multiply(value, steps);
    sink ^= value;
  });
  /* Others can only make it slower. The fastest round tells the clock. */
  return rounds[0]!;
}

/** Sizes of the caches of the first processor, by Linux. */
export function readCacheBytes(read: ReadText = readText): ProbeReading['cacheBytes'] {
  const caches = [0, 1, 2, 3, 4].flatMap((index) => {
    const of = (name: string) => read(`/sys/devices/system/cpu/cpu0/cache/index${index}/${name}`)?.trim() ?? '';
    const [, number, unit] = /^(\d+)([KM])$/.exec(of('size')) ?? [];
    const bytes = Number(number) * (unit === 'M' ? KIB * KIB : KIB);
    return Number.isFinite(bytes) && of('type') === 'Unified' ? [[`l${of('level')}`, bytes] as const] : [];
  });
  const known = Object.fromEntries(caches.filter(([level]) => level === 'l2' || level === 'l3'));
  return Object.keys(known).length === 0 ? undefined : known;
}

/** Looks at the machine. Blocks the thread for at most a second. */
export function takeProbe(read: ReadText = readText): ProbeReading {
  const watch = new Stopwatch();
  const ticks: CpuTicks | undefined = readCpuTicks(read);
  const processes = readProcessTicks(read);
  const fromMs = watch.passedMs;
  const running: number[] = [];
  const look = (): void => {
    const threads = runningThreads(read);
    running.push(...(threads === undefined ? [] : [threads]));
  };
  const arithmeticNs = measureArithmeticNs(watch);
  look();
  const atomicNs = measureAtomicNs(watch);
  look();
  const words = probeMemory();
  const loadNs = words === undefined ? {} : measureLoads(watch, words, look);
  const steal = ticks === undefined ? undefined : stealPercent(ticks, readCpuTicks(read));
  const busiest = busiestBetween(processes, readProcessTicks(read), watch.passedMs - fromMs, read);
  const cacheBytes = readCacheBytes(read);
  return {
    loadNs,
    atomicNs,
    arithmeticNs,
    ...(steal === undefined ? {} : { stealPercent: steal }),
    loadAverage1m: loadavg()[0]!,
    /* One of them is this thread. */
    ...(running.length === 0 ? {} : { runnableOthers: Math.max(0, middle(running) - 1) }),
    ...(processes.size === 0 ? {} : { busiest }),
    ...(cacheBytes === undefined ? {} : { cacheBytes }),
    tookMs: watch.passedMs,
  };
}
