/**
 * Deferred packets: fragments that the tracker held, and released with a later batch.
 *
 * The ring slot of a held fragment goes back at once, without a state. When its datagram is complete, the PMD sends the fragment
 * through a second ring, from PMD to datapath. An entry is a whole packet (packet/layout.ts): metadata and frame, with the number of the
 * packet that completed the datagram.
 */

import { copyWords } from '../../shared/memory/word-runs.ts';
import { releaseFragments, hasFinishedFragments } from '../../core/fragments/fragments.ts';
import type { PacketBatch } from '../../core/packet/batch.ts';
import { packetWords, PacketWord } from '../../core/packet/layout.ts';
import type { Tracker } from '../../core/tracker.ts';
import type { Words } from '../../shared/access.ts';
import type { RingConsumer } from '../../shared/memory/ring.ts';
import { RingProducer } from '../../shared/memory/ring.ts';

/** Spare words behind a PMD's ring: enough for the largest frame, or a few datagrams of the largest size. */
export const SPARE_WORDS: number = 1 << 17;
/** Words of the deferred ring. Half of it holds the largest frame. */
export const DEFERRED_RING_WORDS: number = 1 << 18;
/** A wait for space ends at least this often, to check whether the datapath has closed the PMD's ring. */
const RECHECK_MS = 100;

/** A PMD's side. */
export class DeferredSender {
  readonly #ring: RingProducer;
  /** The PMD's ring. Once it is closed, the datapath takes no more deferred packets. */
  readonly #input: RingConsumer;
  readonly #onWait: () => void;

  /** @param onWait called repeatedly while the sender waits for the datapath */
  constructor(words: Words, input: RingConsumer, onWait: () => void) {
    this.#ring = new RingProducer(words);
    this.#input = input;
    this.#onWait = onWait;
  }

  /** Sends the fragments that this batch released, and those that did not fit into the batch. */
  sendFrom(tracker: Tracker, batch: PacketBatch, zone: number, now: number): void {
    this.#send(tracker, batch);
    while (hasFinishedFragments(tracker.fragments)) {
      batch.clear();
      releaseFragments(tracker.fragments, batch, zone, now);
      if (batch.count === 0) {
        break;
      }
      this.#send(tracker, batch);
    }
  }

  #send(tracker: Tracker, batch: PacketBatch): void {
    for (let i = 0; i < batch.count; i++) {
      if (batch.isSpare(batch.slots[i]!)) {
        this.#sendPacket(tracker, batch.words, batch.slots[i]!);
      }
    }
    batch.resetSpare();
  }

  #sendPacket(tracker: Tracker, packet: Words, from: number): void {
    const ring = this.#ring;
    const words = packetWords(packet[from + PacketWord.LENGTH]!);
    this.#collect();
    let slot = ring.reserve(words);
    while (slot < 0) {
      /* The datapath may wait for slots of this PMD: without this, each would wait for the other. */
      this.#input.wakeProducer();
      /* Offline: a waiting thread must not hold back the reuse of memory. */
      tracker.quiesce();
      tracker.leave();
      ring.blockForReturns(RECHECK_MS);
      tracker.enter();
      this.#onWait();
      this.#collect();
      slot = ring.reserve(words);
      if (slot < 0 && this.#input.isClosed()) {
        return;
      }
    }
    copyWords(packet, from + PacketWord.LENGTH, ring.words, slot + PacketWord.LENGTH, words - PacketWord.LENGTH);
    ring.publish();
  }

  #collect(): void {
    while (this.#ring.harvest() >= 0) {
      /* Only the space is of interest. */
    }
  }
}
