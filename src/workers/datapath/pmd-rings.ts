/**
 * The rings of a datapath's PMDs, as the owner uses them. The owner writes packets. They come back with their verdicts, and the
 * owner shows them to two visitors. Each PMD has a second ring for deferred packets (deferred.ts).
 */

import { WALK_AFTER_MS } from '../../core/expiry/clock-bounds.ts';
import { orTooMuch } from '../../core/memory/memory-limits.ts';
import type { TrackerMemory } from '../../core/memory/memory.ts';
import { allocatePacketWords } from '../../core/memory/module-memory.ts';
import { MAX_BATCH, writePacket } from '../../core/packet/batch.ts';
import { ChecksumBit, PacketWord, growablePacketWords } from '../../core/packet/layout.ts';
import { REASON_SHIFT, VerdictReason } from '../../core/packet/reason.ts';
import { bytesOf, floatsOf, type Words } from '../../shared/access.ts';
import { allocateRing, RingConsumer, RingProducer } from '../../shared/memory/ring.ts';
import { DEFERRED_RING_WORDS, SPARE_WORDS } from './deferred.ts';

/** Reads a packet that has come back. `slot` is its first word in `words`, valid until the visitor returns. */
export type SlotVisitor = (words: Words, slot: number, worker: number) => void;

interface DeferredRing {
  ring: RingConsumer;
  /** Slots of the last poll, and how many there are. */
  slots: Int32Array;
  count: number;
}

export interface PmdRingsOptions {
  threads: number;
  ringBytes: number;
  checksums: 'verify' | 'trust';
  /** The time that every PMD has reached (StatusWord.REACHED_MS). */
  reachedMs: Float64Array;
  /** Of the table: the rings lie beside it. */
  memory: TrackerMemory;
}

export class PmdRings {
  /** Called once for each packet, when it has come back. */
  onReturn: SlotVisitor = () => {};
  /** Called a second time for a held fragment, when its datagram is complete. */
  onDeferred: SlotVisitor = () => {};
  /** Called at the end of each round, when all packets that had come back were shown. */
  onRoundEnd: () => void = () => {};
  /** No packets are taken back, because a reader of verdicts does not keep up. */
  isPaused = false;
  readonly #rings: RingProducer[];
  readonly #times: Float64Array[];
  readonly #bytes: Uint8Array[];
  readonly #deferredWords: Words[];
  readonly #deferred: DeferredRing[];
  readonly #checksums: number;
  readonly #reachedMs: Float64Array;
  #latestMs = Number.NaN;
  /** A lower bound: no packet in a ring is older. */
  #oldestMs = Number.NaN;
  #isHarvesting = false;

  constructor({ threads, ringBytes, checksums, reachedMs, memory }: PmdRingsOptions) {
    const allocate = (words: number) => allocatePacketWords(memory.module, words);
    const words = threads * (ringBytes / 4 + SPARE_WORDS);
    this.#rings = orTooMuch(`the rings of ${threads} PMDs`, 'threads, ringBytes', words, () =>
      Array.from({ length: threads }, () => new RingProducer(allocateRing(ringBytes / 4, SPARE_WORDS, allocate))),
    );
    this.#times = this.#rings.map((ring) => floatsOf(ring.words));
    this.#bytes = this.#rings.map((ring) => bytesOf(ring.words));
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
  wordsOf(worker: number): { ring: Words; deferred: Words } {
    return { ring: this.#rings[worker]!.words, deferred: this.#deferredWords[worker]! };
  }

  /** Whether the PMD has released all its packets. */
  isReleased(worker: number): boolean {
    return this.#rings[worker]!.isReleased;
  }

  /** Whether all packets of the PMD have come back and were shown. */
  isEmpty(worker: number): boolean {
    return this.#rings[worker]!.occupiedWords === 0;
  }

  /** Writes a packet into the ring of its PMD. @returns false if the ring is full */
  write(worker: number, frame: Uint8Array, timeMs: number, number: number, action: number): boolean {
    const ring = this.#rings[worker]!;
    const slot = ring.reserve(growablePacketWords(frame.length));
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

  /** Whether the time is too far ahead of the packets under way: two PMDs must not track at such distant times (clock-bounds.ts). */
  leapsAhead(timeMs: number): boolean {
    /* The oldest packet counts, too: several small steps add up while a slow PMD still has it. */
    return timeMs - this.#latestMs > WALK_AFTER_MS || timeMs - this.#oldestMs > WALK_AFTER_MS;
  }

  /** Resolves when the PMD has given packets back that were not shown yet, or after `timeoutMs`. */
  waitForReturns(worker: number, timeoutMs: number): Promise<void> {
    return this.#rings[worker]!.waitForReturns(timeoutMs);
  }

  /**
   * Shows every packet that has come back to the visitors, unless paused. If a visitor throws, the call throws the same, and the next
   * call shows the rest. A call from a visitor does nothing.
   * @returns packets shown, without deferred ones
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
        /* Polled first and shown last: a fragment must be shown as held before it is shown as deferred. */
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
        /* Only now: a visitor may push, and must not overwrite the packet that it reads. */
        ring.take();
      }
      count++;
    }
    return count;
  }

  /**
   * Takes the claimed packets of a dead PMD back, without a verdict. They are not tracked again: a packet tracked twice would update
   * its connection twice.
   * @param everything also take packets that the PMD has not claimed
   * @returns how many
   */
  takeBack(worker: number, everything: boolean): number {
    const ring = this.#rings[worker]!;
    return ring.takeBack((slot) => forgetVerdict(ring.words, slot), everything);
  }

  /** Closes the rings: no more packets come. */
  close(): void {
    for (const ring of this.#rings) {
      ring.close();
    }
  }
}

/** Removes a verdict that may be half-written. The frame may already be translated. */
function forgetVerdict(words: Words, slot: number): void {
  words.fill(0, slot + PacketWord.STATE, slot + PacketWord.NOW);
  words[slot + PacketWord.REASON] = VerdictReason.LOST << REASON_SHIFT;
}
