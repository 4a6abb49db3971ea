/**
 * The time at which packets of a capture are tracked: whole milliseconds that never run backwards.
 *
 * A damaged record may have any time. If the clock followed it far ahead, all connections would expire. So a packet that is much later
 * than the one before waits for the packets behind it. If most of them are as late, time has really passed. The first packet of a
 * capture waits, too. All others go straight on.
 */

import type { CapturePacket } from './bytes.ts';
import { Occurrences } from './occurrences.ts';

/** The years 1 to 9999. Values beyond are no times. */
const EARLIEST_MS = -62_135_596_800_000;
const LATEST_MS = 253_402_300_799_999;
/** A packet that is later than the clock by more than this waits for others. Shorter leaps let no connection expire early. */
const LEAP_MS = 1000;
/** A majority of this many packets decides. */
const LEAD = 3;
/** Most packets behind a waiting one that decide about it. */
const MAX_LOOKAHEAD = 16;
/** A longer pause needs another packet that confirms it. */
const LONGEST_PAUSE_MS = 366 * 86_400_000;

/** Limits a time to the years 1 to 9999. NaN becomes the earliest time. */
export function boundedTimeMs(timeMs: number): number {
  return timeMs >= EARLIEST_MS ? Math.min(timeMs, LATEST_MS) : EARLIEST_MS;
}

/** Whether `boundedTimeMs` has not limited this time. */
function isTime(timeMs: number): boolean {
  return timeMs > EARLIEST_MS && timeMs < LATEST_MS;
}

export class CaptureClock {
  /** Tracking time of the latest packet; NaN before the first. */
  nowMs = Number.NaN;
  /** Packets that wait for those behind them, in order. */
  readonly #waiting: CapturePacket[] = [];
  #latestMs = Number.NEGATIVE_INFINITY;
  readonly #earlier = new Occurrences();
  readonly #outliers = new Occurrences();
  readonly #timeless = new Occurrences();

  /** Whether packets wait for those behind them. */
  get isWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  /**
   * Takes the next packet.
   * @returns true if the packet may be tracked at once, at `nowMs`. Otherwise it waits, and `next` returns it later
   */
  take(packet: CapturePacket): boolean {
    const timeMs = Math.floor(packet.timestampMs);
    if (this.#waiting.length === 0 && timeMs >= this.nowMs && timeMs <= this.nowMs + LEAP_MS && isTime(timeMs)) {
      this.#see(packet, timeMs);
      this.nowMs = timeMs;
      return true;
    }
    this.#waiting.push({ ...packet, frame: packet.frame.slice() });
    return false;
  }

  /**
   * The next waiting packet, with `nowMs` set to its time.
   * @param isEnd no more packets follow
   * @returns undefined if it must wait for more packets
   */
  next(isEnd: boolean): CapturePacket | undefined {
    const packet = this.#waiting[0];
    if (packet === undefined || !this.#settle(packet, isEnd)) {
      return undefined;
    }
    return this.#waiting.shift();
  }

  /** Sets the clock for the first waiting packet. @returns false if more packets are needed to decide */
  #settle(packet: CapturePacket, isEnd: boolean): boolean {
    const timeMs = Math.floor(packet.timestampMs);
    if (!isTime(timeMs)) {
      if (Number.isNaN(this.nowMs) && !this.#startWithoutFirst(isEnd)) {
        return false;
      }
      this.#timeless.add(packet.number);
      return true;
    }
    if (timeMs > this.nowMs + LEAP_MS || Number.isNaN(this.nowMs)) {
      const isBelieved = this.#isBelieved(timeMs, isEnd);
      if (isBelieved === undefined) {
        return false;
      }
      if (!isBelieved) {
        if (Number.isNaN(this.nowMs)) {
          this.#startWithoutFirst(true);
        }
        this.#outliers.add(packet.number);
        this.#see(packet, timeMs);
        return true;
      }
    }
    this.#see(packet, timeMs);
    this.nowMs = Number.isNaN(this.nowMs) ? timeMs : Math.max(this.nowMs, timeMs);
    return true;
  }

  #see({ number }: CapturePacket, timeMs: number): void {
    if (timeMs < this.#latestMs) {
      this.#earlier.add(number);
    } else {
      this.#latestMs = timeMs;
    }
  }

  /**
   * Whether time really leaps to that of the first waiting packet. The packets behind it decide: those that are as late agree.
   * @returns undefined if more packets are needed to decide
   */
  #isBelieved(timeMs: number, isEnd: boolean): boolean | undefined {
    const isFirst = Number.isNaN(this.nowMs);
    let lead = 0;
    let hasNeighbour = false;
    const last = Math.min(this.#waiting.length - 1, MAX_LOOKAHEAD);
    for (let i = 1; i <= last; i++) {
      const otherMs = Math.floor(this.#waiting[i]!.timestampMs);
      if (isTime(otherMs)) {
        const isLater = otherMs >= timeMs - LEAP_MS;
        if (isFirst && isLater && otherMs - timeMs > LONGEST_PAUSE_MS) {
          /* The first packet has no predecessor. Its time is wrong if all others are more than a year later. */
          lead -= hasNeighbour ? 0 : 1;
        } else {
          hasNeighbour ||= isLater;
          lead += isLater ? 1 : -1;
        }
      }
      if (Math.abs(lead) === LEAD) {
        return lead > 0;
      }
    }
    if (!isEnd && last < MAX_LOOKAHEAD) {
      return undefined;
    }
    return lead === 0 ? isFirst || timeMs - this.nowMs <= LONGEST_PAUSE_MS : lead > 0;
  }

  /** The time of the first packet is wrong: starts the clock at the earliest of the packets behind it. */
  #startWithoutFirst(isEnd: boolean): boolean {
    const times = this.#waiting
      .slice(1)
      .map(({ timestampMs }) => Math.floor(timestampMs))
      .filter(isTime);
    if (times.length === 0 && !isEnd && this.#waiting.length <= MAX_LOOKAHEAD) {
      return false;
    }
    this.nowMs = times.length === 0 ? 0 : Math.min(...times);
    return true;
  }

  /** Lines for people about wrong times. */
  lines(): string[] {
    const lines: string[] = [];
    if (this.#timeless.count > 0) {
      lines.push(
        `${this.#timeless.text('with a time beyond the years 1 to 9999')}: taken at the time of the packet before`,
      );
    }
    if (this.#earlier.count > 0 || this.#outliers.count > 0) {
      const outliers = `${this.#outliers.text('with a time far from those around')}, which the clock did not follow`;
      lines.push(
        this.#earlier.count === 0
          ? outliers
          : `time runs backwards: ${this.#earlier.text('with an earlier time than one before')}` +
              (this.#outliers.count === 0 ? ' (the clock stands still for them)' : `; ${outliers}`),
      );
    }
    return lines;
  }
}
