/**
 * The tags of packets under way. A packet carries one number (PacketWord.NUMBER):
 *
 *   0 .. 2^31 - 1    the tag itself
 *   -1               no tag
 *   below -1         key of a tag in this table, which keeps it until the verdict was delivered
 */

import { MAX_FRAGMENTS } from '../../core/fragments/region.ts';

/** Keys wrap around. A key is used again only after 2^31 others, when its packet is long back. */
const MOST_NUMBERS = 0x7fffffff;
const NO_TAG = -1;
/** Held fragments whose tags are kept. The tracker never holds more at a time. */
const MOST_HELD: number = 2 * MAX_FRAGMENTS;

export class Tags<Tag> {
  readonly #tags = new Map<number, Tag>();
  /** Keys of held fragments, the oldest first. Each comes back once more, or never. */
  readonly #held = new Set<number>();
  /** Keys of packets that were delivered in this round, and in the round before. */
  #shown: number[] = [];
  #shownBefore: number[] = [];
  #hasHeld = false;
  #next = 0;

  /** Tags in the table. */
  get size(): number {
    return this.#tags.size;
  }

  /** The number that a packet carries for its tag. A whole number costs nothing, any other tag an entry of the table. */
  numberOf(tag: Tag | undefined): number {
    if (tag === undefined) {
      return NO_TAG;
    }
    if (typeof tag === 'number' && (tag | 0) === tag && tag >= 0 && !Object.is(tag, -0)) {
      return tag;
    }
    this.#next = this.#next === MOST_NUMBERS ? 1 : this.#next + 1;
    const number = NO_TAG - this.#next;
    this.#tags.set(number, tag);
    return number;
  }

  /** The tag of a number; undefined if there is none any more. */
  at(number: number): Tag | undefined {
    return number >= 0 ? (number as Tag) : this.#tags.get(number);
  }

  /** Forgets a tag: the verdict was delivered, or the packet was not pushed after all. */
  release(number: number): void {
    if (number >= NO_TAG) {
      return;
    }
    this.#held.delete(number);
    if (this.#hasHeld) {
      this.#shown.push(number);
    } else {
      this.#tags.delete(number);
    }
  }

  /** Keeps the tag of a held fragment, which comes back once more when its datagram is complete. */
  hold(number: number): void {
    this.#hasHeld = true;
    if (number >= NO_TAG) {
      return;
    }
    this.#held.add(number);
    if (this.#held.size > MOST_HELD) {
      const [oldest] = this.#held;
      this.#held.delete(oldest!);
      this.#tags.delete(oldest!);
    }
  }

  /** Ends a round. A deferred fragment of the next round may still refer to a packet of this one (`releasedBy`). */
  endRound(): void {
    if (this.#shown.length + this.#shownBefore.length > 0) {
      this.#shownBefore.forEach((number) => this.#tags.delete(number));
      this.#shownBefore = this.#shown;
      this.#shown = [];
    }
  }
}
