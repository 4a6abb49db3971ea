/**
 * The time that a capture's packets are tracked at: whole milliseconds that never run backwards.
 *
 * A damaged record may bear any time. The clock does not follow one that lies far from the packets around it, since every
 * connection would expire. So a packet that comes much later than the one before waits for the packets behind it: if more
 * of them agree with it than not, time has really passed. The first packet of a capture waits, too. All others go straight on.
 */

import type { CapturePacket } from './bytes.ts';
import { Occurrences } from './occurrences.ts';

/** The years 1 to 9999. What lies beyond is not a time. */
const EARLIEST_MS = -62_135_596_800_000;
const LATEST_MS = 253_402_300_799_999;
/** A packet waits for others if it is later than the clock by more than this: too little to let a connection expire early. */
const LEAP_MS = 1000;
/** So many more packets on one side than on the other decide. */
const LEAD = 3;
/** Packets that are looked at to decide. */
const MAX_LOOKAHEAD = 16;
/** A longer pause is not believed of a packet that no other confirms. */
const LONGEST_PAUSE_MS = 366 * 86_400_000;

/** Keeps a time in the range where whole milliseconds can be told. NaN is not a time either. */
export function boundedTimeMs(timeMs: number): number {
  return timeMs >= EARLIEST_MS ? Math.min(timeMs, LATEST_MS) : EARLIEST_MS;
}

/** Is it a time that `boundedTimeMs` has not changed? */
function isTime(timeMs: number): boolean {
  return timeMs > EARLIEST_MS && timeMs < LATEST_MS;
}

export class CaptureClock {
  /** The time of the packet that was handed out last; NaN before the first. */
  nowMs = Number.NaN;
  /** Packets that wait for those behind them, in their order. */
  readonly #waiting: CapturePacket[] = [];
  #latestMs = Number.NEGATIVE_INFINITY;
  readonly #earlier = new Occurrences();
  readonly #outliers = new Occurrences();
  readonly #timeless = new Occurrences();

  /** Do packets wait for those behind them? */
  get isWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  /**
   * Takes the next packet.
   * @returns true if it may be handed out at once, at `nowMs`; otherwise it waits, and `next` hands it out
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
   * The next of the packets that waited, with `nowMs` at its time.
   * @param isEnd no more packets follow
   * @returns undefined while it has to wait for more
   */
  next(isEnd: boolean): CapturePacket | undefined {
    const packet = this.#waiting[0];
    if (packet === undefined || !this.#settle(packet, isEnd)) {
      return undefined;
    }
    return this.#waiting.shift();
  }

  /** Sets the clock for the first of those that wait. @returns false if that cannot be said yet */
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
   * Does time leap to that of the first packet that waits? Those behind it that are as late agree.
   * @returns undefined if too few have come to tell
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
          /* Before the first packet there is nothing to compare with: it is wrong if all others come ages later. */
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

  /** The first packet's time is not believed: the clock starts at the earliest of those behind it. */
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

  /** What has to be said of the times, a line each. */
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
