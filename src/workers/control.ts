/** The control thread of a datapath, as its owner sees it. */

import { chmodSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { UsageError } from '../core/errors.ts';
import type { ControlReady, ControlTask } from './control-worker.ts';
import type { Datapath } from './datapath.ts';
import { workerEntry } from './entry.ts';

const OWNER_ONLY = 0o600;
/** Time the thread gets to end. */
const END_MS = 2000;

export class Control {
  /** Path of the socket. */
  readonly path: string;
  readonly #worker: Worker;
  readonly #exited: Promise<void>;

  /**
   * Answers on a socket, made accessible to its owner alone, until `stop`.
   * @param options.path made free by prepareSocketPath
   * @param options.onError told when the thread dies
   * @throws UsageError when it cannot listen there
   */
  static async start(options: {
    datapath: Datapath;
    path: string;
    onError?: (error: Error) => void;
  }): Promise<Control> {
    const control = new Control(options.datapath, options.path);
    /* The mask belongs to the process: nobody else may connect, not even before the mode is set. */
    const mask = process.umask(~OWNER_ONLY & 0o777);
    try {
      await control.#untilReady();
      chmodSync(options.path, OWNER_ONLY);
    } finally {
      process.umask(mask);
    }
    control.#worker.on('error', (error) => options.onError?.(error as Error));
    return control;
  }

  private constructor(datapath: Datapath, path: string) {
    this.path = path;
    const entry = workerEntry('control-worker', import.meta.url);
    const task: ControlTask = { share: datapath.share, path };
    this.#worker = new Worker(entry.filename, { execArgv: entry.execArgv, workerData: task });
    this.#exited = new Promise((done) => this.#worker.once('exit', () => done()));
  }

  #untilReady(): Promise<void> {
    return new Promise((done, fail) => {
      this.#worker.once('error', fail);
      this.#worker.once('message', (ready: ControlReady) => {
        this.#worker.off('error', fail);
        if ('error' in ready) {
          fail(new UsageError(ready.error));
        } else {
          done();
        }
      });
    });
  }

  /** Ends the answers under way and the thread; the socket is gone afterwards. */
  async stop(): Promise<void> {
    this.#worker.postMessage('stop');
    const timer = setTimeout(() => void this.#worker.terminate(), END_MS);
    await this.#exited;
    clearTimeout(timer);
  }
}
