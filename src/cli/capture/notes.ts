/** Counts unusual packets of a capture, for lines at its end. clock.ts does so for times. */

import { linkTypeText } from './link-types.ts';
import { counted, Occurrences } from './occurrences.ts';

export class CaptureNotes {
  /** Packets read, without skipped ones. */
  packets = 0;
  /** Packets that the capture holds only in part. */
  cutPackets = 0;
  /** Packets whose fraction of a second is a second or more. */
  readonly badFractions: Occurrences = new Occurrences();
  readonly #skipped = new Occurrences();
  readonly #skippedLinkTypes = new Set<number>();

  count(capturedBytes: number, originalBytes: number): void {
    this.packets++;
    if (capturedBytes < originalBytes) {
      this.cutPackets++;
    }
  }

  /** A packet of a link type that cannot be tracked. */
  skip(linkType: number, number: number): void {
    this.#skipped.add(number);
    this.#skippedLinkTypes.add(linkType);
  }

  /** Skipped packets. Only pcapng files have some. */
  get skippedPackets(): number {
    return this.#skipped.count;
  }

  /** Lines for standard error; none for a normal capture. */
  lines(): string[] {
    const lines: string[] = [];
    if (this.#skipped.count > 0) {
      const linkTypes = [...this.#skippedLinkTypes].map(linkTypeText).join(', ');
      lines.push(`${this.#skipped.text('skipped')}: ${linkTypes} cannot be tracked`);
    }
    if (this.badFractions.count > 0) {
      lines.push(
        `${this.badFractions.text('with a fraction beyond a second')}: taken as the last moment of that second` +
          (this.badFractions.count > 1 ? ' (nanoseconds in a file of microseconds?)' : ''),
      );
    }
    return lines;
  }
}

/** A line about cut packets; empty if there are none. */
export function cutLine({ cutPackets, packets }: { cutPackets: number; packets: number }): string {
  return cutPackets === 0
    ? ''
    : `${cutPackets} of ${counted(packets, 'packet')} cut by the snap length. Most cut packets are invalid: capture with -s 0`;
}
