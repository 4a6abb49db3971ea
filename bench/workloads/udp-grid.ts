/**
 * The grid of the review's insertion benchmark: UDP 10.1.1.1 -> 10.1.1.2, source port 1 + (id >> 14), destination
 * port 1 + (id & 0x3fff), one packet without payload per connection; UDP checksum 0, IP checksum right and to be
 * verified.
 */

import { PacketBatch } from '../../src/core/packet/batch.ts';
import { PacketWord, swapHalf } from '../../src/core/packet/layout.ts';

/** Destination ports of the grid. */
const COLUMN_BITS = 14;
/** Ports go up to 65535. */
export const MAX_GRID_CONNECTIONS: number = 65535 << COLUMN_BITS;

const ETHERNET_BYTES = 14;
const L3_WORDS = ETHERNET_BYTES / 2 / 2 + 0.5;
const UDP_WORD: number = PacketWord.FRAME + L3_WORDS + 5;

const FRAME = Uint8Array.from(
  Buffer.from(
    '020000000002' +
      '020000000001' +
      '0800' +
      '4500001c00000000401164cd' +
      '0a0101010a010102' +
      '0000000000080000',
    'hex',
  ),
);

/** A batch of grid packets. */
export function allocateGridBatch(batchSize: number): PacketBatch {
  const batch = PacketBatch.allocate();
  for (let i = 0; i < batchSize; i++) {
    batch.add(FRAME);
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
