/** The workers of a datapath: starts, watches, restarts and ends them. */

import { setTimeout as delay } from 'node:timers/promises';
import type { Conntrack } from '../../core/conntrack.ts';
import { Counter } from '../../core/counters.ts';
import { load, peek, store, type Words } from '../../shared/access.ts';
import { releaseParticipant, reserveParticipant } from '../../shared/memory/participant-slots.ts';
import type { Participant } from '../../shared/memory/participant.ts';
import { Watchdog, type Watched, type WorkerHang } from './watchdog.ts';
import { WorkerSupervisor } from './supervisor.ts';
import { waitsForAnother } from './lock-waits.ts';
import type { StartedWorker, WorkerDeath, WorkerRole } from './worker-types.ts';
import { StatusWord, WorkerWord, workerLine } from '../threads/status.ts';

export interface GroupOptions {
  conntrack: Conntrack;
  status: Words;
  /** PMDs. */
  threads: number;
  /** Restarts in a row of one worker, without progress in between, before the datapath fails. */
  restarts: number;
  hangAfterMs: number;
  /** See DatapathOptions. */
  hung: 'report' | 'terminate';
  /** The datapath has failed. */
  onFailure(error: Error): void;
}

export interface WorkerOptions {
  role: WorkerRole;
  index: number;
  /** Number among the workers (status.ts). */
  number: number;
  start(slot: WorkerSlot): StartedWorker | Promise<StartedWorker>;
  /** Called after its death: takes its unfinished packets back. @returns lost packets */
  takeBack(): number;
  /** A number that grows with the work done. */
  progress(participant: number): number;
  hasWork(): boolean;
  /** The worker has failed for good; default: the datapath fails. */
  onFailure?(error: Error): void;
}

/** The participant slot that is reserved for a worker, and its line of status words. */
export interface WorkerSlot {
  participant: number;
  /** Lets one thread take the slot, once. */
  token: number;
  /** The first word of its status line. */
  line: number;
  /** Longest time between two heartbeats of an idle worker, in ms. */
  beatMs: number;
}

/** The state of a worker. */
export interface WorkerState {
  role: WorkerRole;
  index: number;
  participant: number;
  /** Its thread runs, and has finished its start. */
  isUp: boolean;
  restarts: number;
  /** System thread id, as `top -H` shows it; 0 if unknown. */
  threadId: number;
}

/** Time for workers to end by themselves, and then again for their termination. */
const END_MS = 1000;

interface Supervised {
  supervisor: WorkerSupervisor;
  watched: Watched;
  slot: Participant;
}

export class WorkerGroup {
  /** Called after a death, when the table is repaired. */
  onDeath: (death: WorkerDeath) => void = () => {};
  /** Called when a worker hangs, and when it makes progress again. */
  onHang: (hang: WorkerHang) => void = () => {};
  readonly #options: GroupOptions;
  readonly #watch: Watchdog;
  readonly #workers: Supervised[] = [];

  constructor(options: GroupOptions) {
    this.#options = options;
    const { status, hangAfterMs, hung } = options;
    this.#watch = new Watchdog({
      status,
      hangAfterMs,
      onHang: (hang) => this.onHang(hang),
      onOwnHang: ({ role, index }, ownMs) => {
        if (hung === 'terminate') {
          this.terminate(role, index, `it hung for ${Math.round(ownMs)} ms`);
        }
      },
    });
  }

  /** Starts a worker, and restarts it after each death until `end`. Rejects if the first start fails. */
  async supervise(options: WorkerOptions): Promise<void> {
    const { conntrack, status, threads } = this.#options;
    const { role, index, number } = options;
    const reserved = reserveParticipant(conntrack.tracker.participants);
    const slot = reserved.participant;
    const participant = slot.id;
    const line = workerLine(threads, number);
    store(status, StatusWord.PARTICIPANT + number, participant + 1);
    const supervisor = this.#supervisorOf(options, { participant, line, token: reserved.token });
    const watched: Watched = {
      role,
      index,
      participant,
      line,
      hasWork: () => options.hasWork(),
      waitsForAnother: () => waitsForAnother(conntrack.tracker, participant),
      isUnrepaired: () => supervisor.isUnrepaired,
    };
    this.#workers.push({ supervisor, watched, slot });
    this.#watch.add(watched);
    try {
      await supervisor.start();
    } catch (error) {
      await this.end((each) => each === supervisor);
      throw error;
    }
  }

  #supervisorOf(options: WorkerOptions, given: Omit<WorkerSlot, 'beatMs'>): WorkerSupervisor {
    const { conntrack, status, restarts, hangAfterMs } = this.#options;
    const { role, index } = options;
    const { participant, line } = given;
    let { token } = given;
    const up = line + WorkerWord.UP;
    let hasBeenUp = false;
    /* Two threads in one slot would corrupt the table. Only the thread in the slot sets this word. */
    const mustBeGone = () => {
      if (load(status, up) !== 0) {
        throw new Error(`the thread of participant ${participant} still runs: its slot is not free`);
      }
    };
    return new WorkerSupervisor({
      role,
      index,
      participant,
      restarts,
      start: () => {
        mustBeGone();
        return options.start({ participant, token, line, beatMs: Watchdog.intervalMs(hangAfterMs) });
      },
      exited: () => {
        hasBeenUp ||= load(status, up) !== 0;
        store(status, up, 0);
      },
      hasBeenUp: () => hasBeenUp,
      progress: () => options.progress(participant),
      repair: () => {
        mustBeGone();
        const report = conntrack.repair(participant, { keepsSlot: true, token });
        if (report.isComplete) {
          token = report.token;
        }
        return report;
      },
      takeBack: () => options.takeBack(),
      onDeath: (death) => {
        if (death.isRestarted) {
          conntrack.tracker.counters[Counter.workerRestarts]!++;
        }
        this.onDeath(death);
      },
      onFailure: (error) => (options.onFailure ?? this.#options.onFailure)(error),
    });
  }

  /** The state of each worker. */
  states(): WorkerState[] {
    return this.#workers.map(({ supervisor, watched }) => {
      const { role, index, participant, restarts } = supervisor;
      const { status } = this.#options;
      return {
        role,
        index,
        participant,
        isUp: load(status, watched.line + WorkerWord.UP) !== 0,
        restarts,
        threadId: load(status, watched.line + WorkerWord.THREAD_ID),
      };
    });
  }

  /** Terminates the thread of a worker. The worker is then repaired and restarted, as after any death. */
  terminate(role: WorkerRole, index: number, reason?: string): void {
    this.#workers
      .find(({ supervisor }) => supervisor.role === role && supervisor.index === index)
      ?.supervisor.terminate(reason);
  }

  /** A number that changes while any PMD makes progress. */
  activity(): number {
    const pmds = this.#workers.filter(({ supervisor }) => supervisor.role === 'pmd');
    return pmds.reduce(
      (sum, { supervisor, watched }) =>
        (sum + supervisor.restarts + peek(this.#options.status, watched.line + WorkerWord.HEARTBEAT)) | 0,
      0,
    );
  }

  /**
   * Waits until workers have ended, and terminates those that do not end in time. Takes two seconds at most. The caller must tell the
   * workers to end.
   * @param which default: all
   */
  async end(which: (worker: { role: WorkerRole }) => boolean = () => true): Promise<void> {
    const ending = this.#workers.filter(({ supervisor }) => which(supervisor));
    for (const { supervisor, watched } of ending) {
      supervisor.expectEnd();
      this.#watch.remove(watched);
    }
    const ended = Promise.all(ending.map(({ supervisor }) => supervisor.ended));
    if (!(await inTime(ended))) {
      for (const { supervisor } of ending) {
        supervisor.terminate('it did not end in time');
      }
      await inTime(ended);
      for (const { supervisor } of ending) {
        supervisor.abandonRepair();
      }
    }
    for (const { supervisor, slot } of ending) {
      /* Another call of `end` may have released the slot, and another worker may have it by now. */
      const at = this.#workers.findIndex((each) => each.supervisor === supervisor);
      /* A thread that still runs keeps its slot. */
      if (at >= 0 && !supervisor.isRunning) {
        this.#workers.splice(at, 1);
        releaseParticipant(slot);
      }
    }
    if (this.#workers.length === 0) {
      this.#watch.stop();
    }
  }
}

/** Whether the event happens within END_MS. */
async function inTime(event: Promise<unknown>): Promise<boolean> {
  const deadline = new AbortController();
  const timedOut = delay(END_MS, true, { signal: deadline.signal }).catch(() => true);
  const outcome = await Promise.race([event.then(() => false), timedOut]);
  deadline.abort();
  return !outcome;
}
