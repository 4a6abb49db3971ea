/** The workers of a datapath: starts them, waits until they are up, takes packets back from dead ones, and ends them. */

import { Conntrack } from '../../core/conntrack.ts';
import { Counter, type Counters, countersOfParticipant } from '../../core/counters.ts';
import { SettingWord } from '../../core/memory/memory-layout.ts';
import { load, notify, store, type Words } from '../../shared/access.ts';
import { countersOf } from '../../shared/memory/counters.ts';
import { ErrorCode } from '../../shared/error-codes.ts';
import { DatapathError } from './datapath-error.ts';
import { WorkerGroup } from '../supervision/group.ts';
import { workerName } from '../supervision/worker-types.ts';
import { startPmd, startSweeper } from '../threads/spawn.ts';
import type { CheckedOptions } from './options.ts';
import type { PmdRings } from './pmd-rings.ts';
import { type DatapathShare, StatusWord, sweeperNumber, workerLine, WorkerWord } from '../threads/status.ts';

/** Longest wait until all workers are up. */
const START_MS = 30_000;
/** A wait ends at least this often, to check for failures. */
const RECHECK_MS = 100;
/** After this time without progress of any PMD, `stop` no longer waits for packets. While a PMD is starting: twice that. */
const STALLED_MS = 1000;

export interface DatapathWorkersOptions {
  conntrack: Conntrack;
  share: DatapathShare;
  rings: PmdRings;
  /** Words of the action table. */
  actions: Words;
  options: CheckedOptions;
  /** Called once, when the datapath has failed. */
  onFailure(error: Error): void;
}

export class DatapathWorkers {
  readonly group: WorkerGroup;
  readonly #conntrack: Conntrack;
  readonly #share: DatapathShare;
  readonly #rings: PmdRings;
  readonly #onFailure: (error: Error) => void;
  readonly #signal: AbortSignal | undefined;
  #failure: DatapathError | undefined;

  /** Starts all threads. `untilUp` waits for them. */
  constructor({ conntrack, share, rings, actions, options, onFailure }: DatapathWorkersOptions) {
    this.#conntrack = conntrack;
    this.#share = share;
    this.#rings = rings;
    this.#onFailure = onFailure;
    this.#signal = options.signal;
    const { restarts, hangAfterMs, hung } = options;
    const { status, threads, memory } = share;
    const fail = (error: Error) => this.#fail(error);
    this.group = new WorkerGroup({ conntrack, status, threads, restarts, hangAfterMs, hung, onFailure: fail });
    for (let index = 0; index < threads; index++) {
      const task = { memory, ...rings.wordsOf(index), status, index, actions, batchSize: options.batchSize };
      this.#supervise({
        role: 'pmd',
        index,
        number: index,
        start: (slot) => startPmd({ ...task, ...slot }),
        takeBack: () => this.#takeBack(index),
        progress: (participant) => this.#counter(participant, Counter.batches),
        hasWork: () => !rings.isReleased(index),
      });
    }
    if (options.sweeper) {
      const task = { memory, status, clock: share.clock };
      this.#supervise({
        role: 'sweeper',
        index: 0,
        number: sweeperNumber(threads),
        start: (slot) => startSweeper({ ...task, ...slot }),
        takeBack: () => 0,
        progress: (participant) => this.#counter(participant, Counter.sweepRounds),
        hasWork: () => true,
      });
    }
  }

  #counter(participant: number, counter: number): number {
    return countersOf(this.#conntrack.tracker.participants, participant)[counter]!;
  }

  #supervise(worker: Parameters<WorkerGroup['supervise']>[0]): void {
    this.group.supervise(worker).catch((error: Error) => this.#fail(error));
  }

  #fail(error: Error): void {
    if (this.#failure === undefined) {
      this.#failure = DatapathError.ofDeath(error);
      this.#onFailure(this.#failure);
    }
  }

  /** Why the datapath has failed; undefined while it works. */
  get failure(): DatapathError | undefined {
    return this.#failure;
  }

  /** @throws DatapathError when the datapath has failed */
  throwIfFailed(): void {
    if (this.#failure !== undefined) {
      throw this.#failure;
    }
  }

  /**
   * Resolves when all threads are up. Rejects with the signal's reason when the signal is aborted.
   * @throws DatapathError when a thread dies, or is not up in time
   */
  async untilUp(): Promise<void> {
    const { status, threads } = this.#share;
    const signal = this.#signal;
    const deadline = performance.now() + START_MS;
    /* In the order of their numbers: the PMDs, then the sweeper. */
    for (const [number, worker] of this.group.states().entries()) {
      const up = workerLine(threads, number) + WorkerWord.UP;
      while (load(status, up) === 0) {
        signal?.throwIfAborted();
        this.throwIfFailed();
        if (performance.now() > deadline) {
          const message = `${workerName(worker)} did not start within ${START_MS / 1000} s`;
          throw new DatapathError(message, { code: ErrorCode.START_TIMEOUT });
        }
        const waiting = Atomics.waitAsync(status, up, 0, RECHECK_MS);
        /* The timer keeps the process alive. Neither waitAsync nor the threads do. */
        const keepAlive = setInterval(() => {}, RECHECK_MS);
        await waiting.value;
        clearInterval(keepAlive);
      }
    }
    signal?.throwIfAborted();
  }

  /** Takes the unfinished packets of a dead PMD back. @returns how many are lost */
  #takeBack(index: number, everything = false): number {
    const lost = this.#rings.takeBack(index, everything);
    this.#conntrack.tracker.counters[Counter.workerLost]! += lost;
    return lost;
  }

  /** @returns a function that says whether the PMDs have stalled: no progress for STALLED_MS */
  stallDetector(): () => boolean {
    let activity = this.group.activity();
    let movedMs = performance.now();
    return () => {
      const nowMs = performance.now();
      const current = this.group.activity();
      if (current !== activity) {
        activity = current;
        movedMs = nowMs;
      }
      const isStarting = this.group.states().some(({ role, isUp }) => role === 'pmd' && !isUp);
      return nowMs - movedMs > (isStarting ? 2 : 1) * STALLED_MS;
    };
  }

  /** Counters of each PMD, in order. */
  pmdCounters(): Counters[] {
    const { status, threads } = this.#share;
    return Array.from({ length: threads }, (_, index) =>
      countersOfParticipant(this.#conntrack.tracker.participants, load(status, StatusWord.PARTICIPANT + index) - 1),
    );
  }

  /**
   * Ends all threads. A thread that does not end by itself in time is terminated. Packets that no PMD has tracked come back
   * without a verdict.
   */
  async end(): Promise<void> {
    const { status, threads } = this.#share;
    const ended = this.group.end(({ role }) => role !== 'control');
    this.#rings.close();
    store(status, StatusWord.STOP, 1);
    notify(status, StatusWord.STOP, 1);
    const { words, settings } = this.#conntrack.tracker;
    store(words, settings + SettingWord.PRESSURE, 1);
    notify(words, settings + SettingWord.PRESSURE, 1);
    await ended;
    const states = this.group.states();
    for (let index = 0; index < threads; index++) {
      /* A thread that could not be terminated may still write to its packets. */
      if (!states.some((state) => state.role === 'pmd' && state.index === index)) {
        this.#takeBack(index, true);
      }
    }
  }
}
