/**
 * The way of packets from the owner of a datapath to its PMDs and back. Tags and actions are numbers here, verdicts are words of a
 * ring, and no packet causes an allocation. `Datapath` stands on it. The commands that track captures use it directly.
 */

import { setImmediate, setTimeout as delay } from 'node:timers/promises';
import { Counter } from '../../core/counters.ts';
import { shown, UsageError } from '../../core/errors.ts';
import type { HashKeys } from '../../core/path/key-hash.ts';
import { FlowSteering, MAX_FRAME_BYTES, type Steering } from './flow-steering.ts';
import { Delivery } from './delivery.ts';
import type { PmdRings } from './pmd-rings.ts';
import { type Push, WaitingPushes } from './waiting-pushes.ts';

/** A wait for packets ends at least this often, to check whether a worker has died. */
const RECHECK_MS = 100;
/** A waiting owner lets other events run at least this often. The death of a worker is such an event. */
const TURN_MS = 10;

export interface ExchangeOptions {
  rings: PmdRings;
  steering: Steering;
  /** Keys of the table. */
  keys: HashKeys;
  /** Counters of the owner. */
  counters: Float64Array;
  /** The datapath has failed. */
  hasFailed(): boolean;
  /** @throws DatapathError when the datapath has failed */
  throwIfFailed(): void;
  /** @throws Error when the datapath takes no more packets */
  assertRunning(): void;
  /** Called with the error of a visitor when no caller could catch it. */
  onVisitorError(error: unknown): void;
}

export class PacketExchange {
  readonly rings: PmdRings;
  /** The loops that deliver verdicts without being asked. */
  readonly delivery: Delivery;
  readonly #options: ExchangeOptions;
  readonly #steering: FlowSteering;
  readonly #waiting: WaitingPushes;
  #turnMs = 0;
  #wantsPause = false;
  /** Calls of `drain` under way. They override a pause. */
  #drains = 0;

  constructor(options: ExchangeOptions) {
    const { rings, steering, keys } = options;
    this.rings = rings;
    this.#options = options;
    this.#steering = new FlowSteering(steering, keys);
    this.#waiting = new WaitingPushes(rings.count, {
      harvest: () => this.harvestAnyway(),
      write: (push) => this.#write(push.worker, push.frame, push.timeMs, push.number, push.action),
      untilReturns: (worker) => this.#untilReturns(worker),
      leapsAhead: (timeMs) => rings.leapsAhead(timeMs),
      untilEmpty: () => this.#untilEmpty(() => false),
    });
    this.delivery = new Delivery({
      rings,
      recheckMs: RECHECK_MS,
      harvest: () => this.harvestAnyway(),
      isOver: () => options.hasFailed(),
    });
  }

  /** Pushes that wait for space. */
  get waiting(): number {
    return this.#waiting.count;
  }

  /**
   * Hands a packet to the PMD of its flow without waiting.
   * @returns false if the ring of that PMD is full: the packet is dropped, and counted in `ringDropped`
   */
  offer(frame: Uint8Array, timeMs: number, number: number, action = 0): boolean {
    this.#check(frame, timeMs);
    const worker = this.#steering.workerOf(frame, this.rings.count);
    if (this.#waiting.mustWait(worker) || !this.#write(worker, frame, timeMs, number, action)) {
      this.harvestAnyway();
      /* Waiting pushes go first: a flow must keep its order. */
      if (this.#waiting.mustWait(worker) || !this.#write(worker, frame, timeMs, number, action)) {
        this.#options.counters[Counter.ringDropped]!++;
        return false;
      }
    }
    return true;
  }

  /**
   * Hands a packet to the PMD of its flow. While the ring of that PMD is full, the packet waits as a copy (counted in `ringWaited`).
   * Packets of one PMD keep the order of the calls.
   * @returns a promise if the packet has to wait, else undefined
   */
  push(
    frame: Uint8Array,
    timeMs: number,
    number: number,
    action = 0,
    signal: AbortSignal | undefined = undefined,
  ): Promise<void> | undefined {
    this.#check(frame, timeMs);
    const worker = this.#steering.workerOf(frame, this.rings.count);
    const leaps = this.rings.leapsAhead(timeMs);
    if (!leaps && !this.#waiting.mustWait(worker) && this.#write(worker, frame, timeMs, number, action)) {
      return undefined;
    }
    if (!leaps) {
      this.#options.counters[Counter.ringWaited]!++;
    }
    const push: Push = { worker, frame: new Uint8Array(frame), timeMs, number, action };
    return this.#waiting.add(push, signal);
  }

  #check(frame: Uint8Array, timeMs: number): void {
    this.#options.assertRunning();
    if (!(frame instanceof Uint8Array)) {
      throw new UsageError(`a frame must be a Uint8Array, not ${shown(frame)}`);
    }
    if (!Number.isFinite(timeMs)) {
      throw new UsageError(`timeMs must be a number of milliseconds, not ${shown(timeMs)}`);
    }
    if (frame.length > MAX_FRAME_BYTES) {
      throw new UsageError(`a frame has at most ${MAX_FRAME_BYTES} bytes, not ${frame.length}`);
    }
  }

  #write(worker: number, frame: Uint8Array, timeMs: number, number: number, action: number): boolean {
    const isWritten = this.rings.write(worker, frame, timeMs, number, action);
    if (isWritten) {
      this.delivery.start(worker);
    }
    return isWritten;
  }

  /** During a pause no packets are taken back, except by `drain`. Rings fill up, and pushes wait. */
  pause(wants: boolean): void {
    this.#wantsPause = wants;
    this.rings.isPaused = wants && this.#drains === 0;
    if (!this.rings.isPaused) {
      this.delivery.resume();
    }
  }

  /** Takes packets back. An error of a visitor must not end waiting pushes, or the wait for other packets. */
  harvestAnyway(): number {
    try {
      return this.rings.harvest();
    } catch (error) {
      this.#options.onVisitorError(error);
      return 0;
    }
  }

  async #untilReturns(worker: number): Promise<void> {
    this.#options.throwIfFailed();
    if (this.rings.isPaused) {
      await this.delivery.untilResumed();
      return;
    }
    await this.rings.waitForReturns(worker, RECHECK_MS);
    await this.#giveTurn();
  }

  /** If packets come back as fast as they are awaited, no other event would ever run. */
  async #giveTurn(): Promise<void> {
    const nowMs = performance.now();
    if (nowMs - this.#turnMs > TURN_MS) {
      await setImmediate();
      this.#turnMs = performance.now();
    }
  }

  /**
   * Resolves when every packet has come back and was delivered, also packets that wait for space.
   * @param isEnough ends the wait early when it returns true
   */
  async drain(isEnough: () => boolean = () => false): Promise<void> {
    this.#drains++;
    this.pause(this.#wantsPause);
    try {
      await this.#untilNoneWaits(isEnough);
      await this.#untilEmpty(isEnough);
    } finally {
      this.#drains--;
      this.pause(this.#wantsPause);
    }
  }

  async #untilNoneWaits(isEnough: () => boolean): Promise<void> {
    while (this.#waiting.count > 0) {
      this.#options.throwIfFailed();
      if (isEnough()) {
        return;
      }
      const round = new AbortController();
      await Promise.race([
        this.#waiting.settled(),
        delay(RECHECK_MS, undefined, { signal: round.signal }).catch(() => {}),
      ]);
      round.abort();
    }
  }

  async #untilEmpty(isEnough: () => boolean): Promise<void> {
    for (let worker = 0; worker < this.rings.count; worker++) {
      for (;;) {
        this.harvestAnyway();
        if (this.rings.isEmpty(worker)) {
          break;
        }
        this.#options.throwIfFailed();
        if (isEnough()) {
          return;
        }
        await this.#untilReturns(worker);
      }
    }
    /* A PMD sends deferred packets before it gives the slot of the releasing packet back. So they are all there now. */
    this.harvestAnyway();
    /* The last packets may have come back without verdicts because their worker has died. */
    this.#options.throwIfFailed();
  }

  /** Takes no more packets, and rejects waiting pushes. */
  close(error: unknown): void {
    this.#waiting.rejectAll(error);
  }

  /** Delivers the last packets, after the end of all threads. */
  end(): void {
    this.#drains++;
    this.pause(false);
    this.harvestAnyway();
    this.delivery.end();
  }
}
