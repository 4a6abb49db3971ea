/** The events of a datapath, and lists of their listeners. */

import { expectVisitor, shown, UsageError } from '../../core/errors.ts';
import { nearestName } from '../../core/options/option-names.ts';
import type { WorkerHang } from '../supervision/watchdog.ts';
import type { WorkerDeath } from '../supervision/worker-types.ts';
import type { VerdictView } from './verdict-view.ts';

/** Events of a datapath by name, with the argument that listeners get. */
export interface DatapathEvents<Tag = unknown> {
  /** A packet has come back. Called once for each packet. The view is valid while the listener runs. */
  verdict: VerdictView<Tag>;
  /** A held fragment has come back a second time: its datagram is complete. The view is valid while the listener runs. */
  deferred: VerdictView<Tag>;
  /**
   * A worker has died. The table is repaired by then, and the packets of the worker's batch have come back (`isLost`, counted in
   * `workerLost`). `isRestarted` says whether the worker is restarted.
   */
  workerDeath: WorkerDeath;
  /** A worker hangs, or makes progress again after a hang (`isStuck`). */
  workerHang: WorkerHang;
  /** A listener has thrown, or the datapath has failed (DatapathError). */
  error: Error;
}

export type DatapathEventName = keyof DatapathEvents;
export type DatapathListener<Tag, Name extends DatapathEventName> = (argument: DatapathEvents<Tag>[Name]) => void;

interface Entry {
  listener: (argument: never) => void;
  isOnce: boolean;
}

const NAMES: readonly DatapathEventName[] = ['verdict', 'deferred', 'workerDeath', 'workerHang', 'error'];

function checkName(name: unknown): DatapathEventName {
  if (!NAMES.includes(name as DatapathEventName)) {
    const near = typeof name === 'string' ? nearestName(name, NAMES) : undefined;
    const hint = near === undefined ? `events are ${NAMES.join(', ')}` : `did you mean '${near}'?`;
    throw new UsageError(`a datapath has no event ${shown(name)}: ${hint}`);
  }
  return name as DatapathEventName;
}

/**
 * Lists of listeners. This is no EventEmitter, for three reasons: EventEmitter skips the other listeners when one throws, it allocates an
 * array of arguments for each packet, and its types need @types/node.
 */
export class Listeners<Tag> {
  /** A change replaces the list: a listener may add or remove listeners during `emit`. */
  readonly #lists: Record<DatapathEventName, readonly Entry[]> = {
    verdict: [],
    deferred: [],
    workerDeath: [],
    workerHang: [],
    error: [],
  };
  readonly #onError: (error: unknown) => void;

  /** @param onError called with an error that a listener has thrown, also a listener to `error` */
  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  /** @throws UsageError for an unknown event, or a listener that is not a function */
  add<Name extends DatapathEventName>(name: Name, listener: DatapathListener<Tag, Name>, isOnce = false): void {
    const known = checkName(name);
    expectVisitor(`a listener to '${known}'`, listener);
    this.#lists[known] = [...this.#lists[known], { listener: listener as Entry['listener'], isOnce }];
  }

  /** Removes the newest entry of this listener. Does nothing if there is none. */
  remove<Name extends DatapathEventName>(name: Name, listener: DatapathListener<Tag, Name>): void {
    const known = checkName(name);
    const at = this.#lists[known].findLastIndex((entry) => entry.listener === listener);
    this.#lists[known] = this.#lists[known].filter((_, index) => index !== at);
  }

  has(name: DatapathEventName): boolean {
    return this.#lists[name].length > 0;
  }

  /** Calls all listeners, in the order in which they were added. */
  emit<Name extends DatapathEventName>(name: Name, argument: DatapathEvents<Tag>[Name]): void {
    const list = this.#lists[name];
    for (let i = 0; i < list.length; i++) {
      const { listener, isOnce } = list[i]!;
      if (isOnce) {
        this.remove(name, listener as DatapathListener<Tag, Name>);
      }
      try {
        listener(argument as never);
      } catch (error) {
        this.#onError(error);
      }
    }
  }
}
