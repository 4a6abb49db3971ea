/**
 * A datapath: a table, N PMD threads that track packets on it, and a sweeper. The thread that makes it hands packets
 * in and takes verdicts out; it never waits for a bucket.
 */

import { setImmediate, setTimeout as delay } from 'node:timers/promises';
import { Conntrack } from '../core/conntrack.ts';
import { Counter, type Counters, countersOfParticipant } from '../core/counters.ts';
import type { EventReader } from '../core/event-reader.ts';
import { WALK_AFTER_MS } from '../core/clock-bounds.ts';
import { expectVisitor, expectWhole, shown, UsageError } from '../core/errors.ts';
import { FlowSteering, MAX_FRAME_BYTES } from '../core/flow.ts';
import { MAX_PARTICIPANTS, SettingWord } from '../core/memory.ts';
import { orTooMuch } from '../core/memory-limits.ts';
import { MAX_BATCH, writePacket } from '../core/packet/batch.ts';
import { ChecksumBit, roomyPacketWords, PacketWord } from '../core/packet/layout.ts';
import { allocateWords, load, notify, store, type Words } from '../shared/access.ts';
import { countersOf } from '../shared/counters.ts';
import { allocateRing, RingConsumer, RingProducer } from '../shared/ring.ts';
import { tuneCompiler } from './compiler.ts';
import { WorkerGroup, type WorkerState } from './group.ts';
import type { WorkerHang } from './hang-watch.ts';
import { type WorkerDeath, workerName, type WorkerRole } from './keeper.ts';
import { LATE_RING_WORDS, SPARE_WORDS } from './late.ts';
import { startPmd, startSweeper } from './lives.ts';
import { checkOptions, type DatapathOptions } from './options.ts';
import { type DatapathShare, statusWords, StatusWord, sweeperNumber, workerLine, WorkerWord } from './status.ts';
import { WaitingPushes } from './waiting-pushes.ts';

export type { DatapathOptions } from './options.ts';

/** A packet that comes back with its verdict: words of a ring, readable until the visitor returns. */
export type VerdictVisitor = (words: Words, slot: number) => void;

/** Participants beside PMDs: the sweeper, this thread, and some for tools. */
const TOOLS = 8;
/** Longest wait for returned packets before looking whether a worker has died. */
const LOOK_ROUND_MS = 100;
/** A stop gives up on packets when no worker has got on for so long; while one is being started, twice that. */
const GIVE_UP_MS = 1000;
/** The owner that waits for room or returns lets other events have their turn so often: the end of a worker is one. */
const TURN_MS = 10;
/** Longest wait of the owner's calls for a lock (Conntrack.lockPatienceMs): the holder may be dead, and to be repaired after by it. */
const LOCK_PATIENCE_MS = 2000;
/** Longest wait for workers to come up. */
const START_MS = 30_000;

export class Datapath {
  /** The table, for dumps, flushes, limits, counters from this thread. */
  readonly conntrack: Conntrack;
  readonly threads: number;
  /** For threads that watch and steer this datapath. */
  readonly share: DatapathShare;
  readonly #rings: RingProducer[];
  readonly #times: Float64Array[];
  readonly #bytes: Uint8Array<SharedArrayBuffer>[];
  /** ChecksumBit flags of every packet. */
  readonly #checksums: number;
  readonly #steering: FlowSteering;
  /** Where each PMD's late packets come in (late.ts), with room for the slots of a look. */
  readonly #late: { ring: RingConsumer; slots: Int32Array; index: number }[];
  readonly #lateCounts: Int32Array;
  readonly #status: Words;
  readonly #reachedMs: Float64Array;
  readonly #workers: WorkerGroup;
  readonly #waiting: WaitingPushes;
  #latestMs = Number.NaN;
  /** No packet that was handed in before it is still in a ring. */
  #oldestMs = Number.NaN;
  #visitor: VerdictVisitor = () => {};
  #lateVisitor: VerdictVisitor = () => {};
  #failure: Error | undefined;
  /** What a visitor has thrown while nobody was there who could be told. */
  #visitorError: { error: unknown } | undefined;
  #isStopped = false;
  #stopping: Promise<void> | undefined;
  #turnMs = 0;

  /**
   * Makes the table, starts all threads and waits until they are up.
   * @throws UsageError on an option out of range
   */
  static async start(options: DatapathOptions = {}): Promise<Datapath> {
    const datapath = new Datapath(options);
    try {
      await datapath.#untilUp();
    } catch (error) {
      await datapath.#end();
      throw error;
    }
    return datapath;
  }

  private constructor(options: DatapathOptions) {
    const { threads, batchSize, ringBytes, steering, action, table, sweeper, clock, checksums, ...ofWorkers } =
      checkOptions(options);
    this.threads = threads;
    this.#steering = new FlowSteering(steering);
    this.#checksums = checksums === 'trust' ? ChecksumBit.IP_GOOD | ChecksumBit.L4_GOOD : 0;

    tuneCompiler();
    const { maxParticipants = 1 } = table;
    expectWhole('maxParticipants', maxParticipants, 1, MAX_PARTICIPANTS);
    this.conntrack = new Conntrack({
      ...table,
      maxParticipants: Math.max(maxParticipants, this.threads + TOOLS),
    });
    this.conntrack.lockPatienceMs = LOCK_PATIENCE_MS;
    this.conntrack.usedBy = 'a datapath';
    this.#status = allocateWords(statusWords(this.threads));
    this.#reachedMs = new Float64Array(this.#status.buffer, StatusWord.REACHED_MS * 4, 1);
    this.#reachedMs[0] = Number.NaN;
    const memory = this.conntrack.memory;
    this.share = { memory, status: this.#status, clock, threads: this.threads };
    const ringWords = this.threads * (ringBytes / 4 + SPARE_WORDS);
    this.#rings = orTooMuch(`the rings of ${this.threads} PMDs`, 'threads, ringBytes', ringWords, () =>
      Array.from({ length: this.threads }, () => new RingProducer(allocateRing(ringBytes / 4, SPARE_WORDS))),
    );
    const lateRings = this.#rings.map(() => allocateRing(LATE_RING_WORDS));
    this.#late = lateRings.map((words, index) => ({
      ring: new RingConsumer(words),
      slots: new Int32Array(MAX_BATCH),
      index,
    }));
    this.#lateCounts = new Int32Array(this.threads);
    this.#times = this.#rings.map((ring) => new Float64Array(ring.words.buffer));
    this.#bytes = this.#rings.map((ring) => new Uint8Array(ring.words.buffer));

    this.#waiting = new WaitingPushes(this.threads, {
      harvest: () => this.#harvestAnyway(),
      write: ({ worker, frame, nowMs, number }) => this.#write(worker, frame, nowMs, number),
      untilReturns: (worker) => this.#untilReturns(worker),
      leapsAhead: (nowMs) => this.#leapsAhead(nowMs),
      untilEmpty: () => this.#untilEmpty(() => false),
    });
    this.#workers = new WorkerGroup({
      conntrack: this.conntrack,
      status: this.#status,
      threads: this.threads,
      ...ofWorkers,
      onFailure: (error) => this.#fail(error),
    });
    const counterOf = (participant: number, counter: number) =>
      countersOf(this.conntrack.tracker.participants, participant)[counter]!;
    this.#rings.forEach((ring, index) => {
      const late = lateRings[index]!;
      const task = { memory, ring: ring.words, late, status: this.#status, index, action, batchSize };
      this.#keep({
        role: 'pmd',
        index,
        number: index,
        start: (place) => startPmd({ ...task, ...place }),
        takeBack: () => this.#takeBack(index),
        progress: (participant) => counterOf(participant, Counter.batches),
        hasWork: () => !ring.isGivenBack,
      });
    });
    if (sweeper) {
      const task = { memory, status: this.#status, clock };
      this.#keep({
        role: 'sweeper',
        index: 0,
        number: sweeperNumber(this.threads),
        start: (place) => startSweeper({ ...task, ...place }),
        takeBack: () => 0,
        progress: (participant) => counterOf(participant, Counter.sweepRounds),
        hasWork: () => true,
      });
    }
  }

  #keep(worker: Parameters<WorkerGroup['keep']>[0]): void {
    this.#workers.keep(worker).catch((error: Error) => this.#fail(error));
  }

  /** Gives the packets back that a PMD which died was at. Judged twice they would move their connections on twice. */
  #takeBack(worker: number, everything = false): number {
    const ring = this.#rings[worker]!;
    const lost = ring.takeBack((slot) => forgetVerdict(ring.words, slot), everything);
    this.conntrack.tracker.counters[Counter.workerLost]! += lost;
    return lost;
  }

  #fail(error: Error): void {
    this.#failure ??= error;
  }

  /** @throws UsageError when it is stopped, or was told to stop */
  #assertRunning(): void {
    this.#throwIfFailed();
    if (this.#stopping !== undefined) {
      throw stoppedError();
    }
  }

  #throwIfFailed(): void {
    if (this.#failure !== undefined) {
      throw new Error(`a worker of the datapath has died: ${this.#failure.message}`, { cause: this.#failure });
    }
  }

  async #untilUp(): Promise<void> {
    const deadline = performance.now() + START_MS;
    /* In the order of their numbers: the PMDs, then the sweeper. */
    for (const [number, worker] of this.#workers.states().entries()) {
      const up = workerLine(this.threads, number) + WorkerWord.UP;
      while (load(this.#status, up) === 0) {
        this.#throwIfFailed();
        if (performance.now() > deadline) {
          throw new Error(`${workerName(worker)} did not start within ${START_MS / 1000} s`);
        }
        const waiting = Atomics.waitAsync(this.#status, up, 0, LOOK_ROUND_MS);
        /* The timer keeps the process alive, which waitAsync does not. */
        const timer = setTimeout(() => {}, LOOK_ROUND_MS);
        await waiting.value;
        clearTimeout(timer);
      }
    }
  }

  /**
   * Who is told when a worker has died. By then what it left half-done is repaired, the packets of its batch have been given
   * back with no state (counted in `workerLost`), and it is being started again, unless it is said to be the end.
   */
  set onWorkerDeath(visitor: (death: WorkerDeath) => void) {
    this.#workers.onDeath = expectVisitor('onWorkerDeath', visitor);
  }

  /** Who is told once when a worker hangs, and once when it gets on again. */
  set onWorkerHang(visitor: (hang: WorkerHang) => void) {
    this.#workers.onHang = expectVisitor('onWorkerHang', visitor);
  }

  /** It was told to stop. */
  get isStopped(): boolean {
    return this.#stopping !== undefined;
  }

  /** Where each worker stands. */
  workers(): WorkerState[] {
    return this.#workers.states();
  }

  /** For those who add a worker to this datapath (control.ts). */
  get group(): WorkerGroup {
    return this.#workers;
  }

  /**
   * Ends the thread of a worker at once, whatever it is doing; it is repaired and started again, as if it had died.
   * @param index number of the PMD
   * @throws UsageError when there is no such worker
   */
  terminateWorker(role: WorkerRole, index = 0): void {
    this.#assertRunning();
    const states = this.#workers.states();
    if (!states.some((state) => state.role === role && state.index === index)) {
      const known = states.map((state) => `${state.role} ${state.index}`).join(', ');
      throw new UsageError(`there is no worker ${shown(role)} ${shown(index)}: there are ${known}`);
    }
    this.#workers.terminate(role, index, 'it was told to');
  }

  /** Who is shown each packet when it comes back with its verdict. */
  set onVerdict(visitor: VerdictVisitor) {
    this.#visitor = expectVisitor('onVerdict', visitor);
  }

  /**
   * Who is shown each fragment that was held when it came back (with no state), and whose datagram got complete later:
   * with the verdict on the whole, its own number, and that of the packet that completed it (PacketWord.RELEASED_BY).
   */
  set onLateVerdict(visitor: VerdictVisitor) {
    this.#lateVisitor = expectVisitor('onLateVerdict', visitor);
  }

  /**
   * Hands a packet to the PMD of its flow without waiting: what a live source does.
   * @returns false if that PMD's ring is full; the packet is then lost, and counted in `ringDropped`
   */
  offer(frame: Uint8Array, nowMs: number, number = 0): boolean {
    this.#check(frame, nowMs, number);
    const worker = this.#steering.workerOf(frame, this.threads);
    if (this.#waiting.mustWait(worker) || !this.#write(worker, frame, nowMs, number)) {
      this.harvest();
      /* What waits for room was there first. */
      if (this.#waiting.mustWait(worker) || !this.#write(worker, frame, nowMs, number)) {
        this.conntrack.tracker.counters[Counter.ringDropped]!++;
        return false;
      }
    }
    return true;
  }

  /**
   * Hands a packet to the PMD of its flow; while that PMD's ring is full, waits (counted in `ringWaited`): what a file
   * does. A promise only if it has to wait. Packets of one PMD go in the order of the calls, whether or not each is awaited; a
   * frame that waits must stay as it is until its promise has resolved.
   */
  push(frame: Uint8Array, nowMs: number, number = 0): void | Promise<void> {
    this.#check(frame, nowMs, number);
    const worker = this.#steering.workerOf(frame, this.threads);
    const leaps = this.#leapsAhead(nowMs);
    if (leaps || this.#waiting.mustWait(worker) || !this.#write(worker, frame, nowMs, number)) {
      if (!leaps) {
        this.conntrack.tracker.counters[Counter.ringWaited]!++;
      }
      return this.#waiting.add({ worker, frame, nowMs, number });
    }
  }

  /** No two PMDs may work at times so far apart: see core/clock.ts. */
  #leapsAhead(nowMs: number): boolean {
    /* Also of what a slower PMD may have still in its ring: several steps add up. */
    return nowMs - this.#latestMs > WALK_AFTER_MS || nowMs - this.#oldestMs > WALK_AFTER_MS;
  }

  #check(frame: Uint8Array, nowMs: number, number: number): void {
    this.#assertRunning();
    if (!(frame instanceof Uint8Array)) {
      throw new UsageError(`a frame must be a Uint8Array, not ${shown(frame)}`);
    }
    if (typeof number !== 'number') {
      throw new UsageError(`the number of a packet must be a number, not ${shown(number)}`);
    }
    if (!Number.isFinite(nowMs)) {
      throw new UsageError(`nowMs must be a number of milliseconds, not ${shown(nowMs)}`);
    }
    if (frame.length > MAX_FRAME_BYTES) {
      throw new UsageError(`a frame has at most ${MAX_FRAME_BYTES} bytes, not ${frame.length}`);
    }
  }

  async #untilReturns(worker: number): Promise<void> {
    this.#throwIfFailed();
    await this.#rings[worker]!.waitForReturns(LOOK_ROUND_MS);
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

  #write(worker: number, frame: Uint8Array, nowMs: number, number: number): boolean {
    const ring = this.#rings[worker]!;
    const slot = ring.reserve(roomyPacketWords(frame.length));
    if (slot < 0) {
      return false;
    }
    writePacket(ring.words, this.#bytes[worker]!, slot, frame, { number, checksums: this.#checksums });
    this.#times[worker]![(slot + PacketWord.NOW) >> 1] = nowMs;
    this.#latestMs = nowMs;
    if (Number.isNaN(this.#oldestMs)) {
      this.#oldestMs = nowMs;
    }
    ring.publish();
    return true;
  }

  /** What a visitor throws must not end pushes that wait for room, nor the wait for other packets: `drain` or `stop` throws it at its end. */
  #harvestAnyway(): void {
    try {
      this.harvest();
    } catch (error) {
      this.#visitorError ??= { error };
    }
  }

  #throwVisitorError(): void {
    const thrown = this.#visitorError;
    this.#visitorError = undefined;
    if (thrown !== undefined) {
      throw thrown.error;
    }
  }

  /** Shows the visitors every packet that has come back; returns how many, late ones apart. */
  harvest(): number {
    let count = 0;
    let late = 0;
    do {
      /* Looked for first and shown last: a late packet comes after its own return as a held one. */
      late = this.#pollLate();
      try {
        count += this.#harvestRings();
      } finally {
        this.#harvestLate();
      }
    } while (late > 0);
    return count;
  }

  #pollLate(): number {
    let late = 0;
    for (const { ring, slots, index } of this.#late) {
      this.#lateCounts[index] = ring.poll(slots, MAX_BATCH);
      late += this.#lateCounts[index]!;
    }
    return late;
  }

  #harvestLate(): void {
    for (const { ring, slots, index } of this.#late) {
      const count = this.#lateCounts[index]!;
      try {
        for (let i = 0; i < count; i++) {
          this.#lateVisitor(ring.words, slots[i]!);
        }
      } finally {
        if (count > 0) {
          ring.release(count);
        }
      }
    }
  }

  #harvestRings(): number {
    let count = 0;
    let reachedMs = this.#latestMs;
    this.#rings.forEach((ring, worker) => {
      for (let slot = ring.harvest(); slot >= 0; slot = ring.harvest()) {
        this.#visitor(ring.words, slot);
        count++;
      }
      const oldest = ring.oldestOutstanding();
      if (oldest >= 0) {
        reachedMs = Math.min(reachedMs, this.#times[worker]![(oldest + PacketWord.NOW) >> 1]!);
      }
    });
    this.#reachedMs[0] = reachedMs;
    this.#oldestMs = reachedMs;
    return count;
  }

  /**
   * Resolves when every packet handed in has come back (and was shown to the visitor), those included that waited for room.
   * Rejects then with what a visitor has thrown first.
   * @throws UsageError when the datapath is stopped
   */
  async drain(): Promise<void> {
    if (this.#isStopped) {
      throw stoppedError();
    }
    await this.#drain(() => false);
    this.#throwVisitorError();
  }

  /** @param isEnough says that nothing more is to be waited for */
  async #drain(isEnough: () => boolean): Promise<void> {
    while (this.#waiting.count > 0) {
      this.#throwIfFailed();
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
    await this.#untilEmpty(isEnough);
  }

  async #untilEmpty(isEnough: () => boolean): Promise<void> {
    for (const ring of this.#rings) {
      for (;;) {
        this.#harvestAnyway();
        if (ring.occupiedWords === 0) {
          break;
        }
        this.#throwIfFailed();
        if (isEnough()) {
          return;
        }
        await ring.waitForReturns(LOOK_ROUND_MS);
        await this.#giveTurn();
      }
    }
    /* What came late has come before the packet that released it was given back. */
    this.#harvestAnyway();
    if (this.#failure !== undefined) {
      /* The packets of the dead worker's batch have come back, but without verdicts. */
      this.#throwIfFailed();
    }
  }

  /** As drain, but does not wait for workers that do not get on. */
  async #drainWhileAlive(): Promise<void> {
    let activity = this.#workers.activity();
    let movedMs = performance.now();
    await this.#drain(() => {
      const nowMs = performance.now();
      const current = this.#workers.activity();
      if (current !== activity) {
        activity = current;
        movedMs = nowMs;
      }
      const isStarting = this.#workers.states().some(({ role, isUp }) => role === 'pmd' && !isUp);
      return nowMs - movedMs > (isStarting ? 2 : 1) * GIVE_UP_MS;
    });
  }

  /** Counters of each PMD, in order. */
  pmdCounters(): Counters[] {
    const participants = this.conntrack.tracker.participants;
    return this.#rings.map((_, index) =>
      countersOfParticipant(participants, load(this.#status, StatusWord.PARTICIPANT + index) - 1),
    );
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
   * asked as before. Pushes that wait for room get it; later ones are refused. A worker that hangs is terminated after a second or two; packets that it never came to are given back
   * with no state, and counted in `workerLost`. Called again it gives the same promise.
   * @throws Error if a worker had died and was not started again
   */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    try {
      if (this.#failure === undefined) {
        await this.#drainWhileAlive();
      }
    } finally {
      this.#waiting.rejectAll(this.#failure ?? stoppedError());
      await this.#end();
    }
    this.#throwIfFailed();
    this.#isStopped = true;
    this.#throwVisitorError();
  }

  /** Ends all threads: they get some time to come to an end by themselves, and are then terminated. */
  async #end(): Promise<void> {
    const ended = this.#workers.end(({ role }) => role !== 'control');
    for (const ring of this.#rings) {
      ring.close();
    }
    store(this.#status, StatusWord.STOP, 1);
    notify(this.#status, StatusWord.STOP, 1);
    const { words, settings } = this.conntrack.tracker;
    store(words, settings + SettingWord.PRESSURE, 1);
    notify(words, settings + SettingWord.PRESSURE, 1);
    await ended;
    this.conntrack.usedBy = undefined;
    const states = this.#workers.states();
    for (let index = 0; index < this.threads; index++) {
      /* One that could not even be terminated may still be at its packets. */
      if (!states.some((state) => state.role === 'pmd' && state.index === index)) {
        this.#takeBack(index, true);
      }
    }
    this.#harvestAnyway();
  }
}

function stoppedError(): UsageError {
  return new UsageError('the datapath is stopped: start another one');
}

/** As a packet comes in: what is written so far of a verdict is none. The frame may have been translated already. */
function forgetVerdict(words: Words, slot: number): void {
  words.fill(0, slot + PacketWord.STATE, slot + PacketWord.NOW);
}
