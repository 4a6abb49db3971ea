/**
 * When each thread of a sample began and ended each phase: shared 64-bit floats, ns of the system's monotonic clock.
 * Each thread writes its own pair once, and is gone before anybody reads it.
 */
export class PhaseTimes {
  readonly times: Float64Array<SharedArrayBuffer>;
  readonly #phases: number;

  constructor(phases: number, times: Float64Array<SharedArrayBuffer>) {
    this.#phases = phases;
    this.times = times;
  }

  static allocate(threads: number, phases: number): PhaseTimes {
    return new PhaseTimes(phases, new Float64Array(new SharedArrayBuffer(threads * phases * 2 * 8)));
  }

  /** Runs a phase of a thread and notes its times. */
  run(thread: number, phase: number, work: () => void): void {
    const at = (thread * this.#phases + phase) * 2;
    this.times[at] = Number(process.hrtime.bigint());
    work();
    this.times[at + 1] = Number(process.hrtime.bigint());
  }

  /** From the start of the first thread to the end of the last, in ms. */
  phaseMs(phase: number): number {
    let start = Number.POSITIVE_INFINITY;
    let end = Number.NEGATIVE_INFINITY;
    for (let at = phase * 2; at < this.times.length; at += this.#phases * 2) {
      start = Math.min(start, this.times[at]!);
      end = Math.max(end, this.times[at + 1]!);
    }
    return (end - start) / 1e6;
  }
}

/** Phases of the insertion benchmark: insert, look up again. */
export const INSERT_PHASES = 2;
