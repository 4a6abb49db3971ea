/** The threads of a soak: the datapath's workers, the side thread, and the watch thread. */

import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { store } from '../../src/shared/access.ts';
import { Datapath } from '../../src/workers/datapath/datapath.ts';
import { workerEntry } from '../../src/workers/threads/entry.ts';
import { type SoakOptions, START_MS, TABLE_FACTOR } from './options.ts';
import type { SideTask } from './side-thread.ts';
import { Command, SideWord, SideWords } from './side-words.ts';
import type { WatchTask } from './watch-thread.ts';

/** Timeouts in s, short enough for a soak of some seconds. */
const SHORT = { udp_first: 4, udp_single: 4, udp_multiple: 8, icmp_first: 4, icmp_reply: 4 };
const SHORT_TCP = { tcp_syn_sent: 4, tcp_syn_recv: 4, tcp_fin_wait: 4, tcp_time_wait: 4, tcp_close: 2 };
/** The watch thread's limit. Checking a large table takes some seconds. */
const STALL_MS = 60_000;

function startWorker(name: string, workerData: SideTask | WatchTask): Worker {
  const { filename, execArgv } = workerEntry(name, import.meta.url);
  return new Worker(filename, { execArgv, workerData });
}

export class SoakThreads {
  readonly datapath: Datapath;
  readonly side: SideWords;
  readonly #sideThread: Worker;
  readonly #watch: Worker;

  static async start({ threads, connections, seed }: SoakOptions): Promise<SoakThreads> {
    const datapath = await Datapath.start({
      threads,
      maxConnections: TABLE_FACTOR * connections,
      buckets: 256,
      action: { commit: true, nat: { action: ['src'], minAddr: '10.9.0.1', maxAddr: '10.9.0.8' } },
      maxParticipants: threads + 8,
    });
    datapath.conntrack.setTimeoutPolicy(0, { ...SHORT, ...SHORT_TCP });
    return new SoakThreads(datapath, seed);
  }

  private constructor(datapath: Datapath, seed: number) {
    this.datapath = datapath;
    this.side = new SideWords();
    const { memory } = datapath.conntrack;
    const { buffer: shared, words } = this.side;
    this.side.timeMs = START_MS;
    store(words, SideWord.COMMAND, Command.stand);
    this.#sideThread = startWorker('side-thread', { memory, shared, seed });
    this.#watch = startWorker('watch-thread', { memory, shared, stallMs: STALL_MS });
  }

  /**
   * @param onFailure gets each failure of the side thread
   * @param onDeath called if the side thread dies
   */
  watchSideThread(onFailure: (failure: string) => void, onDeath: () => void): void {
    this.#sideThread.on('message', onFailure);
    this.#sideThread.on('error', (error) => {
      onFailure(`the side thread died: ${(error as Error).message}`);
      onDeath();
    });
  }

  /** Ends all threads. @throws Error if the datapath does not stop */
  async end(): Promise<void> {
    if (this.#sideThread.threadId !== -1) {
      const ended = once(this.#sideThread, 'exit');
      this.side.command(Command.end);
      await ended;
    }
    await this.#watch.terminate();
    await this.datapath.stop();
  }
}
