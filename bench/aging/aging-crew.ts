/** The threads of an aging sample. All PMDs get each task at the same time. The sweeper's work is measured. */

import type { Worker } from 'node:worker_threads';
import type { Conntrack } from '../../src/core/conntrack.ts';
import { threadTimeNs } from '../samples/thread-time.ts';
import type { AgingReport, AgingTask } from './aging-tasks.ts';

const MOST_EMPTYING_MS = 60_000;
/** Probe numbers reserved for one PMD in one phase. No PMD opens as many. */
const PROBES_OF_PHASE = 2_000_000;
const PROBES_OF_PMD = 1_000_000;

/** The sweeper's work during a phase. */
export interface SweeperWork {
  /** Absent if the system does not report thread times. */
  cpuNs?: number;
  wallMs: number;
  visited: number;
}

export class AgingCrew {
  readonly ct: Conntrack;
  readonly #pmds: readonly Worker[];
  readonly #sweeperId: number | undefined;
  /** Next grid number of a probe. Probes come after all connections, and no number is used twice. */
  #probes: number;

  /** @param sweeperId the kernel's id of the sweeper's thread */
  constructor(ct: Conntrack, pmds: readonly Worker[], sweeperId: number | undefined, connections: number) {
    this.ct = ct;
    this.#pmds = pmds;
    this.#sweeperId = sweeperId;
    this.#probes = connections;
  }

  /** Sets the timeout of connections from now on. */
  expireAfter(seconds: number): void {
    this.ct.setTimeoutPolicy(0, { udp_first: seconds, udp_single: seconds });
  }

  /** Each PMD sends one packet on each of its `count` connections. */
  send(count: number): Promise<AgingReport[]> {
    return this.#each((pmd) => ({ kind: 'send', first: pmd * count, count }));
  }

  /** Each PMD sends traffic on its `count` connections. */
  talk(durationMs: number, count: number): Promise<AgingReport[]> {
    return this.#each((pmd) => ({
      kind: 'talk',
      first: pmd * count,
      count,
      durationMs,
      firstProbe: this.#takeProbes(pmd),
    }));
  }

  /** The PMDs open connections that expire one after another, and watch them until all are gone. */
  probe(durationMs: number, timeoutMs: number): Promise<AgingReport[]> {
    return this.#each((pmd) => ({ kind: 'probe', firstProbe: this.#takeProbes(pmd), durationMs, timeoutMs }));
  }

  /** Waits until the sweeper has made `count` more rounds. */
  async rounds(count: number): Promise<void> {
    const until = this.ct.counters().sweepRounds + count;
    while (this.ct.counters().sweepRounds < until) {
      await delay(5);
    }
  }

  /** Waits until no connection is left. */
  async emptied(): Promise<void> {
    const end = performance.now() + MOST_EMPTYING_MS;
    while (this.ct.connCount > 0 && performance.now() < end) {
      await delay(5);
    }
  }

  /** Measures the sweeper's work while `work` runs. */
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

  #each(taskOf: (pmd: number) => AgingTask): Promise<AgingReport[]> {
    return Promise.all(
      this.#pmds.map((pmd, index) => {
        pmd.postMessage(taskOf(index));
        return nextMessage(pmd) as Promise<AgingReport>;
      }),
    );
  }
}

/** The next message of a thread. */
export function nextMessage(worker: Worker): Promise<unknown> {
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
