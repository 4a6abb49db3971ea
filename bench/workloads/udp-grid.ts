/**
 * The grid of the insertion benchmark in the review: UDP 10.1.1.1 -> 10.1.1.2, source port 1 + (id >> 14), destination port
 * 1 + (id & 0x3fff), one packet without payload per connection. The UDP checksum is 0. The IP checksum is valid, and the tracker
 * verifies it.
 */

import { PacketBatch } from '../../src/core/packet/batch.ts';
import { FRAME_SHIFT_BYTES, PacketWord, swapHalf } from '../../src/core/packet/layout.ts';

/** Bits of the destination port in a connection's number. */
export const COLUMN_BITS = 14;
const ETHERNET_BYTES = 14;
/** Words from a packet to its UDP header, with an IPv4 header of five words. */
export const UDP_WORD: number = PacketWord.FRAME + (FRAME_SHIFT_BYTES + ETHERNET_BYTES) / 4 + 5;

/** Ethernet, IPv4 and UDP headers. The ports are filled in later. */
export const GRID_FRAME: Uint8Array = Uint8Array.from(
  Buffer.from(
    '0200000000020200000000010800 4500001c00000000401164cd 0a010101 0a010102 0000000000080000'.replaceAll(' ', ''),
    'hex',
  ),
);

/** Allocates a batch of grid packets. */
export function allocateGridBatch(batchSize: number): PacketBatch {
  const batch = PacketBatch.allocate();
  for (let i = 0; i < batchSize; i++) {
    batch.add(GRID_FRAME);
  }
  return batch;
}

/** Turns the batch into fresh packets of the connections `first`, `first + 1`, ... */
export function fillGridBatch(batch: PacketBatch, first: number, count: number): void {
  const words = batch.words;
  batch.count = count;
  for (let i = 0; i < count; i++) {
    const slot = batch.slots[i]!;
    const id = first + i;
    words[slot + PacketWord.CHECKSUMS] = 0;
    words[slot + PacketWord.STATE] = 0;
    words[slot + PacketWord.CONN] = 0;
    words[slot + UDP_WORD] = swapHalf(1 + (id >> COLUMN_BITS)) | (swapHalf(1 + (id & ((1 << COLUMN_BITS) - 1))) << 16);
  }
}
