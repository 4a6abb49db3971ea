/** The threads of an aging sample: PMDs that are given tasks together, and the sweeper, whose work is measured. */

import type { Worker } from 'node:worker_threads';
import type { Conntrack } from '../../src/core/conntrack.ts';
import { threadTimeNs } from '../samples/thread-time.ts';
import type { AgingAnswer, AgingTask } from './aging-tasks.ts';

const MOST_EMPTYING_MS = 60_000;
/** Of a phase and of a PMD: more than any opens. */
const PROBES_OF_PHASE = 2_000_000;
const PROBES_OF_PMD = 1_000_000;

/** What the sweeper did while something went on. */
export interface SweeperWork {
  /** Absent where the system does not tell. */
  cpuNs?: number;
  wallMs: number;
  visited: number;
}

export class AgingCrew {
  readonly ct: Conntrack;
  readonly #pmds: readonly Worker[];
  readonly #sweeperId: number | undefined;
  /** Grid numbers of probes begin behind all connections; no number is used twice. */
  #probes: number;

  /** @param sweeperId of the sweeper's thread, as the system numbers it */
  constructor(ct: Conntrack, pmds: readonly Worker[], sweeperId: number | undefined, connections: number) {
    this.ct = ct;
    this.#pmds = pmds;
    this.#sweeperId = sweeperId;
    this.#probes = connections;
  }

  /** Timeout of connections from now on. */
  expireAfter(seconds: number): void {
    this.ct.setTimeoutPolicy(0, { udp_first: seconds, udp_single: seconds });
  }

  /** One packet for each of `count` connections of each PMD. */
  send(count: number): Promise<AgingAnswer[]> {
    return this.#each((pmd) => ({ kind: 'send', first: pmd * count, count }));
  }

  /** Traffic on `count` connections of each PMD. */
  talk(durationMs: number, count: number): Promise<AgingAnswer[]> {
    return this.#each((pmd) => ({
      kind: 'talk',
      first: pmd * count,
      count,
      durationMs,
      firstProbe: this.#takeProbes(pmd),
    }));
  }

  /** Connections that expire one after another, watched until all are gone. */
  probe(durationMs: number, timeoutMs: number): Promise<AgingAnswer[]> {
    return this.#each((pmd) => ({ kind: 'probe', firstProbe: this.#takeProbes(pmd), durationMs, timeoutMs }));
  }

  /** Until the sweeper has gone round so often from now on. */
  async rounds(count: number): Promise<void> {
    const until = this.ct.counters().sweepRounds + count;
    while (this.ct.counters().sweepRounds < until) {
      await delay(5);
    }
  }

  /** Until no connection is left. */
  async emptied(): Promise<void> {
    const end = performance.now() + MOST_EMPTYING_MS;
    while (this.ct.connCount > 0 && performance.now() < end) {
      await delay(5);
    }
  }

  /** What the sweeper does while something goes on. */
  async spent(work: () => Promise<unknown>): Promise<SweeperWork> {
    const fromNs = threadTimeNs(this.#sweeperId);
    const fromMs = performance.now();
    const before = this.ct.counters().sweepVisited;
    await work();
    const cpuNs = threadTimeNs(this.#sweeperId);
    return {
      ...(cpuNs === undefined ? {} : { cpuNs: cpuNs - fromNs! }),
      wallMs: performance.now() - fromMs,
      visited: this.ct.counters().sweepVisited - before,
    };
  }

  #takeProbes(pmd: number): number {
    this.#probes += PROBES_OF_PHASE;
    return this.#probes + pmd * PROBES_OF_PMD;
  }

  #each(taskOf: (pmd: number) => AgingTask): Promise<AgingAnswer[]> {
    return Promise.all(
      this.#pmds.map((pmd, index) => {
        pmd.postMessage(taskOf(index));
        return answer(pmd) as Promise<AgingAnswer>;
      }),
    );
  }
}

/** The next message of a thread. */
export function answer(worker: Worker): Promise<unknown> {
  return new Promise((resolve, reject) => {
    worker.once('message', (message) => {
      worker.off('error', reject);
      resolve(message);
    });
    worker.once('error', reject);
  });
}

export function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
