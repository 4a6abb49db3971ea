/**
 * The loop of a PMD under a load with due times. It reads the clock, takes the packets that are due from its receive ring, builds
 * them in place, and tracks them.
 *
 * The load is open: when a packet is due does not depend on how fast earlier ones were. A latency counts from the due time to the
 * verdict, so a packet that had to wait for a slow one counts its waiting time ("coordinated omission" is left out otherwise).
 *
 * The thread builds its own packets, as a network card would write them to memory. So no sender can fall behind. What that costs the
 * thread is measured by a dry run, which tracks nothing.
 */

import { CtAction } from '../../src/core/action.ts';
import { conntrackExecute } from '../../src/core/path/execute.ts';
import type { Tracker } from '../../src/core/tracker.ts';
import { recordLatency } from '../samples/latency-histogram.ts';
import { clockMs } from './clock.ts';
import type { FlowBatch } from './flow-batch.ts';
import type { ReceiveRing } from './receive-ring.ts';
import type { FlowSchedule } from './schedule.ts';

/** A time at the start that is not 0 in any unit. */
export const START_MS = 1_000_000;
const COMMIT = new CtAction({ commit: true });
/** Polls in a call of the loop. V8 compiles a function that runs often; a loop that runs once, it compiles while it runs. */
const POLLS = 256;

export interface RateRun {
  /** Packets of this thread in a second. */
  pps: number;
  seconds: number;
  /** Histogram of the packets' latencies (latency-histogram.ts). */
  bins: Float64Array;
  /** Build the packets, but track none. */
  isDry?: boolean;
}

export interface RateRunResult {
  offered: number;
  judged: number;
  dropped: number;
  /** From the first packet's due time to the last verdict. */
  ms: number;
  /** Time without a packet to track. */
  idleMs: number;
  /** Longest time between two readings of the clock. A batch takes microseconds: more is a pause that the system made. */
  longestPauseMs: number;
}

/** Times of the loop, ms: the clock, time without a packet, longest time between two readings of the clock. */
const LoopTime = { NOW: 0, IDLE: 1, PAUSE: 2 } as const;
const LOOP_TIMES = 3;

export interface RatePmdParts {
  tracker: Tracker;
  schedule: FlowSchedule;
  batch: FlowBatch;
  batchSize: number;
  ring: ReceiveRing;
  /** One number: the packets' clock of this thread, ms. Other threads may read it. */
  reachedMs: Float64Array;
}

export class RatePmd {
  readonly #parts: RatePmdParts;
  /** Packets of earlier runs: the schedule goes on where they ended. */
  #firstPacket = 0;
  /** The packets' clock at the beginning of the run. */
  #clockMs = START_MS;
  #judged = 0;
  /** The loop's numbers (LoopTime). In an array V8 knows that they are floats, and makes no object of any. */
  readonly #times = new Float64Array(LOOP_TIMES);

  constructor(parts: RatePmdParts) {
    this.#parts = parts;
  }

  /** Opens the flows that are there at the start: both directions of each, the oldest first. @returns packets */
  openOldFlows(flows: number): number {
    const { tracker, schedule, batch, batchSize } = this.#parts;
    for (let first = 0; first < flows; first += batchSize) {
      const count = Math.min(batchSize, flows - first);
      const nowMs = START_MS + schedule.lastSeenMs(first);
      schedule.fillOld(batch, first, count, false);
      conntrackExecute(tracker, batch.packets, COMMIT, nowMs);
      schedule.fillOld(batch, first, count, true);
      conntrackExecute(tracker, batch.packets, COMMIT, nowMs);
    }
    return 2 * flows;
  }

  run(run: RateRun): RateRunResult {
    const { ring, schedule } = this.#parts;
    const packetsPerMs = run.pps / 1000;
    const packets = Math.max(1, Math.round(run.pps * run.seconds));
    const scale = schedule.clockScale(packetsPerMs);
    ring.reset();
    this.#judged = 0;
    const times = this.#times.fill(0);
    const beginMs = clockMs();
    times[LoopTime.NOW] = beginMs;
    const load: Load = { packets, packetsPerMs, scale, beginMs, bins: run.bins, isDry: run.isDry === true };
    while (this.#judged + ring.dropped < packets) {
      this.#poll(load);
    }
    const tookMs = times[LoopTime.NOW]! - beginMs;
    this.#firstPacket += packets;
    this.#clockMs += tookMs * scale;
    return {
      offered: ring.offered,
      judged: this.#judged,
      dropped: ring.dropped,
      ms: tookMs,
      idleMs: times[LoopTime.IDLE]!,
      longestPauseMs: times[LoopTime.PAUSE]!,
    };
  }

  /** Polls the ring some times. */
  #poll(load: Load): void {
    const { tracker, schedule, batch, batchSize, ring, reachedMs } = this.#parts;
    const { packets, packetsPerMs, scale, beginMs, bins, isDry } = load;
    const times = this.#times;
    const msPerPacket = 1 / packetsPerMs;
    let nowMs = times[LoopTime.NOW]!;
    let idleMs = times[LoopTime.IDLE]!;
    let pauseMs = times[LoopTime.PAUSE]!;
    let judged = 0;
    for (let poll = 0; poll < POLLS; poll++) {
      ring.arriveUntil(Math.min(packets, Math.floor((nowMs - beginMs) * packetsPerMs) + 1));
      const count = ring.take(batchSize);
      /* A whole number: it is handed on without an object. Expiries are whole milliseconds anyway. */
      const packetMs = Math.floor(this.#clockMs + (nowMs - beginMs) * scale);
      reachedMs[0] = packetMs;
      if (count > 0) {
        schedule.fillDue(batch, this.#firstPacket + ring.first, count);
        if (!isDry) {
          conntrackExecute(tracker, batch.packets, COMMIT, packetMs);
        }
      }
      const afterMs = clockMs();
      const tookMs = afterMs - nowMs;
      pauseMs = tookMs > pauseMs ? tookMs : pauseMs;
      idleMs += count > 0 ? 0 : tookMs;
      judged += count;
      for (let i = 0; i < count; i++) {
        recordLatency(bins, (afterMs - beginMs - (ring.first + i) * msPerPacket) * 1e6);
      }
      nowMs = afterMs;
    }
    this.#judged += judged;
    times[LoopTime.NOW] = nowMs;
    times[LoopTime.IDLE] = idleMs;
    times[LoopTime.PAUSE] = pauseMs;
  }
}

interface Load {
  packets: number;
  packetsPerMs: number;
  scale: number;
  beginMs: number;
  bins: Float64Array;
  isDry: boolean;
}
