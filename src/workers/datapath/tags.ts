/**
 * The tags of packets under way. A packet carries a number (PacketWord.NUMBER): a tag that is a whole number from 0 to
 * 2^31 - 1 itself, any other as a negative one, with which it stands here until the packet's verdict was shown.
 */

import { MAX_FRAGMENTS } from '../../core/fragments/region.ts';

/** Numbers of tags go round. None is given out again while its packet may be under way: that takes 2^31 others. */
const MOST_NUMBERS = 0x7fffffff;
/** The packet has no tag. */
const NO_TAG = -1;
/** Held fragments whose tags are kept: the tracker never holds more at a time. */
const MOST_HELD: number = 2 * MAX_FRAGMENTS;

export class Tags<Tag> {
  readonly #tags = new Map<number, Tag>();
  /** Numbers of fragments that were held: they come back once more, or never. The oldest first. */
  readonly #held = new Set<number>();
  /** Shown in this round of deliveries, and in the one before. */
  #shown: number[] = [];
  #shownBefore: number[] = [];
  #hasHeld = false;
  #next = 0;

  /** Tags that are kept here. */
  get size(): number {
    return this.#tags.size;
  }

  /** The number with which a packet carries its tag. Numbers cost nothing, whatever else an entry here. */
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

  /** The tag of a number; undefined also when it was forgotten. */
  at(number: number): Tag | undefined {
    return number >= 0 ? (number as Tag) : this.#tags.get(number);
  }

  /** The packet was shown with its verdict, or is not handed in after all. */
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

  /** The packet is a fragment that is held: it is shown once more when its datagram is complete. */
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

  /** Everything that had come back was shown. A fragment may still name the packet that completed it in the next round. */
  endRound(): void {
    if (this.#shown.length + this.#shownBefore.length > 0) {
      this.#shownBefore.forEach((number) => this.#tags.delete(number));
      this.#shownBefore = this.#shown;
      this.#shown = [];
    }
  }
}
