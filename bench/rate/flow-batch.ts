/**
 * A batch of UDP packets in both directions on the grid of ports (workloads/udp-grid.ts). The IP checksum is valid, and the tracker
 * verifies it: it is the same in both directions. UDP has no checksum.
 */

import { PacketBatch } from '../../src/core/packet/batch.ts';
import { PacketWord, swapHalf } from '../../src/core/packet/layout.ts';
import { allocateGridBatch, COLUMN_BITS, UDP_WORD } from '../workloads/udp-grid.ts';

/** Words from a packet to its IPv4 addresses. */
const SRC_WORD = UDP_WORD - 2;
const DST_WORD = UDP_WORD - 1;
const COLUMN_MASK = (1 << COLUMN_BITS) - 1;
/** Tuples of the grid: client ports from 1 to 65534. */
export const GRID_TUPLES: number = 65534 * (1 << COLUMN_BITS);

export class FlowBatch {
  readonly packets: PacketBatch;
  readonly #client: number;
  readonly #server: number;

  constructor(batchSize: number) {
    this.packets = allocateGridBatch(batchSize);
    const { words, slots } = this.packets;
    this.#client = words[slots[0]! + SRC_WORD]!;
    this.#server = words[slots[0]! + DST_WORD]!;
  }

  set count(count: number) {
    this.packets.count = count;
  }

  /** Makes packet i a fresh one of this tuple. */
  put(i: number, tuple: number, isReply: boolean): void {
    const { words, slots } = this.packets;
    const slot = slots[i]!;
    const client = swapHalf(1 + (tuple >> COLUMN_BITS));
    const server = swapHalf(1 + (tuple & COLUMN_MASK));
    words[slot + PacketWord.CHECKSUMS] = 0;
    words[slot + PacketWord.STATE] = 0;
    words[slot + PacketWord.CONN] = 0;
    words[slot + SRC_WORD] = isReply ? this.#server : this.#client;
    words[slot + DST_WORD] = isReply ? this.#client : this.#server;
    words[slot + UDP_WORD] = isReply ? server | (client << 16) : client | (server << 16);
  }
}
