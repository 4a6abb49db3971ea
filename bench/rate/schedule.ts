/**
 * Which flow the packet with a number belongs to, and its direction. A thread's packets are numbered by their due times.
 *
 * In a schedule with lives a flow begins with every `packets`-th packet. Its packets come at equal distances, in both directions
 * in turn. It talks for TALKING of its time in the table, and for the rest it waits for its timeout. So flows begin and end at the
 * same rate, and their number stays the same.
 */

import type { FlowBatch } from './flow-batch.ts';
import { Zipf } from './zipf.ts';

export type FlowShape = { kind: 'lives'; packets: number } | { kind: 'rotation' } | { kind: 'zipf'; exponent: number };

/** Share of a flow's time in the table in which it talks. */
const TALKING = 0.8;
/** Timeout of all states in a schedule with lives, s of the packets' clock. */
export const LIFE_TIMEOUT_S = 1;
/** The same where flows never end. */
export const ENDLESS_TIMEOUT_S = 86_400;

export interface FlowRange {
  /** The first number of a tuple, and how many the thread may use. */
  firstTuple: number;
  tuples: number;
  /** Flows that the thread has in the table at any time. */
  flows: number;
}

export interface FlowSchedule {
  /** Fills the batch with the packets `first`, `first + 1`, ... */
  fillDue(batch: FlowBatch, first: number, count: number): void;
  /** Fills the batch with one packet of each of the flows that are there at the start, the oldest first. */
  fillOld(batch: FlowBatch, first: number, count: number, isReply: boolean): void;
  /** When an old flow had its last packet: ms of the packets' clock before the start, 0 or less. */
  lastSeenMs(old: number): number;
  /** ms of the packets' clock in a real one. @param packetsPerMs of the thread */
  clockScale(packetsPerMs: number): number;
}

/** Flows that begin and end. */
export class LifeSchedule implements FlowSchedule {
  readonly #range: FlowRange;
  readonly #packets: number;
  readonly #talking: number;
  /** Flows that begin between two packets of a flow. */
  readonly #stride: number;

  constructor(range: FlowRange, packets: number) {
    this.#range = range;
    this.#packets = packets;
    this.#stride = Math.max(1, Math.floor((TALKING * range.flows) / packets));
    this.#talking = this.#stride * packets;
  }

  fillDue(batch: FlowBatch, first: number, count: number): void {
    const { firstTuple, tuples, flows } = this.#range;
    const packets = this.#packets;
    let flow = Math.floor(first / packets);
    let step = first - flow * packets;
    batch.count = count;
    for (let i = 0; i < count; i++) {
      const number = flow - step * this.#stride + flows;
      batch.put(i, firstTuple + (number % tuples), (step & 1) === 1);
      if (++step === packets) {
        step = 0;
        flow++;
      }
    }
  }

  fillOld(batch: FlowBatch, first: number, count: number, isReply: boolean): void {
    batch.count = count;
    for (let i = 0; i < count; i++) {
      batch.put(i, this.#range.firstTuple + first + i, isReply);
    }
  }

  lastSeenMs(old: number): number {
    const waiting = this.#range.flows - this.#talking;
    return old < waiting ? -LIFE_TIMEOUT_S * 1000 * (1 - old / waiting) : 0;
  }

  clockScale(packetsPerMs: number): number {
    const beginsPerMs = packetsPerMs / this.#packets;
    const waitingMs = (this.#range.flows - this.#stride * (this.#packets - 1)) / beginsPerMs;
    return (LIFE_TIMEOUT_S * 1000) / waitingMs;
  }
}

/** Old flows of a schedule whose flows never end. All had a packet just now. */
abstract class EndlessSchedule implements FlowSchedule {
  protected readonly range: FlowRange;

  constructor(range: FlowRange) {
    this.range = range;
  }

  abstract fillDue(batch: FlowBatch, first: number, count: number): void;

  fillOld(batch: FlowBatch, first: number, count: number, isReply: boolean): void {
    batch.count = count;
    for (let i = 0; i < count; i++) {
      batch.put(i, this.range.firstTuple + first + i, isReply);
    }
  }

  lastSeenMs(): number {
    return 0;
  }

  clockScale(): number {
    return 1;
  }
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

/** A step that visits all of `count` numbers, far apart (the golden section). */
export function stepThrough(count: number): number {
  let step = Math.max(1, Math.floor(count * 0.618));
  while (greatestCommonDivisor(step, count) !== 1) {
    step++;
  }
  return step;
}

/** All flows in turn, far apart in memory. Each round goes in the other direction. */
export class RotationSchedule extends EndlessSchedule {
  readonly #step: number;

  constructor(range: FlowRange) {
    super(range);
    this.#step = stepThrough(range.flows);
  }

  fillDue(batch: FlowBatch, first: number, count: number): void {
    const { firstTuple, flows } = this.range;
    let round = Math.floor(first / flows);
    let place = first - round * flows;
    let flow = (place * this.#step) % flows;
    batch.count = count;
    for (let i = 0; i < count; i++) {
      batch.put(i, firstTuple + flow, ((round + place) & 1) === 1);
      flow += this.#step;
      flow = flow >= flows ? flow - flows : flow;
      if (++place === flows) {
        place = 0;
        round++;
      }
    }
  }
}

/** Draws are made before the start, and used again from the first when all are used. */
const DRAWS = 1 << 21;

/** Random flows and directions. The frequent flows are far apart in memory. */
export class ZipfSchedule extends EndlessSchedule {
  /** 2 * flow + direction. */
  readonly #draws: Int32Array;

  constructor(range: FlowRange, exponent: number, draws = DRAWS) {
    super(range);
    const { flows } = range;
    const zipf = new Zipf(flows, exponent, Math.random);
    const step = stepThrough(flows);
    this.#draws = new Int32Array(draws);
    for (let i = 0; i < draws; i++) {
      this.#draws[i] = (((zipf.next() - 1) * step) % flows) * 2 + (Math.random() < 0.5 ? 1 : 0);
    }
  }

  fillDue(batch: FlowBatch, first: number, count: number): void {
    const draws = this.#draws;
    const { firstTuple } = this.range;
    let at = first % draws.length;
    batch.count = count;
    for (let i = 0; i < count; i++) {
      const draw = draws[at]!;
      batch.put(i, firstTuple + (draw >>> 1), (draw & 1) === 1);
      at = at + 1 === draws.length ? 0 : at + 1;
    }
  }
}

export function scheduleOf(shape: FlowShape, range: FlowRange): FlowSchedule {
  switch (shape.kind) {
    case 'lives':
      return new LifeSchedule(range, shape.packets);
    case 'rotation':
      return new RotationSchedule(range);
    case 'zipf':
      return new ZipfSchedule(range, shape.exponent);
  }
}
