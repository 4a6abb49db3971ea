/** Who listens to a datapath. */

import { expectVisitor, shown, UsageError } from '../../core/errors.ts';
import { nearestName } from '../../core/options/option-names.ts';
import type { WorkerHang } from '../supervision/watchdog.ts';
import type { WorkerDeath } from '../supervision/supervisor.ts';
import type { VerdictView } from './verdict-view.ts';

/** What a datapath tells, by name, and with which argument. */
export interface DatapathEvents<Tag = unknown> {
  /** A packet has come back: once for each packet that was taken. The view holds while the listener runs. */
  verdict: VerdictView<Tag>;
  /** A fragment that came back held, once more: its datagram is complete. The view holds while the listener runs. */
  deferred: VerdictView<Tag>;
  /**
   * A worker has died. By then what it left half-done is repaired, the packets of its batch have been given back (`isLost`,
   * counted in `workerLost`), and it is being started again, unless it is said to be the end.
   */
  workerDeath: WorkerDeath;
  /** A worker hangs; told once more when it gets on again. */
  workerHang: WorkerHang;
  /** A listener has thrown, or the datapath cannot go on (DatapathError). */
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
    const hint = near === undefined ? `there are ${NAMES.join(', ')}` : `did you mean '${near}'?`;
    throw new UsageError(`a datapath has no event ${shown(name)}: ${hint}`);
  }
  return name as DatapathEventName;
}

/**
 * Lists of listeners. Not an EventEmitter: that one calls none of the others when one throws, makes an array of arguments for each
 * packet, and would make its own types part of this library's.
 */
export class Listeners<Tag> {
  /** A list is replaced when it changes, so that it may change while it is gone through. */
  readonly #lists: Record<DatapathEventName, readonly Entry[]> = {
    verdict: [],
    deferred: [],
    workerDeath: [],
    workerHang: [],
    error: [],
  };
  readonly #onError: (error: unknown) => void;

  /** @param onError told what a listener throws; of listeners to errors, too */
  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  /** @throws UsageError for an event that is not known, or what is no function */
  add<Name extends DatapathEventName>(name: Name, listener: DatapathListener<Tag, Name>, isOnce = false): void {
    const known = checkName(name);
    expectVisitor(`a listener to '${known}'`, listener);
    this.#lists[known] = [...this.#lists[known], { listener: listener as Entry['listener'], isOnce }];
  }

  /** Removes the listener that was added last; nothing if it is not there. */
  remove<Name extends DatapathEventName>(name: Name, listener: DatapathListener<Tag, Name>): void {
    const known = checkName(name);
    const at = this.#lists[known].findLastIndex((entry) => entry.listener === listener);
    this.#lists[known] = this.#lists[known].filter((_, index) => index !== at);
  }

  has(name: DatapathEventName): boolean {
    return this.#lists[name].length > 0;
  }

  /** Calls all that listen. */
  tell<Name extends DatapathEventName>(name: Name, argument: DatapathEvents<Tag>[Name]): void {
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
