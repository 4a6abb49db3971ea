/** The workers of a datapath: started, watched, started again, and ended. */

import { setTimeout as delay } from 'node:timers/promises';
import type { Conntrack } from '../../core/conntrack.ts';
import { Counter } from '../../core/counters.ts';
import { load, peek, store, type Words } from '../../shared/access.ts';
import { releaseParticipant, reserveParticipant, type Participant } from '../../shared/memory/participant.ts';
import { HangWatch, type Watched, type WorkerHang } from './watchdog.ts';
import { WorkerSupervisor, type WorkerDeath, type WorkerLife, type WorkerRole } from './supervisor.ts';
import { waitsForAnother } from './lock-waits.ts';
import { StatusWord, WorkerWord, workerLine } from '../threads/status.ts';

export interface GroupOptions {
  conntrack: Conntrack;
  status: Words;
  /** PMDs. */
  threads: number;
  /** Deaths in a row of one worker, without anything done in between, that are put up with. */
  restarts: number;
  hangAfterMs: number;
  /** What is done about a worker that hangs, beside reporting it. */
  hung: 'report' | 'terminate';
  /** The datapath cannot go on. */
  onFailure(error: Error): void;
}

export interface WorkerOptions {
  role: WorkerRole;
  index: number;
  /** Number among the workers (status.ts). */
  number: number;
  start(place: WorkerPlace): WorkerLife | Promise<WorkerLife>;
  /** When it has died: takes back what it was working on. @returns packets that are lost */
  takeBack(): number;
  /** Grows when it has done some of its work. */
  progress(participant: number): number;
  hasWork(): boolean;
  /** It will not be started again; default: the datapath cannot go on. */
  onFailure?(error: Error): void;
}

/** What a worker is told of its place. */
export interface WorkerPlace {
  participant: number;
  /** With it the worker takes its place; good for one life. */
  token: number;
  /** Its line in the status words. */
  line: number;
  /** While it has nothing to do it gives a sign of life at least so often, in ms. */
  beatMs: number;
}

/** Where a worker stands. */
export interface WorkerState {
  role: WorkerRole;
  index: number;
  participant: number;
  /** Its thread runs and is at work. */
  isUp: boolean;
  restarts: number;
  /** Number of its thread in the system, for `top -H` and the like; 0 where it is not known. */
  threadId: number;
}

/** Time that workers get to come to their end by themselves, and then to be terminated. */
const END_MS = 1000;

interface Kept {
  supervisor: WorkerSupervisor;
  watched: Watched;
  place: Participant;
}

export class WorkerGroup {
  /** Called when a worker has died, everything is repaired, and it is being started again. */
  onDeath: (death: WorkerDeath) => void = () => {};
  /** Called when a worker hangs, and when it gets on again. */
  onHang: (hang: WorkerHang) => void = () => {};
  readonly #options: GroupOptions;
  readonly #watch: HangWatch;
  readonly #kept: Kept[] = [];

  constructor(options: GroupOptions) {
    this.#options = options;
    const { status, hangAfterMs, hung } = options;
    this.#watch = new HangWatch({
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

  /** Starts a worker and keeps it alive until it is ended. Rejects with what its first start throws. */
  async keep(options: WorkerOptions): Promise<void> {
    const { conntrack, status, threads, restarts } = this.#options;
    const { role, index, number } = options;
    const { participants } = conntrack.tracker;
    const reserved = reserveParticipant(participants);
    const place = reserved.participant;
    let { token } = reserved;
    const participant = place.id;
    const line = workerLine(threads, number);
    store(status, StatusWord.PARTICIPANT + number, participant + 1);
    const up = line + WorkerWord.UP;
    let hasBeenUp = false;
    /* Nobody else sets this word: two threads in one place would be fatal. */
    const mustBeGone = () => {
      if (load(status, up) !== 0) {
        throw new Error(`the thread of participant ${participant} is up, and nobody may take its place`);
      }
    };
    const supervisor = new WorkerSupervisor({
      role,
      index,
      participant,
      restarts,
      start: () => {
        mustBeGone();
        return options.start({ participant, token, line, beatMs: HangWatch.intervalMs(this.#options.hangAfterMs) });
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
    const watched: Watched = {
      role,
      index,
      participant,
      line,
      hasWork: () => options.hasWork(),
      waitsForAnother: () => waitsForAnother(conntrack.tracker, participant),
      isUnrepaired: () => supervisor.isUnrepaired,
    };
    this.#kept.push({ supervisor, watched, place });
    this.#watch.add(watched);
    try {
      await supervisor.start();
    } catch (error) {
      await this.end((each) => each === supervisor);
      throw error;
    }
  }

  /** Where each worker stands. */
  states(): WorkerState[] {
    return this.#kept.map(({ supervisor, watched }) => {
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

  /** Ends a worker's thread whatever it is doing: it is repaired and started again, as if it had died. */
  terminate(role: WorkerRole, index: number, reason?: string): void {
    this.#kept
      .find(({ supervisor }) => supervisor.role === role && supervisor.index === index)
      ?.supervisor.terminate(reason);
  }

  /** Changes while any PMD gets on. */
  activity(): number {
    const pmds = this.#kept.filter(({ supervisor }) => supervisor.role === 'pmd');
    return pmds.reduce(
      (sum, { supervisor, watched }) =>
        (sum + supervisor.restarts + peek(this.#options.status, watched.line + WorkerWord.HEARTBEAT)) | 0,
      0,
    );
  }

  /**
   * Waits until workers that were told to end have ended, and terminates those that do not. Takes two seconds at most.
   * @param which all by default
   */
  async end(which: (worker: { role: WorkerRole }) => boolean = () => true): Promise<void> {
    const ending = this.#kept.filter(({ supervisor }) => which(supervisor));
    for (const { supervisor, watched } of ending) {
      supervisor.expectEnd();
      this.#watch.remove(watched);
    }
    const ended = Promise.all(ending.map(({ supervisor }) => supervisor.ended));
    if (!(await inTime(ended))) {
      for (const { supervisor } of ending) {
        supervisor.terminate('it did not come to its end');
      }
      await inTime(ended);
      for (const { supervisor } of ending) {
        supervisor.giveUp();
      }
    }
    for (const { supervisor, place } of ending) {
      /* Another call may have been faster: the place may be somebody else's by now. */
      const at = this.#kept.findIndex((kept) => kept.supervisor === supervisor);
      /* Whoever runs in spite of everything keeps its place. */
      if (at >= 0 && !supervisor.isRunning) {
        this.#kept.splice(at, 1);
        releaseParticipant(place);
      }
    }
    if (this.#kept.length === 0) {
      this.#watch.stop();
    }
  }
}

/** Does it happen within END_MS? */
async function inTime(event: Promise<unknown>): Promise<boolean> {
  const deadline = new AbortController();
  const isLate = delay(END_MS, true, { signal: deadline.signal }).catch(() => true);
  const outcome = await Promise.race([event.then(() => false), isLate]);
  deadline.abort();
  return !outcome;
}
