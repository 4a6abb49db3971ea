/** Looks at the machine before and after a measurement, and waits for a quiet one if the user asks for that. */

import { cpus } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { type CpuTicks, readCpuTicks, stealPercent } from './cpu-ticks.ts';
import { type Fingerprinted, type MachineFingerprint, machineFingerprint } from './machine.ts';
import { type ProbeReading, takeProbe } from './probe.ts';
import { doubtsAbout, doubtsNow } from './probe-rules.ts';

export interface WatchOptions {
  /** Longest time to wait for a quiet machine, in ms. Absent: begin at once. */
  waitQuiet?: number | undefined;
}

/** Tests replace them. */
export interface WatchTools {
  probe?: () => ProbeReading;
  nowMs?: () => number;
  sleep?: (ms: number) => Promise<unknown>;
  /** Gets a line for standard error. */
  tell?: (line: string) => void;
  /** Ends the wait. */
  signal?: AbortSignal;
  cores?: number;
  /** The load average when this process began, before it built anything. */
  startLoad?: number;
  ticks?: () => CpuTicks | undefined;
}

type AllTools = Required<Omit<WatchTools, 'signal'>>;

/** Time between two looks at a machine that is not quiet. */
const RETRY_MS = 3000;

function durationText(ms: number): string {
  return ms >= 60_000 ? `${Number((ms / 60_000).toFixed(1))} min` : `${Number((ms / 1000).toFixed(1))} s`;
}

/** The machine's state from before a measurement. */
export class MachineWatch {
  readonly before: ProbeReading;
  readonly #waitedMs: number | undefined;
  readonly #tools: AllTools;
  readonly #ticks: CpuTicks | undefined;

  private constructor(before: ProbeReading, waitedMs: number | undefined, tools: AllTools) {
    this.before = before;
    this.#waitedMs = waitedMs;
    this.#tools = tools;
    this.#ticks = tools.ticks();
  }

  /** Looks at the machine, and waits until it is quiet if `waitQuiet` is given. A busy machine delays the measurement, no more. */
  static async begin({ waitQuiet }: WatchOptions = {}, given: WatchTools = {}): Promise<MachineWatch> {
    const { signal } = given;
    const tools: AllTools = {
      probe: takeProbe,
      nowMs: () => performance.now(),
      sleep: (ms) => delay(ms, undefined, { signal }).catch(() => {}),
      tell: (line) => process.stderr.write(`ct-bucket: ${line}\n`),
      cores: cpus().length,
      startLoad: machineFingerprint().loadAverage1m,
      ticks: readCpuTicks,
      ...given,
    };
    const { probe, nowMs, sleep, tell, cores } = tools;
    let reading = probe();
    if (waitQuiet === undefined) {
      return new MachineWatch(reading, undefined, tools);
    }
    const startMs = nowMs();
    const leftMs = () => startMs + waitQuiet - nowMs();
    const isStopped = () => signal?.aborted === true;
    let doubts = doubtsNow(reading, cores);
    if (doubts.length > 0) {
      tell(`waiting up to ${durationText(waitQuiet)} for a quiet machine: ${doubts.join('; ')}`);
    }
    while (doubts.length > 0 && leftMs() > 0 && !isStopped()) {
      await sleep(Math.min(RETRY_MS, leftMs()));
      reading = probe();
      doubts = doubtsNow(reading, cores);
    }
    if (doubts.length > 0 && !isStopped()) {
      tell(`the machine was not quiet for ${durationText(waitQuiet)}, measuring all the same: ${doubts.join('; ')}`);
    }
    return new MachineWatch(reading, nowMs() - startMs, tools);
  }

  /** Reasons not to trust a measurement that begins now. */
  get doubts(): string[] {
    return doubtsNow({ ...this.before, loadAverage1m: this.#load }, this.#tools.cores);
  }

  /** The load average before the measurement. A build of this process does not count, unless the user waited for it to fade. */
  get #load(): number {
    return this.#waitedMs === undefined ? this.#tools.startLoad : this.before.loadAverage1m;
  }

  /** Looks again. @returns the fingerprint with both readings */
  end(machine: MachineFingerprint): MachineFingerprint {
    const { probe, ticks } = this.#tools;
    /* Read the ticks first: the probe is no part of the measurement. */
    const steal = this.#ticks && stealPercent(this.#ticks, ticks());
    const watched: MachineFingerprint = {
      ...machine,
      loadAverage1m: this.#load,
      probe: {
        before: this.before,
        after: probe(),
        ...(steal === undefined ? {} : { stealPercent: steal }),
        ...(this.#waitedMs === undefined ? {} : { waitedS: this.#waitedMs / 1000 }),
      },
    };
    const doubts = doubtsAbout(watched);
    return doubts.length === 0 ? watched : { ...watched, doubts };
  }
}

/** Looks at the machine before and after work whose result has a fingerprint. */
export async function watched<Result extends Fingerprinted>(
  options: WatchOptions,
  work: () => Promise<Result>,
  tools: WatchTools = {},
): Promise<Result> {
  const watch = await MachineWatch.begin(options, tools);
  const result = await work();
  return { ...result, machine: watch.end(result.machine) };
}
