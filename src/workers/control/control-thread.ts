/** The control thread of a datapath, as its owner sees it. */

import { chmodSync } from 'node:fs';
import { expectVisitor, shown, UsageError } from '../../core/errors.ts';
import { expectOptions, type OptionNames } from '../../core/options/option-names.ts';
import { prepareSocketPath } from './socket-path.ts';
import type { ControlReady, ControlTask } from '../threads/control-worker.ts';
import { Datapath, stoppedError } from '../datapath/datapath.ts';
import type { WorkerPlace } from '../supervision/group.ts';
import type { WorkerLife, WorkerThread } from '../supervision/supervisor.ts';
import { startThread } from '../threads/spawn.ts';
import { controlNumber } from '../threads/status.ts';

const OWNER_ONLY = 0o600;
/** A thread that has lived for so long, in ms, may die as often as a new one. */
const HEALTHY_MS = 1000;

export interface ControlOptions {
  datapath: Datapath;
  /** Made free by prepareSocketPath. */
  path: string;
  /** Told when the thread has died and is not started again. */
  onError?: (error: Error) => void;
}

const OPTION_NAMES: OptionNames<ControlOptions> = { datapath: true, path: true, onError: true };

export class Control {
  /** Path of the socket. */
  readonly path: string;
  readonly #datapath: Datapath;
  #life: WorkerLife | undefined;
  #lives = 0;
  #healthyLives = 0;

  /**
   * Answers on a socket, made accessible to its owner alone, until `stop`. When its thread dies it is started again, as
   * the other workers of the datapath are (DatapathOptions.restarts); clients that it was answering then lose their connection.
   * @throws UsageError when it cannot listen there, or the datapath has a control socket already
   */
  static async start(given: ControlOptions): Promise<Control> {
    const options = expectOptions('the options of a control socket', given, OPTION_NAMES);
    if (!(options.datapath instanceof Datapath)) {
      throw new UsageError(`datapath must be a Datapath, not ${shown(options.datapath)}`);
    }
    if (typeof options.path !== 'string' || options.path === '') {
      throw new UsageError(`path must be that of a socket, as prepareSocketPath gives it, not ${shown(options.path)}`);
    }
    expectVisitor('onError', options.onError ?? (() => {}));
    if (options.datapath.isStopped) {
      throw stoppedError();
    }
    if (options.datapath.workers().some(({ role }) => role === 'control')) {
      throw new UsageError('the datapath answers on a control socket already: stop that one first');
    }
    const control = new Control(options.datapath, options.path);
    await options.datapath.group.keep({
      role: 'control',
      index: 0,
      number: controlNumber(options.datapath.threads),
      start: (place) => control.#start(place),
      takeBack: () => 0,
      progress: () => control.#healthyLives,
      hasWork: () => true,
      onFailure: (error) => options.onError?.(error),
    });
    return control;
  }

  private constructor(datapath: Datapath, path: string) {
    this.path = path;
    this.#datapath = datapath;
  }

  async #start(place: WorkerPlace): Promise<WorkerLife> {
    if (this.#lives++ > 0) {
      /* The dead thread's socket lies there still. */
      await prepareSocketPath(this.path);
    }
    /* The mask belongs to the process: nobody else may connect, not even before the mode is set. */
    const mask = process.umask(~OWNER_ONLY & 0o777);
    const task: ControlTask = { share: this.#datapath.share, path: this.path, ...place };
    const life = startThread('control-worker', task);
    this.#life = life;
    const ready = untilReady(life.thread)
      .then(() => {
        chmodSync(this.path, OWNER_ONLY);
        const timer = setTimeout(() => this.#healthyLives++, HEALTHY_MS).unref();
        life.thread.once('exit', () => clearTimeout(timer));
      })
      .finally(() => process.umask(mask));
    return { ...life, ready };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /** Ends the answers under way and the thread; the socket is gone afterwards. */
  async stop(): Promise<void> {
    this.#life?.thread.postMessage('stop');
    await this.#datapath.group.end(({ role }) => role === 'control');
  }
}

function untilReady(thread: WorkerThread): Promise<void> {
  return new Promise((done, fail) => {
    thread.once('exit', () => fail(new Error('the control thread ended before it listened')));
    thread.once('error', fail);
    thread.once('message', (ready: ControlReady) => {
      if ('error' in ready) {
        fail(new UsageError(ready.error));
      } else {
        done();
      }
    });
  });
}
