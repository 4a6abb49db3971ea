/** Floats of a thread's phase: start, end, processor time. */
const WORDS = 3;

/**
 * Start and end of each phase on each thread, in ns of the system's monotonic clock, and the processor time of the whole process
 * meanwhile, in µs. These are shared 64-bit floats. Each thread writes its own once. The main thread reads them after all
 * threads have finished the phase.
 */
export class PhaseTimes {
  readonly times: Float64Array<SharedArrayBuffer>;
  readonly #phases: number;

  constructor(phases: number, times: Float64Array<SharedArrayBuffer>) {
    this.#phases = phases;
    this.times = times;
  }

  static allocate(threads: number, phases: number): PhaseTimes {
    return new PhaseTimes(phases, new Float64Array(new SharedArrayBuffer(threads * phases * WORDS * 8)));
  }

  /** Runs a phase of a thread and records its times. */
  run(thread: number, phase: number, work: () => void): void {
    const at = (thread * this.#phases + phase) * WORDS;
    const before = process.cpuUsage();
    this.times[at] = Number(process.hrtime.bigint());
    work();
    this.times[at + 1] = Number(process.hrtime.bigint());
    const { user, system } = process.cpuUsage(before);
    this.times[at + 2] = user + system;
  }

  /** From the first thread's start to the last thread's end, in ms. */
  phaseMs(phase: number): number {
    let start = Number.POSITIVE_INFINITY;
    let end = Number.NEGATIVE_INFINITY;
    for (let at = phase * WORDS; at < this.times.length; at += this.#phases * WORDS) {
      start = Math.min(start, this.times[at]!);
      end = Math.max(end, this.times[at + 1]!);
    }
    return (end - start) / 1e6;
  }

  /**
   * Processor time of a phase with a single thread, in ms. It excludes the time of other processes on the same core. With more
   * threads the figure would mean nothing, since waiting threads take no processor time.
   */
  cpuMs(phase: number): number {
    return this.times[phase * WORDS + 2]! / 1000;
  }

  /** Duration of a phase on each thread, in ms. */
  threadMs(phase: number): number[] {
    const took: number[] = [];
    for (let at = phase * WORDS; at < this.times.length; at += this.#phases * WORDS) {
      took.push((this.times[at + 1]! - this.times[at]!) / 1e6);
    }
    return took;
  }
}
