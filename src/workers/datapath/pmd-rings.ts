/**
 * The rings of a datapath's PMDs, as their owner sees them: packets go in, come back with their verdicts, and are shown to two
 * visitors. Beside each ring is one for deferred packets (late.ts).
 */

import { WALK_AFTER_MS } from '../../core/expiry/clock-bounds.ts';
import { orTooMuch } from '../../core/memory/memory-limits.ts';
import { MAX_BATCH, writePacket } from '../../core/packet/batch.ts';
import { ChecksumBit, PacketWord, roomyPacketWords } from '../../core/packet/layout.ts';
import { REASON_SHIFT, VerdictReason } from '../../core/packet/reason.ts';
import type { Words } from '../../shared/access.ts';
import { allocateRing, RingConsumer, RingProducer } from '../../shared/memory/ring.ts';
import { DEFERRED_RING_WORDS, SPARE_WORDS } from './deferred.ts';

/** Sees a packet that has come back: `slot` is a word of `words`, readable until the visitor returns. */
export type SlotVisitor = (words: Words, slot: number, worker: number) => void;

interface DeferredRing {
  ring: RingConsumer;
  /** Slots of a look, and how many there are. */
  slots: Int32Array;
  count: number;
}

export interface PmdRingsOptions {
  threads: number;
  ringBytes: number;
  checksums: 'verify' | 'trust';
  /** The time up to which every PMD has come (StatusWord.REACHED_MS). */
  reachedMs: Float64Array;
}

export class PmdRings {
  /** Sees every packet once, when its PMD has given it back. */
  onReturn: SlotVisitor = () => {};
  /** Sees a fragment that came back held once more, when its datagram is complete. */
  onDeferred: SlotVisitor = () => {};
  /** Called when everything that had come back was shown. */
  onRoundEnd: () => void = () => {};
  /** Nothing is taken back: whoever reads verdicts does not keep up. */
  isPaused = false;
  readonly #rings: RingProducer[];
  readonly #times: Float64Array[];
  readonly #bytes: Uint8Array[];
  readonly #deferredWords: Words[];
  readonly #deferred: DeferredRing[];
  readonly #checksums: number;
  readonly #reachedMs: Float64Array;
  #latestMs = Number.NaN;
  /** No packet that was handed in before it is still in a ring. */
  #oldestMs = Number.NaN;
  #isHarvesting = false;

  constructor({ threads, ringBytes, checksums, reachedMs }: PmdRingsOptions) {
    const words = threads * (ringBytes / 4 + SPARE_WORDS);
    this.#rings = orTooMuch(`the rings of ${threads} PMDs`, 'threads, ringBytes', words, () =>
      Array.from({ length: threads }, () => new RingProducer(allocateRing(ringBytes / 4, SPARE_WORDS))),
    );
    this.#times = this.#rings.map((ring) => new Float64Array(ring.words.buffer));
    this.#bytes = this.#rings.map((ring) => new Uint8Array(ring.words.buffer));
    this.#deferredWords = this.#rings.map(() => allocateRing(DEFERRED_RING_WORDS));
    this.#deferred = this.#deferredWords.map((each) => ({
      ring: new RingConsumer(each),
      slots: new Int32Array(MAX_BATCH),
      count: 0,
    }));
    this.#checksums = checksums === 'trust' ? ChecksumBit.IP_GOOD | ChecksumBit.L4_GOOD : 0;
    this.#reachedMs = reachedMs;
    this.#reachedMs[0] = Number.NaN;
  }

  get count(): number {
    return this.#rings.length;
  }

  /** The memory of a PMD's two rings. */
  wordsOf(worker: number): { ring: Words; late: Words } {
    return { ring: this.#rings[worker]!.words, late: this.#deferredWords[worker]! };
  }

  /** Has the PMD given back all that was handed to it? */
  isGivenBack(worker: number): boolean {
    return this.#rings[worker]!.isGivenBack;
  }

  /** Was everything that was handed to the PMD shown? */
  isEmpty(worker: number): boolean {
    return this.#rings[worker]!.occupiedWords === 0;
  }

  /** Writes a packet into the ring of its PMD. @returns false while that is full */
  write(worker: number, frame: Uint8Array, timeMs: number, number: number, action: number): boolean {
    const ring = this.#rings[worker]!;
    const slot = ring.reserve(roomyPacketWords(frame.length));
    if (slot < 0) {
      return false;
    }
    writePacket(ring.words, this.#bytes[worker]!, slot, frame, { number, checksums: this.#checksums });
    ring.words[slot + PacketWord.ACTION] = action;
    this.#times[worker]![(slot + PacketWord.NOW) >> 1] = timeMs;
    this.#latestMs = timeMs;
    if (Number.isNaN(this.#oldestMs)) {
      this.#oldestMs = timeMs;
    }
    ring.publish();
    return true;
  }

  /** No two PMDs may work at times so far apart: see core/clock.ts. */
  leapsAhead(timeMs: number): boolean {
    /* Also of what a slower PMD may have still in its ring: several steps add up. */
    return timeMs - this.#latestMs > WALK_AFTER_MS || timeMs - this.#oldestMs > WALK_AFTER_MS;
  }

  /** Resolves when the PMD has given something back that was not shown, or after `timeoutMs`. */
  waitForReturns(worker: number, timeoutMs: number): Promise<void> {
    return this.#rings[worker]!.waitForReturns(timeoutMs);
  }

  /**
   * Shows the visitors every packet that has come back, unless it is paused. What a visitor throws comes out of it, and what
   * was not shown then is shown by the next call. A call from a visitor does nothing.
   * @returns how many, deferred ones apart
   */
  harvest(): number {
    if (this.#isHarvesting || this.isPaused) {
      return 0;
    }
    this.#isHarvesting = true;
    let count = 0;
    try {
      let deferred = 0;
      do {
        /* Looked for first and shown last: a deferred packet comes after its own return as a held one. */
        deferred = this.#pollDeferred();
        try {
          count += this.#harvestRings();
        } finally {
          this.#showDeferred();
        }
      } while (deferred > 0 && !this.isPaused);
    } finally {
      this.#isHarvesting = false;
    }
    if (!this.isPaused) {
      this.onRoundEnd();
    }
    return count;
  }

  #pollDeferred(): number {
    let sum = 0;
    for (const each of this.#deferred) {
      each.count = each.ring.poll(each.slots, MAX_BATCH);
      sum += each.count;
    }
    return sum;
  }

  #showDeferred(): void {
    this.#deferred.forEach(({ ring, slots, count }, worker) => {
      try {
        for (let i = 0; i < count; i++) {
          this.onDeferred(ring.words, slots[i]!, worker);
        }
      } finally {
        if (count > 0) {
          ring.release(count);
        }
      }
    });
  }

  #harvestRings(): number {
    let count = 0;
    let reachedMs = this.#latestMs;
    for (let worker = 0; worker < this.#rings.length; worker++) {
      const ring = this.#rings[worker]!;
      count += this.#harvestRing(ring, worker);
      const oldest = ring.oldestOutstanding();
      if (oldest >= 0) {
        reachedMs = Math.min(reachedMs, this.#times[worker]![(oldest + PacketWord.NOW) >> 1]!);
      }
    }
    this.#reachedMs[0] = reachedMs;
    this.#oldestMs = reachedMs;
    return count;
  }

  #harvestRing(ring: RingProducer, worker: number): number {
    let count = 0;
    for (let slot = ring.returned(); slot >= 0 && !this.isPaused; slot = ring.returned()) {
      try {
        this.onReturn(ring.words, slot, worker);
      } finally {
        /* Only now: a visitor may push, and is not to write over what it looks at. */
        ring.take();
      }
      count++;
    }
    return count;
  }

  /**
   * Gives the packets back that a PMD which died was at, without a verdict. Judged twice they would move their connections on
   * twice.
   * @param everything also those that it never came to
   * @returns how many
   */
  takeBack(worker: number, everything: boolean): number {
    const ring = this.#rings[worker]!;
    return ring.takeBack((slot) => forgetVerdict(ring.words, slot), everything);
  }

  /** Nothing more will be handed in. */
  close(): void {
    for (const ring of this.#rings) {
      ring.close();
    }
  }
}

/** As a packet comes in: what is written so far of a verdict is none. The frame may have been translated already. */
function forgetVerdict(words: Words, slot: number): void {
  words.fill(0, slot + PacketWord.STATE, slot + PacketWord.NOW);
  words[slot + PacketWord.REASON] = VerdictReason.LOST << REASON_SHIFT;
}
