/**
 * A datapath: a table, PMD threads that track packets on it, and a sweeper. The owner (the thread that starts the datapath)
 * pushes packets and gets verdicts. The owner never waits for a bucket.
 *
 *   Datapath            the interface for users
 *   VerdictFeed         tags, listeners, readers of verdicts
 *   PacketExchange      packets to the rings and back; pushes that wait; delivery of verdicts
 *   DatapathWorkers     starts, watches, restarts and ends the threads
 */

import type { Conntrack } from '../../core/conntrack.ts';
import type { Counters } from '../../core/counters.ts';
import type { EventReader } from '../../core/events/event-reader.ts';
import { shown, UsageError } from '../../core/errors.ts';
import { ErrorCode } from '../../shared/error-codes.ts';
import { tuneCompiler } from '../threads/compiler.ts';
import { type DatapathParts, makeParts } from './datapath-parts.ts';
import type { WorkerGroup, WorkerState } from '../supervision/group.ts';
import type { WorkerRole } from '../supervision/worker-types.ts';
import type { DatapathEventName, DatapathListener } from './listeners.ts';
import { checkOptions, type DatapathOptions } from './options.ts';
import type { PacketExchange } from './packet-exchange.ts';
import { checkOffer, checkPush, type PacketOptions, type PushOptions } from './packet-options.ts';
import { type DatapathShare, systemTimeMs } from '../threads/status.ts';
import type { VerdictsOptions } from './verdict-stream.ts';
import type { PacketVerdict } from './verdict-view.ts';

export type { DatapathOptions } from './options.ts';

/** Every push that does not wait returns this promise. */
const TAKEN: Promise<void> = Promise.resolve();

/** Runs a table with threads: push packets, get verdicts. @typeParam Tag type of the packets' tags */
export class Datapath<Tag = unknown> {
  /** The table: dump, flush, limits, counters. */
  readonly conntrack: Conntrack;
  /** PMD threads. */
  readonly threads: number;
  /** @internal For the control thread. */
  readonly share: DatapathShare;
  /** @internal Packets as words and numbers, without tags. */
  readonly exchange: PacketExchange;
  readonly #parts: DatapathParts<Tag>;
  #isStopped = false;
  #stopping: Promise<void> | undefined;

  /**
   * Creates the table, starts all threads and waits until they are up. Rejects with the signal's reason when the signal is aborted.
   * @throws UsageError for a wrong option
   * @throws DatapathError when a thread dies, or is not up within 30 s
   */
  static async start<Tag = unknown>(options: DatapathOptions = {}): Promise<Datapath<Tag>> {
    const datapath = new Datapath<Tag>(options);
    try {
      await datapath.#parts.workers.untilUp();
    } catch (error) {
      await datapath.#end();
      throw error;
    }
    return datapath;
  }

  private constructor(given: DatapathOptions) {
    const options = checkOptions(given);
    options.signal?.throwIfAborted();
    if (options.tuneCompiler) {
      tuneCompiler();
    }
    this.threads = options.threads;
    this.#parts = makeParts<Tag>(options, () => this.#assertRunning());
    this.conntrack = this.#parts.conntrack;
    this.share = this.#parts.share;
    this.exchange = this.#parts.exchange;
  }

  /** @throws UsageError after `stop` was called @throws DatapathError when the datapath has failed */
  #assertRunning(): void {
    this.#parts.workers.throwIfFailed();
    if (this.#stopping !== undefined) {
      throw stoppedError();
    }
  }

  /** Calls the listener at each event until `off`. @throws UsageError for an unknown event */
  on<Name extends DatapathEventName>(name: Name, listener: DatapathListener<Tag, Name>): this {
    this.#parts.feed.listeners.add(name, listener);
    return this;
  }

  /** Calls the listener at the next event only. */
  once<Name extends DatapathEventName>(name: Name, listener: DatapathListener<Tag, Name>): this {
    this.#parts.feed.listeners.add(name, listener, true);
    return this;
  }

  /** Removes the listener. Does nothing if it is not there. */
  off<Name extends DatapathEventName>(name: Name, listener: DatapathListener<Tag, Name>): this {
    this.#parts.feed.listeners.remove(name, listener);
    return this;
  }

  /**
   * All verdicts from now on, deferred ones included. Each batch is an array of copies: everything that has come back since
   * the last batch. The iteration ends when the datapath is stopped and everything was read.
   *
   * While `highWaterMark` verdicts wait for the reader, the datapath takes no packets back, and pushes wait. So never await
   * `push` inside the loop: it could wait for ever. `drain` and `stop` go on in any case.
   * @throws UsageError for a wrong option, or after `stop` was called
   */
  verdicts(options: VerdictsOptions = {}): AsyncIterableIterator<PacketVerdict<Tag>[]> {
    this.#assertRunning();
    return this.#parts.feed.open(options);
  }

  /**
   * Hands a packet to the PMD of its flow. While the ring of that PMD is full, the packet waits (counted in `ringWaited`).
   *
   * The call is safe without `await`: packets of one flow keep the order of the calls, and the frame may be reused as soon as
   * the call returns. Packets that wait take memory, so await when you can.
   * @returns a promise that resolves when the packet is in the ring. It rejects with the signal's reason, or when the datapath
   *   stops or fails first. An unhandled rejection is not reported to the process: `drain` and `stop` throw the same error.
   * @throws UsageError at once, for a wrong argument, or after `stop` was called
   * @throws DatapathError at once, when the datapath has failed
   */
  push(frame: Uint8Array, options: PushOptions<Tag> = {}): Promise<void> {
    const signal = checkPush(options);
    if (signal?.aborted === true) {
      return rejectedQuietly(signal.reason);
    }
    const { timeMs, action } = this.#metadata(options);
    const number = this.#parts.feed.tags.numberOf(options.tag);
    let waits: Promise<void> | undefined;
    try {
      waits = this.exchange.push(frame, timeMs, number, action, signal);
    } catch (error) {
      this.#parts.feed.tags.release(number);
      throw error;
    }
    if (waits === undefined) {
      return TAKEN;
    }
    waits.catch(() => this.#parts.feed.tags.release(number));
    return waits;
  }

  /**
   * Hands a packet to the PMD of its flow and never waits. This is for live sources.
   * @returns false if the ring of that PMD is full: the packet is dropped, and counted in `ringDropped`
   * @throws the same errors as `push`
   */
  offer(frame: Uint8Array, options: PacketOptions<Tag> = {}): boolean {
    checkOffer(options);
    const { timeMs, action } = this.#metadata(options);
    const number = this.#parts.feed.tags.numberOf(options.tag);
    let isTaken = false;
    try {
      isTaken = this.exchange.offer(frame, timeMs, number, action);
    } finally {
      if (!isTaken) {
        this.#parts.feed.tags.release(number);
      }
    }
    return isTaken;
  }

  #metadata({ timeMs, action }: PacketOptions<Tag>): { timeMs: number; action: number } {
    const isTimeless = timeMs === undefined && this.share.clock === 'system';
    return {
      /* The exchange refuses a wrong time, together with a wrong frame. */
      timeMs: isTimeless ? systemTimeMs() : timeMs!,
      action: action === undefined ? 0 : this.#parts.actions.numberOf(action),
    };
  }

  /** Pushed packets that wait for space in their ring. */
  get waiting(): number {
    return this.exchange.waiting;
  }

  /** @internal Delivers all packets that have come back. @returns how many, without deferred ones */
  harvest(): number {
    return this.exchange.harvestAnyway();
  }

  /**
   * Resolves when every packet pushed so far has come back, and its listeners were called. Without a listener to `error`, it
   * then rejects with the first error that a listener has thrown.
   * @throws UsageError when the datapath is stopped
   * @throws DatapathError when the datapath has failed
   */
  async drain(): Promise<void> {
    if (this.#isStopped) {
      throw stoppedError();
    }
    await this.exchange.drain();
    this.#parts.feed.throwListenerError();
  }

  /** `stop` was called. */
  get isStopped(): boolean {
    return this.#stopping !== undefined;
  }

  /** The state of each worker. */
  workers(): WorkerState[] {
    return this.#parts.workers.group.states();
  }

  /** @internal For the control thread, which is one more worker of this datapath. */
  get group(): WorkerGroup {
    return this.#parts.workers.group;
  }

  /**
   * Terminates the thread of a worker at once, for tests of what a death does. The worker is repaired and restarted, as after
   * any death.
   * @param index number of the PMD; 0 for other roles
   * @throws UsageError when there is no such worker, or after `stop` was called
   */
  terminateWorker(role: WorkerRole, index = 0): void {
    this.#assertRunning();
    const states = this.workers();
    if (!states.some((state) => state.role === role && state.index === index)) {
      const known = states.map((state) => `${state.role} ${state.index}`).join(', ');
      throw new UsageError(`there is no worker ${shown(role)} ${shown(index)}: there are ${known}`);
    }
    this.group.terminate(role, index, 'terminateWorker was called');
  }

  /** Counters of each PMD, in order. */
  pmdCounters(): Counters[] {
    return this.#parts.workers.pmdCounters();
  }

  /**
   * Turns events on, and reads what happens to connections from now on, in all threads. Call `drain()` of the reader often, or
   * iterate over `follow()`. `close()` turns events off.
   * @throws UsageError while another reader is open
   */
  events(): EventReader {
    return this.conntrack.events();
  }

  /**
   * Lets the PMDs finish all packets, and ends all threads. Packets that wait for space are tracked, too. Later pushes throw. The
   * table stays: `conntrack` can be dumped and queried as before. A second call returns the same promise.
   *
   * A worker that hangs is terminated after a second or two. Its packets come back without a verdict (`isLost`, counted in
   * `workerLost`).
   * @throws DatapathError when the datapath has failed
   */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #stop(): Promise<void> {
    try {
      if (this.#parts.workers.failure === undefined) {
        await this.exchange.drain(this.#parts.workers.stallDetector());
      }
    } finally {
      await this.#end();
    }
    this.#parts.workers.throwIfFailed();
    this.#isStopped = true;
    this.#parts.feed.throwListenerError();
  }

  async #end(): Promise<void> {
    this.exchange.close(this.#parts.workers.failure ?? stoppedError());
    await this.#parts.workers.end();
    this.conntrack.usedBy = undefined;
    this.exchange.end();
    this.#parts.feed.end();
  }
}

/** The error of calls after `stop`. */
export function stoppedError(): UsageError {
  return new UsageError('the datapath is stopped: start another one', { code: ErrorCode.CLOSED });
}

/** A rejection that the process does not report if it is unhandled. */
function rejectedQuietly(reason: unknown): Promise<never> {
  const rejected = Promise.reject(reason);
  rejected.catch(() => {});
  return rejected;
}
