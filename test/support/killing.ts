/** Kills workers of a datapath under load, at random moments, and measures what others feel of it. */

import { Worker } from 'node:worker_threads';
import { setImmediate } from 'node:timers/promises';
import { expect } from 'vitest';
import { allocateWords, load, peek } from '../../src/shared/access.ts';
import { lockTagOf } from '../../src/shared/mutex.ts';
import { IntentKind, PARTICIPANT_WORDS, ParticipantWord } from '../../src/shared/participant.ts';
import { memoryLayout } from '../../src/core/memory.ts';
import { BUCKET_WORDS } from '../../src/core/table/bucket-table.ts';
import { workerEntry } from '../../src/workers/entry.ts';
import type { WorkerDeath } from '../../src/workers/keeper.ts';
import type { WorkerState } from '../../src/workers/group.ts';
import { type BeatWatchTask, BeatWatchWord, schedulerTimes } from '../threads/beat-watch.ts';
import type { Turmoil } from './turmoil.ts';

/** When a worker is killed: after a random time, or when it is seen in the middle of something. */
export const MOMENTS = ['anywhen', 'linking', 'removing', 'growing', 'holding a bucket', 'holding room'] as const;
export type Moment = (typeof MOMENTS)[number];

/** A moment that does not come is not waited for longer. */
const MOST_WAITING_MS = 5;
const MOST_DELAY_MS = 5;
/** Failure deadline. */
const BACK_MS = 20_000;
const PUMPED = 64;

export interface KillFigures {
  kills: number;
  deaths: WorkerDeath[];
  /**
   * From the order to end a thread to everything being repaired, in ms: the longest; and less what the owner and the victim
   * were kept waiting for a processor meanwhile.
   */
  longestDeathMs: number;
  longestOwnDeathMs: number;
  /** For how long one of the others was blocked in a batch, in ms, and less the same. */
  longestWaitMs: number;
  longestOwnWaitMs: number;
  moments: Record<Moment, number>;
}

export class Killer {
  readonly figures: KillFigures = {
    kills: 0,
    deaths: [],
    longestDeathMs: 0,
    longestOwnDeathMs: 0,
    longestWaitMs: 0,
    longestOwnWaitMs: 0,
    moments: Object.fromEntries(MOMENTS.map((moment) => [moment, 0])) as Record<Moment, number>,
  };
  readonly #turmoil: Turmoil;
  readonly #watch: Worker;
  readonly #watched = allocateWords(128);
  readonly #workers: number;

  constructor(turmoil: Turmoil) {
    this.#turmoil = turmoil;
    const { datapath } = turmoil;
    const { share } = datapath;
    this.#workers = share.threads + 1;
    const task: BeatWatchTask = {
      status: share.status,
      threads: share.threads,
      workers: this.#workers,
      results: this.#watched,
    };
    const entry = workerEntry('../../test/threads/beat-watch', new URL('../../src/workers/x.ts', import.meta.url).href);
    this.#watch = new Worker(entry.filename, { execArgv: entry.execArgv, workerData: task });
    datapath.onWorkerDeath = (death) => this.figures.deaths.push(death);
  }

  async end(): Promise<void> {
    Atomics.store(this.#watched, BeatWatchWord.STOP, 1);
    Atomics.notify(this.#watched, BeatWatchWord.STOP);
    await this.#watch.terminate();
  }

  /** Kills one worker, sometimes two at once, and waits until all are back at work. */
  async kill(): Promise<void> {
    const { datapath } = this.#turmoil;
    const victims = [this.#chooseVictim()];
    if (this.#turmoil.random(8) === 0) {
      victims.push(this.#chooseVictim());
    }
    const first = victims[0]!;
    this.#turmoil.pump(PUMPED * 4);
    await this.#beginWatch();
    const moment = MOMENTS[this.#turmoil.random(MOMENTS.length)]!;
    if (this.#waitFor(moment, first)) {
      this.figures.moments[moment]++;
    }
    const before = this.figures.deaths.length;
    const killedMs = performance.now();
    for (const { role, index } of victims) {
      datapath.terminateWorker(role, index);
    }
    const deaths = new Set(victims.map(({ role, index }) => `${role} ${index}`)).size;
    this.figures.kills += deaths;
    const threads = [process.pid, ...victims.map(({ threadId }) => threadId)];
    const delays = new Map<number, { first: number; last: number }>();
    const noteDelays = () => {
      for (const thread of threads) {
        const { delayedMs } = schedulerTimes(thread);
        const first = delays.get(thread)?.first ?? delayedMs;
        delays.set(thread, { first, last: Math.max(first, delayedMs) });
      }
    };
    noteDelays();
    await this.#pumpUntil('the death is noticed', () => {
      noteDelays();
      return this.figures.deaths.length >= before + deaths;
    });
    const deathMs = performance.now() - killedMs;
    const delayMs = [...delays.values()].reduce((sum, { first, last }) => sum + last - first, 0);
    this.figures.longestDeathMs = Math.max(this.figures.longestDeathMs, deathMs);
    this.figures.longestOwnDeathMs = Math.max(this.figures.longestOwnDeathMs, deathMs - delayMs);
    await this.#pumpUntil('all are back', () => datapath.workers().every(({ isUp }) => isUp));
    this.#endWatch(victims, delayMs);
    for (const death of this.figures.deaths.slice(before)) {
      expect(death).toMatchObject({ isRestarted: true, repaired: { isComplete: true } });
      expect(death.packetsLost).toBeLessThanOrEqual(32);
    }
  }

  #chooseVictim(): WorkerState {
    const states = this.#turmoil.datapath.workers();
    return states[this.#turmoil.random(states.length)]!;
  }

  /** Blocks this thread until the victim is seen in that situation. @returns whether it was */
  #waitFor(moment: Moment, { participant }: WorkerState): boolean {
    const { conntrack } = this.#turmoil.datapath;
    const { words, room } = conntrack.tracker;
    const layout = memoryLayout(conntrack.memory);
    const base = layout.participants + participant * PARTICIPANT_WORDS;
    const tag = lockTagOf(participant);
    const bucket = layout.buckets + BUCKET_WORDS * this.#turmoil.random(conntrack.tracker.table.bucketCount);
    const kind = base + ParticipantWord.INTENT_KIND;
    const isThere: Record<Moment, () => boolean> = {
      anywhen: () => false,
      linking: () => peek(words, kind) === IntentKind.link,
      removing: () => peek(words, kind) === IntentKind.unlink,
      growing: () => peek(words, base + ParticipantWord.GROW_NEW) !== 0,
      'holding a bucket': () => peek(words, bucket) >>> 1 === tag >>> 1,
      'holding room': () => peek(words, room + 2) >>> 1 === tag >>> 1,
    };
    const delayMs = moment === 'anywhen' ? (this.#turmoil.random(1000) / 1000) * MOST_DELAY_MS : MOST_WAITING_MS;
    const deadline = performance.now() + delayMs;
    const holds = isThere[moment];
    for (;;) {
      for (let looks = 0; looks < 200; looks++) {
        if (holds()) {
          return true;
        }
      }
      if (performance.now() > deadline) {
        return moment === 'anywhen';
      }
    }
  }

  async #pumpUntil(what: string, holds: () => boolean): Promise<void> {
    const deadline = performance.now() + BACK_MS;
    while (!holds()) {
      if (performance.now() > deadline) {
        throw new Error(`it never happened that ${what}: ${JSON.stringify(this.#turmoil.datapath.workers())}`);
      }
      this.#turmoil.pump(PUMPED);
      this.#turmoil.datapath.harvest();
      await setImmediate();
    }
  }

  async #beginWatch(): Promise<void> {
    const round = Atomics.add(this.#watched, BeatWatchWord.ROUND, 1) + 1;
    while (load(this.#watched, BeatWatchWord.WATCHED_ROUND) !== round) {
      await setImmediate();
    }
  }

  #endWatch(victims: WorkerState[], delayMs: number): void {
    const { threads } = this.#turmoil.datapath;
    const { figures } = this;
    for (let worker = 0; worker < this.#workers; worker++) {
      const isVictim = victims.some(({ role, index }) => (role === 'pmd' ? index : threads) === worker);
      if (!isVictim) {
        const waitMs = this.#watched[BeatWatchWord.LONGEST_US + worker]! / 1000;
        figures.longestWaitMs = Math.max(figures.longestWaitMs, waitMs);
        figures.longestOwnWaitMs = Math.max(figures.longestOwnWaitMs, waitMs - delayMs);
      }
    }
  }
}
