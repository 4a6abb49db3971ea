/**
 * Notices workers that hang: workers that have work and make no progress.
 *
 * The time counts from the first check that finds a worker so. Each check adds at most twice the interval. So no worker seems to hang
 * because the owner was busy, or because the process was stopped for a while.
 */

import { peek, type Words } from '../../shared/access.ts';
import type { WorkerRole } from './worker-types.ts';
import { WorkerWord } from '../threads/status.ts';

/** A worker that hangs, or makes progress again. */
export interface WorkerHang {
  role: WorkerRole;
  /** Number of the PMD; 0 for other roles. */
  index: number;
  /** Its participant slot. */
  participant: number;
  /** Observed time without progress, in ms. */
  stuckMs: number;
  stuck: Stuck;
  /** true: it hangs. false: it makes progress again. */
  isStuck: boolean;
}

/** A worker, as the watchdog sees it. */
export interface Watched {
  role: WorkerRole;
  index: number;
  participant: number;
  /** The first word of its status line. */
  line: number;
  hasWork(): boolean;
  /** It sleeps on a lock that another thread holds. */
  waitsForAnother(): boolean;
  /** It is dead, and its repair waits for a lock. */
  isUnrepaired(): boolean;
}

/** No progress of the worker itself (`work`), or of the repair of a dead worker (`repair`). */
export type Stuck = 'work' | 'repair';

interface Observation {
  beat: number;
  stuck: Stuck | undefined;
  stuckMs: number;
  /** Time since the worker last waited for a lock of another one, at most `stuckMs`. */
  ownMs: number;
  isReported: boolean;
}

/** Checks within `hangAfterMs`. */
const CHECKS_PER_HANG = 4;
const MOST_BETWEEN_MS = 1000;

export class Watchdog {
  readonly #status: Words;
  readonly #hangAfterMs: number;
  readonly #onHang: (hang: WorkerHang) => void;
  readonly #onOwnHang: (worker: Watched, ownMs: number) => void;
  readonly #observations = new Map<Watched, Observation>();
  readonly #intervalMs: number;
  readonly #timer: NodeJS.Timeout;
  #checkedMs = performance.now();

  /**
   * Watches until `stop`. Does not keep the process alive.
   * @param options.onHang called once when a worker hangs, and once when it makes progress again
   * @param options.onOwnHang called at every check of a worker that hangs, unless it waits for a lock of another one
   */
  constructor(options: {
    status: Words;
    hangAfterMs: number;
    onHang: (hang: WorkerHang) => void;
    onOwnHang: (worker: Watched, ownMs: number) => void;
  }) {
    const { status, hangAfterMs, onHang, onOwnHang } = options;
    this.#status = status;
    this.#hangAfterMs = hangAfterMs;
    this.#onHang = onHang;
    this.#onOwnHang = onOwnHang;
    this.#intervalMs = Watchdog.intervalMs(hangAfterMs);
    this.#timer = setInterval(() => this.#check(), this.#intervalMs);
    this.#timer.unref();
  }

  /** Time between two checks, in ms. Idle workers beat their heart at the same interval. */
  static intervalMs(hangAfterMs: number): number {
    return Math.min(MOST_BETWEEN_MS, hangAfterMs / CHECKS_PER_HANG);
  }

  add(worker: Watched): void {
    this.#observations.set(worker, { beat: 0, stuck: undefined, stuckMs: 0, ownMs: 0, isReported: false });
  }

  remove(worker: Watched): void {
    this.#observations.delete(worker);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #check(): void {
    const nowMs = performance.now();
    const sinceMs = Math.min(nowMs - this.#checkedMs, 2 * this.#intervalMs);
    this.#checkedMs = nowMs;
    for (const [worker, seen] of this.#observations) {
      const beat = peek(this.#status, worker.line + WorkerWord.HEARTBEAT);
      const isUp = peek(this.#status, worker.line + WorkerWord.UP) !== 0;
      let stuck: Stuck | undefined;
      if (worker.isUnrepaired()) {
        stuck = 'repair';
      } else if (isUp && beat === seen.beat && worker.hasWork()) {
        stuck = 'work';
      }
      if (stuck === undefined || stuck !== seen.stuck) {
        this.#observations.set(worker, { beat, stuck, stuckMs: 0, ownMs: 0, isReported: false });
        /* A worker that has died makes no progress: its death is reported instead. */
        if (seen.isReported && (isUp || seen.stuck === 'repair')) {
          this.#report(worker, seen, false);
        }
        continue;
      }
      seen.stuckMs += sinceMs;
      seen.ownMs = worker.waitsForAnother() ? 0 : seen.ownMs + sinceMs;
      if (stuck === 'work' && seen.ownMs >= this.#hangAfterMs) {
        this.#onOwnHang(worker, seen.ownMs);
      }
      if (seen.stuckMs >= this.#hangAfterMs && !seen.isReported) {
        seen.isReported = true;
        this.#report(worker, seen, true);
      }
    }
  }

  #report({ role, index, participant }: Watched, { stuck = 'work', stuckMs }: Observation, isStuck: boolean): void {
    this.#onHang({ role, index, participant, stuck, stuckMs, isStuck });
  }
}
