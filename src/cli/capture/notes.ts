/** What is unusual about a capture: counted while it is read, said in a line each. What its times are like says clock.ts. */

import { linkTypeText } from './link-types.ts';
import { counted, Occurrences } from './occurrences.ts';

export class CaptureNotes {
  /** Packets handed out. */
  packets = 0;
  /** Packets of which the capture has less than was on the wire. */
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

  /** Of a pcapng file: packets that were not handed out. */
  get skippedPackets(): number {
    return this.#skipped.count;
  }

  /** Lines for standard error; none for a capture as it should be. */
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

/** A line of a report, empty where no packet is cut. */
export function cutLine({ cutPackets, packets }: { cutPackets: number; packets: number }): string {
  return cutPackets === 0
    ? ''
    : `${cutPackets} of ${counted(packets, 'packet')} cut by the snap length: what is cut is mostly invalid (capture with -s 0)`;
}
