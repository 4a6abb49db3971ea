/** The workers of a datapath: which there are, how they come up, what their deaths mean to packets, and how they end. */

import { Conntrack } from '../../core/conntrack.ts';
import { Counter, type Counters, countersOfParticipant } from '../../core/counters.ts';
import { SettingWord } from '../../core/memory/memory.ts';
import { load, notify, store, type Words } from '../../shared/access.ts';
import { countersOf } from '../../shared/memory/counters.ts';
import { ErrorCode } from '../../shared/error-codes.ts';
import { DatapathError } from './datapath-error.ts';
import { WorkerGroup } from '../supervision/group.ts';
import { workerName } from '../supervision/supervisor.ts';
import { startPmd, startSweeper } from '../threads/spawn.ts';
import type { CheckedOptions } from './options.ts';
import type { PmdRings } from './pmd-rings.ts';
import { type DatapathShare, StatusWord, sweeperNumber, workerLine, WorkerWord } from '../threads/status.ts';

/** Longest wait for workers to come up. */
const START_MS = 30_000;
const LOOK_ROUND_MS = 100;
/** A stop gives up on packets when no worker has got on for so long; while one is being started, twice that. */
const GIVE_UP_MS = 1000;

export interface DatapathWorkersOptions {
  conntrack: Conntrack;
  share: DatapathShare;
  rings: PmdRings;
  /** Words of the action table. */
  actions: Words;
  options: CheckedOptions;
  /** The datapath cannot go on. Told once. */
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

  /** Starts all threads; `untilUp` waits for them. */
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
      this.#keep({
        role: 'pmd',
        index,
        number: index,
        start: (place) => startPmd({ ...task, ...place }),
        takeBack: () => this.#takeBack(index),
        progress: (participant) => this.#counter(participant, Counter.batches),
        hasWork: () => !rings.isGivenBack(index),
      });
    }
    if (options.sweeper) {
      const task = { memory, status, clock: share.clock };
      this.#keep({
        role: 'sweeper',
        index: 0,
        number: sweeperNumber(threads),
        start: (place) => startSweeper({ ...task, ...place }),
        takeBack: () => 0,
        progress: (participant) => this.#counter(participant, Counter.sweepRounds),
        hasWork: () => true,
      });
    }
  }

  #counter(participant: number, counter: number): number {
    return countersOf(this.#conntrack.tracker.participants, participant)[counter]!;
  }

  #keep(worker: Parameters<WorkerGroup['keep']>[0]): void {
    this.group.keep(worker).catch((error: Error) => this.#fail(error));
  }

  #fail(error: Error): void {
    if (this.#failure === undefined) {
      this.#failure = DatapathError.ofDeath(error);
      this.#onFailure(this.#failure);
    }
  }

  /** Why the datapath cannot go on; undefined: it can. */
  get failure(): DatapathError | undefined {
    return this.#failure;
  }

  /** @throws DatapathError when a worker has died and is not started again */
  throwIfFailed(): void {
    if (this.#failure !== undefined) {
      throw this.#failure;
    }
  }

  /**
   * Resolves when all are at work. Rejects with the reason of the options' signal when that is aborted.
   * @throws DatapathError when one dies, or does not come up in time
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
        const waiting = Atomics.waitAsync(status, up, 0, LOOK_ROUND_MS);
        /* The timer keeps the process alive, which neither waitAsync nor the threads do. */
        const keepAlive = setInterval(() => {}, LOOK_ROUND_MS);
        await waiting.value;
        clearInterval(keepAlive);
      }
    }
    signal?.throwIfAborted();
  }

  /** Gives the packets back that a PMD which died was at. */
  #takeBack(index: number, everything = false): number {
    const lost = this.#rings.takeBack(index, everything);
    this.#conntrack.tracker.counters[Counter.workerLost]! += lost;
    return lost;
  }

  /** Says whether all PMDs have stood still for so long that nothing more is to be expected of them. */
  stillWatch(): () => boolean {
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
      return nowMs - movedMs > (isStarting ? 2 : 1) * GIVE_UP_MS;
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
   * Ends all threads: they get some time to come to an end by themselves, and are then terminated. Packets that no PMD came to
   * are given back.
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
      /* One that could not even be terminated may still be at its packets. */
      if (!states.some((state) => state.role === 'pmd' && state.index === index)) {
        this.#takeBack(index, true);
      }
    }
  }
}
