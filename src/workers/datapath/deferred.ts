/**
 * Fragments that were held and come back with a later batch. Their slots in the PMD's ring went back at once, with no
 * state; what the tracker said of them in the end goes to the datapath by a ring of its own, from PMD to datapath:
 * whole packets, metadata and frame (packet/layout.ts), with the number of the packet that completed their datagram.
 */

import { copyWords } from '../../shared/memory/word-runs.ts';
import { releaseFragments, hasFinishedFragments } from '../../core/fragments/fragments.ts';
import type { PacketBatch } from '../../core/packet/batch.ts';
import { packetWords, PacketWord } from '../../core/packet/layout.ts';
import type { Tracker } from '../../core/tracker.ts';
import type { Words } from '../../shared/access.ts';
import type { RingConsumer } from '../../shared/memory/ring.ts';
import { RingProducer } from '../../shared/memory/ring.ts';

/** Spare words of a PMD's ring: a few datagrams of the largest size, and more than the largest frame. */
export const SPARE_WORDS: number = 1 << 17;
/** Words of the ring of late packets; half of it holds the largest frame. */
export const DEFERRED_RING_WORDS: number = 1 << 18;
/** Longest wait for the datapath to take late packets before looking whether it has closed the PMD's ring. */
const LOOK_ROUND_MS = 100;

/** A PMD's side. */
export class DeferredSender {
  readonly #ring: RingProducer;
  /** The PMD's ring: closed when nobody will take late packets any more. */
  readonly #input: RingConsumer;
  readonly #onWait: () => void;

  /** @param onWait called now and then while the datapath is waited for */
  constructor(words: Words, input: RingConsumer, onWait: () => void) {
    this.#ring = new RingProducer(words);
    this.#input = input;
    this.#onWait = onWait;
  }

  /** Sends on what came back in a batch beyond its own packets, and what had no room in it. */
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
      /* The datapath may be waiting for the slots that this PMD has not given back yet. */
      this.#input.wakeProducer();
      /* Whoever waits holds nobody up. */
      tracker.quiesce();
      tracker.leave();
      ring.blockForReturns(LOOK_ROUND_MS);
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
      /* Nothing is read in what comes back. */
    }
  }
}
