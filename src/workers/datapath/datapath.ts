/**
 * A datapath: a table, N PMD threads that track packets on it, and a sweeper. The thread that makes it hands packets
 * in and gets verdicts; it never waits for a bucket.
 *
 *   Datapath            what users call
 *   VerdictFeed         tags, listeners, readers of verdicts
 *   PacketExchange      packets in and back, in words of the rings; pushes that wait; delivery without being asked
 *   DatapathWorkers     threads: started, watched, started again, ended
 */

import { Conntrack } from '../../core/conntrack.ts';
import type { Counters } from '../../core/counters.ts';
import type { EventReader } from '../../core/events/event-reader.ts';
import { expectWhole, shown, UsageError } from '../../core/errors.ts';
import { MAX_PARTICIPANTS } from '../../core/memory/memory.ts';
import { allocateWords } from '../../shared/access.ts';
import { ErrorCode } from '../../shared/error-codes.ts';
import { ActionTable } from './action-table.ts';
import { tuneCompiler } from '../threads/compiler.ts';
import { DatapathWorkers } from './datapath-workers.ts';
import type { WorkerGroup, WorkerState } from '../supervision/group.ts';
import type { WorkerRole } from '../supervision/supervisor.ts';
import type { DatapathEventName, DatapathListener } from './listeners.ts';
import { checkOptions, type DatapathOptions } from './options.ts';
import { PacketExchange } from './packet-exchange.ts';
import { checkOffer, checkPush, type PacketOptions, type PushOptions } from './packet-options.ts';
import { PmdRings } from './pmd-rings.ts';
import { type DatapathShare, StatusWord, statusWords, systemTimeMs } from '../threads/status.ts';
import { VerdictFeed } from './verdict-feed.ts';
import type { VerdictsOptions } from './verdict-stream.ts';
import type { PacketVerdict } from './verdict-view.ts';

export type { DatapathOptions } from './options.ts';

/** Participants beside PMDs: the sweeper, this thread, and some for tools. */
const TOOLS = 8;
/** Longest wait of the owner's calls for a lock (Conntrack.lockTimeoutMs): the holder may be dead, and to be repaired after by it. */
const LOCK_TIMEOUT_MS = 2000;
/** What a push gives that need not wait: the same promise for all. */
const TAKEN: Promise<void> = Promise.resolve();

/** @typeParam Tag what packets are tagged with */
export class Datapath<Tag = unknown> {
  /** The table, for dumps, flushes, limits, counters from this thread. */
  readonly conntrack: Conntrack;
  readonly threads: number;
  /** @internal For threads that watch and steer this datapath. */
  readonly share: DatapathShare;
  /** @internal Packets by words and numbers. */
  readonly exchange: PacketExchange;
  readonly #workers: DatapathWorkers;
  readonly #actions: ActionTable;
  readonly #feed: VerdictFeed<Tag>;
  #isStopped = false;
  #stopping: Promise<void> | undefined;

  /**
   * Makes the table, starts all threads and waits until they are up.
   * @throws UsageError on an option out of range
   * @throws DatapathError when a thread does not come up
   */
  static async start<Tag = unknown>(options: DatapathOptions = {}): Promise<Datapath<Tag>> {
    const datapath = new Datapath<Tag>(options);
    try {
      await datapath.#workers.untilUp();
    } catch (error) {
      await datapath.#end();
      throw error;
    }
    return datapath;
  }

  private constructor(given: DatapathOptions) {
    const options = checkOptions(given);
    const { threads, table, clock, checksums, ringBytes, steering } = options;
    options.signal?.throwIfAborted();
    this.threads = threads;
    if (options.tuneCompiler) {
      tuneCompiler();
    }
    const { maxParticipants = 1 } = table;
    expectWhole('maxParticipants', maxParticipants, 1, MAX_PARTICIPANTS);
    this.conntrack = new Conntrack({ ...table, maxParticipants: Math.max(maxParticipants, threads + TOOLS) });
    this.conntrack.lockTimeoutMs = LOCK_TIMEOUT_MS;
    this.conntrack.usedBy = 'a datapath';
    const status = allocateWords(statusWords(threads));
    this.share = { memory: this.conntrack.memory, status, clock, threads };
    const reachedMs = new Float64Array(status.buffer, StatusWord.REACHED_MS * 4, 1);
    const rings = new PmdRings({ threads, ringBytes, checksums, reachedMs });
    this.#feed = new VerdictFeed<Tag>(rings, { pause: (isFull) => this.exchange.pause(isFull) });
    this.#actions = new ActionTable(options.action);
    this.#workers = new DatapathWorkers({
      conntrack: this.conntrack,
      share: this.share,
      rings,
      actions: this.#actions.words,
      options,
      onFailure: (error) => this.#feed.fail(error),
    });
    this.#workers.group.onDeath = (death) => this.#feed.listeners.tell('workerDeath', death);
    this.#workers.group.onHang = (hang) => this.#feed.listeners.tell('workerHang', hang);
    this.exchange = new PacketExchange({
      rings,
      steering,
      counters: this.conntrack.tracker.counters,
      hasFailed: () => this.#workers.failure !== undefined,
      throwIfFailed: () => this.#workers.throwIfFailed(),
      assertRunning: () => this.#assertRunning(),
      onVisitorError: (error) => this.#feed.tellError(error),
    });
  }

  /** @throws UsageError when it is stopped, or was told to stop @throws DatapathError when it has failed */
  #assertRunning(): void {
    this.#workers.throwIfFailed();
    if (this.#stopping !== undefined) {
      throw stoppedError();
    }
  }

  /** The listener is called for each event until `off`. @throws UsageError for an event that is not known */
  on<Name extends DatapathEventName>(name: Name, listener: DatapathListener<Tag, Name>): this {
    this.#feed.listeners.add(name, listener);
    return this;
  }

  /** The listener is called for the next event only. */
  once<Name extends DatapathEventName>(name: Name, listener: DatapathListener<Tag, Name>): this {
    this.#feed.listeners.add(name, listener, true);
    return this;
  }

  /** The listener is not called any more. */
  off<Name extends DatapathEventName>(name: Name, listener: DatapathListener<Tag, Name>): this {
    this.#feed.listeners.remove(name, listener);
    return this;
  }

  /**
   * The verdicts from now on, as batches of copies: everything that came back since the last one was asked for, deferred ones
   * included. Ends when the datapath is stopped and everything was read. While more than `highWaterMark` wait to be read the
   * datapath takes nothing back, but for `drain` and `stop`: so do not await `push` in the loop over them.
   * @throws UsageError on a wrong option, or when the datapath is stopped
   */
  verdicts(options: VerdictsOptions = {}): AsyncIterableIterator<PacketVerdict<Tag>[]> {
    this.#assertRunning();
    return this.#feed.open(options);
  }

  /**
   * Hands a packet to the PMD of its flow, and waits while that PMD's ring is full (counted in `ringWaited`). Need not be awaited:
   * packets of one flow go in the order of the calls, those that wait one after another, and the frame may be reused as soon as
   * the call returns. Awaiting keeps the memory for waiting packets small.
   * @returns a promise that resolves when the packet is in the ring, and rejects with the signal's reason, or when the datapath
   *   is stopped or fails before; nobody has to handle that, `drain` and `stop` tell it as well
   * @throws UsageError at once on a wrong argument, and when the datapath is stopped
   * @throws DatapathError when it has failed
   */
  push(frame: Uint8Array, options: PushOptions<Tag> = {}): Promise<void> {
    const signal = checkPush(options);
    if (signal?.aborted === true) {
      return rejectedQuietly(signal.reason);
    }
    const { timeMs, action } = this.#metadata(options);
    const number = this.#feed.tags.numberOf(options.tag);
    let waits: Promise<void> | undefined;
    try {
      waits = this.exchange.push(frame, timeMs, number, action, signal);
    } catch (error) {
      this.#feed.tags.release(number);
      throw error;
    }
    if (waits === undefined) {
      return TAKEN;
    }
    waits.catch(() => this.#feed.tags.release(number));
    return waits;
  }

  /**
   * Hands a packet to the PMD of its flow without waiting: what a live source does.
   * @returns false if that PMD's ring is full; the packet is then lost, and counted in `ringDropped`
   * @throws as push
   */
  offer(frame: Uint8Array, options: PacketOptions<Tag> = {}): boolean {
    checkOffer(options);
    const { timeMs, action } = this.#metadata(options);
    const number = this.#feed.tags.numberOf(options.tag);
    let isTaken = false;
    try {
      isTaken = this.exchange.offer(frame, timeMs, number, action);
    } finally {
      if (!isTaken) {
        this.#feed.tags.release(number);
      }
    }
    return isTaken;
  }

  #metadata({ timeMs, action }: PacketOptions<Tag>): { timeMs: number; action: number } {
    const isTimeless = timeMs === undefined && this.share.clock === 'system';
    return {
      /* What is no time is refused where the frame is looked at. */
      timeMs: isTimeless ? systemTimeMs() : timeMs!,
      action: action === undefined ? 0 : this.#actions.numberOf(action),
    };
  }

  /** Packets that were pushed and wait for room. */
  get waiting(): number {
    return this.exchange.waiting;
  }

  /** @internal Shows what has come back; returns how many, deferred ones apart. */
  harvest(): number {
    return this.exchange.harvestAnyway();
  }

  /**
   * Resolves when every packet handed in so far has come back and was shown, those included that waited for room. Rejects then
   * with what a listener has thrown first, if nobody listens to errors.
   * @throws UsageError when the datapath is stopped
   * @throws DatapathError when it has failed
   */
  async drain(): Promise<void> {
    if (this.#isStopped) {
      throw stoppedError();
    }
    await this.exchange.drain();
    this.#feed.throwListenerError();
  }

  /** It was told to stop. */
  get isStopped(): boolean {
    return this.#stopping !== undefined;
  }

  /** Where each worker stands. */
  workers(): WorkerState[] {
    return this.#workers.group.states();
  }

  /** @internal For those who add a worker to this datapath (control.ts). */
  get group(): WorkerGroup {
    return this.#workers.group;
  }

  /**
   * Ends the thread of a worker at once, whatever it is doing; it is repaired and started again, as if it had died.
   * @param index number of the PMD
   * @throws UsageError when there is no such worker
   */
  terminateWorker(role: WorkerRole, index = 0): void {
    this.#assertRunning();
    const states = this.workers();
    if (!states.some((state) => state.role === role && state.index === index)) {
      const known = states.map((state) => `${state.role} ${state.index}`).join(', ');
      throw new UsageError(`there is no worker ${shown(role)} ${shown(index)}: there are ${known}`);
    }
    this.group.terminate(role, index, 'it was told to');
  }

  /** Counters of each PMD, in order. */
  pmdCounters(): Counters[] {
    return this.#workers.pmdCounters();
  }

  /**
   * Reads what happens to connections from now on, in all threads: `drain()` the reader often enough, or iterate over
   * `follow()`. Close it to switch events off.
   * @throws UsageError if somebody reads them already
   */
  events(): EventReader {
    return this.conntrack.events();
  }

  /**
   * Lets the PMDs finish what they were handed, and ends all threads. The table stays: `conntrack` can be dumped and
   * asked as before. Pushes that wait for room get it; later ones are refused. A worker that hangs is terminated after a second
   * or two; packets that it never came to are given back without a verdict (`isLost`), and counted in `workerLost`. Called again
   * it gives the same promise.
   * @throws DatapathError if a worker had died and was not started again
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
      if (this.#workers.failure === undefined) {
        await this.exchange.drain(this.#workers.stillWatch());
      }
    } finally {
      await this.#end();
    }
    this.#workers.throwIfFailed();
    this.#isStopped = true;
    this.#feed.throwListenerError();
  }

  async #end(): Promise<void> {
    this.exchange.close(this.#workers.failure ?? stoppedError());
    await this.#workers.end();
    this.conntrack.usedBy = undefined;
    this.exchange.end();
    this.#feed.end();
  }
}

/** For calls on a datapath that was told to stop. */
export function stoppedError(): UsageError {
  return new UsageError('the datapath is stopped: start another one', { code: ErrorCode.CLOSED });
}

/** Nobody has to handle it. */
function rejectedQuietly(reason: unknown): Promise<never> {
  const rejected = Promise.reject(reason);
  rejected.catch(() => {});
  return rejected;
}
