/**
 * Notices workers that hang: that have work and do not get on with it. The time counts from a look at which both was so, and
 * each look adds no more than the time between two, so that neither an owner that was busy with other things nor a process
 * that was stopped takes everybody for hanging.
 */

import { peek, type Words } from '../../shared/access.ts';
import type { WorkerRole } from './supervisor.ts';
import { WorkerWord } from '../threads/status.ts';

/** A worker that hangs, or that gets on again. */
export interface WorkerHang {
  role: WorkerRole;
  /** Number of the PMD; of the others 0. */
  index: number;
  /** Its place at the table. */
  participant: number;
  /** How long it was seen without getting on, in ms. */
  stuckMs: number;
  stuck: Stuck;
  /** true: it hangs; false: it did, and gets on again. */
  isStuck: boolean;
}

/** What is watched of a worker. */
export interface Watched {
  role: WorkerRole;
  index: number;
  participant: number;
  /** Its line in the status words. */
  line: number;
  hasWork(): boolean;
  /** It sleeps on a lock that another thread holds. */
  waitsForAnother(): boolean;
  /** It is dead, and somebody holds a lock that the repair takes. */
  isUnrepaired(): boolean;
}

/** What does not get on: a worker with its work, or the repair after one that has died. */
export type Stuck = 'work' | 'repair';

interface Look {
  beat: number;
  stuck: Stuck | undefined;
  stuckMs: number;
  /** Of this, how long it has not been waiting for the lock of another one lately. */
  ownMs: number;
  isReported: boolean;
}

/** Looks in the time after which a worker hangs. */
const LOOKS = 4;
const MOST_BETWEEN_MS = 1000;

export class HangWatch {
  readonly #status: Words;
  readonly #hangAfterMs: number;
  readonly #onHang: (hang: WorkerHang) => void;
  readonly #onOwnHang: (worker: Watched, ownMs: number) => void;
  readonly #looks = new Map<Watched, Look>();
  readonly #intervalMs: number;
  readonly #timer: NodeJS.Timeout;
  #lookedMs = performance.now();

  /**
   * Watches until it is stopped. Does not keep the process alive.
   * @param options.onHang called once when a worker hangs, and once when it gets on again
   * @param options.onOwnHang called at every look at a worker that hangs, and not because another one does
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
    this.#intervalMs = HangWatch.intervalMs(hangAfterMs);
    this.#timer = setInterval(() => this.#look(), this.#intervalMs);
    this.#timer.unref();
  }

  /** Time between two looks, in ms: a worker without work gives a sign of life as often. */
  static intervalMs(hangAfterMs: number): number {
    return Math.min(MOST_BETWEEN_MS, hangAfterMs / LOOKS);
  }

  add(worker: Watched): void {
    this.#looks.set(worker, { beat: 0, stuck: undefined, stuckMs: 0, ownMs: 0, isReported: false });
  }

  remove(worker: Watched): void {
    this.#looks.delete(worker);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const nowMs = performance.now();
    const sinceMs = Math.min(nowMs - this.#lookedMs, 2 * this.#intervalMs);
    this.#lookedMs = nowMs;
    for (const [worker, look] of this.#looks) {
      const beat = peek(this.#status, worker.line + WorkerWord.HEARTBEAT);
      const isUp = peek(this.#status, worker.line + WorkerWord.UP) !== 0;
      let stuck: Stuck | undefined;
      if (worker.isUnrepaired()) {
        stuck = 'repair';
      } else if (isUp && beat === look.beat && worker.hasWork()) {
        stuck = 'work';
      }
      if (stuck === undefined || stuck !== look.stuck) {
        this.#looks.set(worker, { beat, stuck, stuckMs: 0, ownMs: 0, isReported: false });
        /* Of one that has died with its work nothing is said here: its death is told. */
        if (look.isReported && (isUp || look.stuck === 'repair')) {
          this.#tell(worker, look, false);
        }
        continue;
      }
      look.stuckMs += sinceMs;
      look.ownMs = worker.waitsForAnother() ? 0 : look.ownMs + sinceMs;
      if (stuck === 'work' && look.ownMs >= this.#hangAfterMs) {
        this.#onOwnHang(worker, look.ownMs);
      }
      if (look.stuckMs >= this.#hangAfterMs && !look.isReported) {
        look.isReported = true;
        this.#tell(worker, look, true);
      }
    }
  }

  #tell({ role, index, participant }: Watched, { stuck = 'work', stuckMs }: Look, isStuck: boolean): void {
    this.#onHang({ role, index, participant, stuck, stuckMs, isStuck });
  }
}
