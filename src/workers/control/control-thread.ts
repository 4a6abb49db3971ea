/** Starts and stops the control thread of a datapath. */

import { chmodSync } from 'node:fs';
import { expectVisitor, shown, UsageError } from '../../core/errors.ts';
import { expectOptions, type OptionNames } from '../../core/options/option-names.ts';
import { prepareSocketPath } from './socket-path.ts';
import type { ControlReady, ControlTask } from '../threads/control-worker.ts';
import { Datapath, stoppedError } from '../datapath/datapath.ts';
import type { WorkerSlot } from '../supervision/group.ts';
import type { StartedWorker, WorkerThread } from '../supervision/worker-types.ts';
import { startThread } from '../threads/spawn.ts';
import { controlNumber } from '../threads/status.ts';

const OWNER_ONLY = 0o600;
/** A thread that has run for this time counts as progress: deaths in a row are counted from zero again. */
const HEALTHY_MS = 1000;

export interface ControlOptions {
  datapath: Datapath;
  /** A path that `prepareSocketPath` has returned. */
  path: string;
  /** Called when the thread has died and is not restarted. */
  onError?: (error: Error) => void;
}

const OPTION_NAMES: OptionNames<ControlOptions> = { datapath: true, path: true, onError: true };

/** The control socket of a datapath, on which `ct-bucket ctl` works. */
export class Control {
  /** Path of the socket. */
  readonly path: string;
  readonly #datapath: Datapath;
  #current: StartedWorker | undefined;
  #starts = 0;
  #healthyStarts = 0;

  /**
   * Opens a control socket that only this user can reach, and serves it until `stop`. If its thread dies, it is restarted like the
   * other workers of the datapath (DatapathOptions.restarts). Clients under way then lose their connection.
   * @throws UsageError when it cannot listen on the path, or the datapath already has a control socket
   */
  static async start(given: ControlOptions): Promise<Control> {
    const options = expectOptions('the options of a control socket', given, OPTION_NAMES);
    if (!(options.datapath instanceof Datapath)) {
      throw new UsageError(`datapath must be a Datapath, not ${shown(options.datapath)}`);
    }
    if (typeof options.path !== 'string' || options.path === '') {
      throw new UsageError(`path must be a path that prepareSocketPath has returned, not ${shown(options.path)}`);
    }
    expectVisitor('onError', options.onError ?? (() => {}));
    if (options.datapath.isStopped) {
      throw stoppedError();
    }
    if (options.datapath.workers().some(({ role }) => role === 'control')) {
      throw new UsageError('the datapath already has a control socket: stop that one first');
    }
    const control = new Control(options.datapath, options.path);
    await options.datapath.group.supervise({
      role: 'control',
      index: 0,
      number: controlNumber(options.datapath.threads),
      start: (slot) => control.#start(slot),
      takeBack: () => 0,
      progress: () => control.#healthyStarts,
      hasWork: () => true,
      onFailure: (error) => options.onError?.(error),
    });
    return control;
  }

  private constructor(datapath: Datapath, path: string) {
    this.path = path;
    this.#datapath = datapath;
  }

  async #start(slot: WorkerSlot): Promise<StartedWorker> {
    if (this.#starts++ > 0) {
      /* The socket of the dead thread still exists. */
      await prepareSocketPath(this.path);
    }
    /* Other users must not connect, not even between `bind` and `chmod`. A worker cannot set the umask, which belongs to the process. */
    const mask = process.umask(~OWNER_ONLY & 0o777);
    const task: ControlTask = { share: this.#datapath.share, path: this.path, ...slot };
    const started = startThread('control-worker', task);
    this.#current = started;
    const ready = untilReady(started.thread)
      .then(() => {
        chmodSync(this.path, OWNER_ONLY);
        const timer = setTimeout(() => this.#healthyStarts++, HEALTHY_MS).unref();
        started.thread.once('exit', () => clearTimeout(timer));
      })
      .finally(() => process.umask(mask));
    return { ...started, ready };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /** Ends replies under way and the thread, and removes the socket. */
  async stop(): Promise<void> {
    this.#current?.thread.postMessage('stop');
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
