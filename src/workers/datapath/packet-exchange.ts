/**
 * The way of packets between a datapath's owner and its PMDs, without anything of the owner's around it: tags are numbers,
 * actions are numbers of the action table, verdicts are words of a ring. `Datapath` stands on it, and the commands that track
 * captures use it themselves: nothing is allocated per packet here.
 */

import { setImmediate, setTimeout as delay } from 'node:timers/promises';
import { Counter } from '../../core/counters.ts';
import { shown, UsageError } from '../../core/errors.ts';
import { FlowSteering, MAX_FRAME_BYTES, type Steering } from './flow-steering.ts';
import { Delivery } from './delivery.ts';
import type { PmdRings } from './pmd-rings.ts';
import { type Push, WaitingPushes } from './waiting-pushes.ts';

/** Longest wait for returned packets before looking whether a worker has died. */
const LOOK_ROUND_MS = 100;
/** The owner that waits for room or returns lets other events have their turn so often: the end of a worker is one. */
const TURN_MS = 10;

export interface ExchangeOptions {
  rings: PmdRings;
  steering: Steering;
  /** The owner's counters at the table. */
  counters: Float64Array;
  /** A worker has died and is not started again. */
  hasFailed(): boolean;
  /** @throws DatapathError if so */
  throwIfFailed(): void;
  /** @throws Error when nothing may be handed in any more */
  assertRunning(): void;
  /** Told what a visitor has thrown while no caller was there to be told. */
  onVisitorError(error: unknown): void;
}

export class PacketExchange {
  readonly rings: PmdRings;
  /** Packets are taken back soon after they came back, without being asked. */
  readonly delivery: Delivery;
  readonly #options: ExchangeOptions;
  readonly #steering: FlowSteering;
  readonly #waiting: WaitingPushes;
  #turnMs = 0;
  #wantsPause = false;
  /** Calls that wait until everything has come back: meanwhile nothing is paused. */
  #drains = 0;

  constructor(options: ExchangeOptions) {
    const { rings, steering } = options;
    this.rings = rings;
    this.#options = options;
    this.#steering = new FlowSteering(steering);
    this.#waiting = new WaitingPushes(rings.count, {
      harvest: () => this.harvestAnyway(),
      write: (push) => this.#write(push.worker, push.frame, push.timeMs, push.number, push.action),
      untilReturns: (worker) => this.#untilReturns(worker),
      leapsAhead: (timeMs) => rings.leapsAhead(timeMs),
      untilEmpty: () => this.#untilEmpty(() => false),
    });
    this.delivery = new Delivery({
      rings,
      lookRoundMs: LOOK_ROUND_MS,
      harvest: () => this.harvestAnyway(),
      isOver: () => options.hasFailed(),
    });
  }

  /** Pushes that wait for room. */
  get waiting(): number {
    return this.#waiting.count;
  }

  /**
   * Hands a packet to the PMD of its flow without waiting.
   * @returns false if that PMD's ring is full; the packet is then lost, and counted in `ringDropped`
   */
  offer(frame: Uint8Array, timeMs: number, number: number, action = 0): boolean {
    this.#check(frame, timeMs);
    const worker = this.#steering.workerOf(frame, this.rings.count);
    if (this.#waiting.mustWait(worker) || !this.#write(worker, frame, timeMs, number, action)) {
      this.harvestAnyway();
      /* What waits for room was there first. */
      if (this.#waiting.mustWait(worker) || !this.#write(worker, frame, timeMs, number, action)) {
        this.#options.counters[Counter.ringDropped]!++;
        return false;
      }
    }
    return true;
  }

  /**
   * Hands a packet to the PMD of its flow; while that PMD's ring is full, waits (counted in `ringWaited`). Packets of one PMD go
   * in the order of the calls. A frame that has to wait is copied.
   * @returns a promise only if it has to wait
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

  /** While it is paused nothing is taken back, but for `drain`: rings get full, and pushes wait. */
  pause(wants: boolean): void {
    this.#wantsPause = wants;
    this.rings.isPaused = wants && this.#drains === 0;
    if (!this.rings.isPaused) {
      this.delivery.resume();
    }
  }

  /** Shows what has come back. What a visitor throws must end neither pushes that wait for room nor the wait for other packets. */
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
    await this.rings.waitForReturns(worker, LOOK_ROUND_MS);
    await this.#giveTurn();
  }

  /** While returns come as fast as they are waited for, nothing else would ever have its turn. */
  async #giveTurn(): Promise<void> {
    const nowMs = performance.now();
    if (nowMs - this.#turnMs > TURN_MS) {
      await setImmediate();
      this.#turnMs = performance.now();
    }
  }

  /**
   * Resolves when every packet handed in has come back and was shown, those included that waited for room.
   * @param isEnough says that nothing more is to be waited for
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
        delay(LOOK_ROUND_MS, undefined, { signal: round.signal }).catch(() => {}),
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
    /* Deferred packets have come before the packet that released them was given back. */
    this.harvestAnyway();
    /* The packets of a dead worker's batch have come back, but without verdicts. */
    this.#options.throwIfFailed();
  }

  /** Nothing is handed in any more; pushes that wait are rejected. */
  close(error: unknown): void {
    this.#waiting.rejectAll(error);
  }

  /** All threads are gone: shows what they have left. */
  end(): void {
    this.#drains++;
    this.pause(false);
    this.harvestAnyway();
    this.delivery.end();
  }
}
