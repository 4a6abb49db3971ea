/** Kills workers of a datapath under load at random moments, and measures how long that blocks the other workers. */

import { readFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { setImmediate, setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';
import { allocateWords, load, peek } from '../../src/shared/access.ts';
import { ownerOf } from '../../src/shared/sync/mutex.ts';
import { IntentKind, PARTICIPANT_WORDS, ParticipantWord } from '../../src/shared/memory/participant.ts';
import { memoryLayout } from '../../src/core/memory/memory-layout.ts';
import { BUCKET_WORDS } from '../../src/core/table/bucket-layout.ts';
import { workerEntry } from '../../src/workers/threads/entry.ts';
import type { WorkerDeath } from '../../src/workers/supervision/worker-types.ts';
import type { WorkerState } from '../../src/workers/supervision/group.ts';
import { type BeatWatchTask, BeatWatchWord } from '../threads/beat-watch.ts';
import { threadModule } from '../threads/entry.ts';
import { Turmoil } from './turmoil.ts';

/** When a worker is killed: after a random time, or while it does this work or holds this lock. */
export const MOMENTS = [
  'at random',
  'linking',
  'removing',
  'growing',
  'holding a bucket',
  'holding the quota',
] as const;
export type Moment = (typeof MOMENTS)[number];

/** The longest wait for such a moment, in ms. */
const MOST_WAITING_MS = 20;
const MOST_DELAY_MS = 5;
/** In processors. If other processes use more, the measured times say nothing about the locks. */
const MOST_BY_OTHERS = 0.3;
const MS_PER_TICK = 10;
/** Failure deadline. */
const BACK_MS = 240_000;
const PUMPED = 32;
const ROUNDS_PER_CHECK = 4;
/** No worker waits longer for a lock of a dead one, in ms. */
const MOST_MS = 100;

export interface KillFigures {
  kills: number;
  deaths: WorkerDeath[];
  /** The longest time from the termination of a thread to the end of the repair, in ms. */
  longestDeathMs: number;
  /** The longest time for which another worker was blocked in a batch, in ms. */
  longestWaitMs: number;
  /** Kills while other processes left the machine idle, and the same two times of these kills. */
  measured: number;
  longestMeasuredDeathMs: number;
  longestMeasuredWaitMs: number;
  moments: Record<Moment, number>;
}

export class Killer {
  readonly figures: KillFigures = {
    kills: 0,
    deaths: [],
    longestDeathMs: 0,
    longestWaitMs: 0,
    measured: 0,
    longestMeasuredDeathMs: 0,
    longestMeasuredWaitMs: 0,
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
    const entry = workerEntry('beat-watch', threadModule('beat-watch'));
    this.#watch = new Worker(entry.filename, { execArgv: entry.execArgv, workerData: task });
    datapath.on('workerDeath', (death) => this.figures.deaths.push(death));
  }

  async end(): Promise<void> {
    Atomics.store(this.#watched, BeatWatchWord.STOP, 1);
    Atomics.notify(this.#watched, BeatWatchWord.STOP);
    await this.#watch.terminate();
  }

  /** Kills one worker, sometimes two at once, and waits until all workers are up again. */
  async kill(): Promise<void> {
    const { datapath } = this.#turmoil;
    const victims = [this.#chooseVictim()];
    if (this.#turmoil.random(3) === 0) {
      victims.push(this.#chooseVictim());
    }
    const first = victims[0]!;
    this.#turmoil.pump(PUMPED * 8);
    await this.#beginWatch();
    const moment = MOMENTS[this.#turmoil.random(MOMENTS.length)]!;
    if (this.#waitFor(moment, first)) {
      this.figures.moments[moment]++;
    }
    const before = this.figures.deaths.length;
    const machine = new MachineUse();
    const killedMs = performance.now();
    for (const { role, index } of victims) {
      datapath.terminateWorker(role, index);
    }
    const deaths = new Set(victims.map(({ role, index }) => `${role} ${index}`)).size;
    this.figures.kills += deaths;
    await this.#pumpUntil('the death is noticed', () => this.figures.deaths.length >= before + deaths);
    const deathMs = performance.now() - killedMs;
    await this.#pumpUntil('all are back', () => datapath.workers().every(({ isUp }) => isUp));
    this.#noteTimes(victims, deathMs, machine.usedByOthers());
    for (const death of this.figures.deaths.slice(before)) {
      expect(death).toMatchObject({ isRestarted: true, repaired: { isComplete: true } });
      expect(death.packetsLost).toBeLessThanOrEqual(32);
    }
  }

  #chooseVictim(): WorkerState {
    const states = this.#turmoil.datapath.workers();
    return states[this.#turmoil.random(states.length)]!;
  }

  /** Blocks this thread until the victim is in that situation. @returns whether it was */
  #waitFor(moment: Moment, { participant }: WorkerState): boolean {
    const { conntrack } = this.#turmoil.datapath;
    const { words } = conntrack.tracker;
    const { pool } = conntrack.tracker.quota;
    const layout = memoryLayout(conntrack.memory);
    const base = layout.participants + participant * PARTICIPANT_WORDS;
    const kind = base + ParticipantWord.INTENT_KIND;
    const holdsBucket = () => {
      for (let bucket = 0; bucket < conntrack.tracker.table.bucketCount; bucket++) {
        if (ownerOf(words, layout.buckets + BUCKET_WORDS * bucket) === participant) {
          return true;
        }
      }
      return false;
    };
    const isThere: Record<Moment, () => boolean> = {
      'at random': () => false,
      linking: () => peek(words, kind) === IntentKind.link,
      removing: () => peek(words, kind) === IntentKind.unlink,
      growing: () => peek(words, base + ParticipantWord.GROW_NEW) !== 0,
      'holding a bucket': () => holdsBucket(),
      'holding the quota': () => ownerOf(words, pool + 2) === participant,
    };
    const delayMs = moment === 'at random' ? (this.#turmoil.random(1000) / 1000) * MOST_DELAY_MS : MOST_WAITING_MS;
    const deadline = performance.now() + delayMs;
    const holds = isThere[moment];
    for (;;) {
      for (let looks = 0; looks < 200; looks++) {
        if (holds()) {
          return true;
        }
      }
      if (performance.now() > deadline) {
        return moment === 'at random';
      }
      this.#turmoil.pump(2);
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
      /* The workers need the processors too. */
      await delay(1);
    }
  }

  async #beginWatch(): Promise<void> {
    const round = Atomics.add(this.#watched, BeatWatchWord.ROUND, 1) + 1;
    while (load(this.#watched, BeatWatchWord.WATCHED_ROUND) !== round) {
      await setImmediate();
    }
  }

  #noteTimes(victims: WorkerState[], deathMs: number, usedByOthers: number): void {
    const { threads } = this.#turmoil.datapath;
    const { figures } = this;
    let waitMs = 0;
    for (let worker = 0; worker < this.#workers; worker++) {
      if (!victims.some(({ role, index }) => (role === 'pmd' ? index : threads) === worker)) {
        waitMs = Math.max(waitMs, this.#watched[BeatWatchWord.LONGEST_US + worker]! / 1000);
      }
    }
    figures.longestDeathMs = Math.max(figures.longestDeathMs, deathMs);
    figures.longestWaitMs = Math.max(figures.longestWaitMs, waitMs);
    if (usedByOthers < MOST_BY_OTHERS) {
      figures.measured++;
      figures.longestMeasuredDeathMs = Math.max(figures.longestMeasuredDeathMs, deathMs);
      figures.longestMeasuredWaitMs = Math.max(figures.longestMeasuredWaitMs, waitMs);
    }
  }
}

/** The CPU use of other processes since this object was made. Threads that wait for a processor say nothing about locks. */
class MachineUse {
  readonly #startedMs = performance.now();
  readonly #busyMs = busyMs();
  readonly #own = process.cpuUsage();

  /** In processors. */
  usedByOthers(): number {
    const { user, system } = process.cpuUsage(this.#own);
    const othersMs = busyMs() - this.#busyMs - (user + system) / 1000;
    return othersMs / (performance.now() - this.#startedMs);
  }
}

/** Busy and stolen time of all processors together, in ms; 0 on a system without /proc/stat. */
function busyMs(): number {
  try {
    const [, user, nice, system, , , irq, softirq, steal] = readFileSync('/proc/stat', 'utf8')
      .split('\n')[0]!
      .split(/\s+/);
    return [user, nice, system, irq, softirq, steal].reduce((sum, ticks) => sum + Number(ticks), 0) * MS_PER_TICK;
  } catch {
    return 0;
  }
}

/**
 * Kills workers of a datapath under load until `kills` is reached, and checks the table in between. Fails the test if a packet
 * is lost otherwise than in a dead worker's batch, if a worker does not come back, or if others had to wait too long.
 */
export async function killWorkers(options: { seed: number; threads: number; kills: number }): Promise<KillFigures> {
  const { seed, threads, kills } = options;
  const turmoil = await Turmoil.start({ seed, threads, flows: 64 });
  const killer = new Killer(turmoil);
  const { figures } = killer;
  try {
    for (let rounds = 1; figures.kills < kills; rounds++) {
      await killer.kill();
      if (rounds % ROUNDS_PER_CHECK === 0) {
        await turmoil.check();
      }
    }
    await turmoil.check();
  } finally {
    await killer.end();
    await turmoil.datapath.stop();
  }
  const { deaths, ...rest } = figures;
  console.log(JSON.stringify({ ...rest, packets: turmoil.packets, ...foundHalfDone(deaths) }));
  expect(turmoil.datapath.conntrack.counters().workerRestarts).toBe(figures.kills);
  expect(figures.longestMeasuredWaitMs).toBeLessThan(MOST_MS);
  return figures;
}

/** Counts the deaths in which the repair found unfinished work, for each type of work; and the lost packets. */
function foundHalfDone(deaths: WorkerDeath[]): Record<string, number> {
  const found: Record<string, number> = { packetsLost: 0 };
  for (const { repaired, packetsLost } of deaths) {
    found['packetsLost']! += packetsLost;
    for (const [name, count] of Object.entries(repaired)) {
      if (name !== 'participant' && name !== 'isComplete' && Number(count) > 0) {
        found[name] = (found[name] ?? 0) + 1;
      }
    }
  }
  return found;
}
