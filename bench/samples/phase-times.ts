/** Start, end, processor time. */
const WORDS = 3;

/**
 * When each thread of a sample began and ended each phase: shared 64-bit floats, ns of the system's monotonic clock;
 * and the processor time that the whole process took meanwhile, in µs. Each thread writes its own once, and is gone before anybody reads them.
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

  /** Runs a phase of a thread and notes its times. */
  run(thread: number, phase: number, work: () => void): void {
    const at = (thread * this.#phases + phase) * WORDS;
    const before = process.cpuUsage();
    this.times[at] = Number(process.hrtime.bigint());
    work();
    this.times[at + 1] = Number(process.hrtime.bigint());
    const { user, system } = process.cpuUsage(before);
    this.times[at + 2] = user + system;
  }

  /** From the start of the first thread to the end of the last, in ms. */
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
   * Processor time of a phase of the only thread, in ms: what others on the same cores take is not in it. With more
   * threads there is no such figure, since those that wait take none.
   */
  cpuMs(phase: number): number {
    return this.times[phase * WORDS + 2]! / 1000;
  }

  /** How long each thread took for a phase, in ms. */
  threadMs(phase: number): number[] {
    const took: number[] = [];
    for (let at = phase * WORDS; at < this.times.length; at += this.#phases * WORDS) {
      took.push((this.times[at + 1]! - this.times[at]!) / 1e6);
    }
    return took;
  }
}
