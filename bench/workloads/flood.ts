/**
 * A flood with one packet for each connection, and established connections with traffic in both directions. Both use the grid of
 * udp-grid.ts. The established connections have the first numbers.
 */

import { PacketBatch } from '../../src/core/packet/batch.ts';
import { PacketWord, swapHalf } from '../../src/core/packet/layout.ts';
import { LINE_WORDS } from '../../src/shared/memory/cache-line.ts';
import { COLUMN_BITS, GRID_FRAME, UDP_WORD } from './udp-grid.ts';

/** Words that the threads of a sample share. FLOOD_OVER becomes 1 when the flood ends. */
export const FLOOD_WORDS: number = LINE_WORDS;
export const FLOOD_OVER = 0;

/** Offset of the IPv4 addresses in the Ethernet frame of the grid. */
const SRC_BYTE = 26;
const DST_BYTE = 30;

/** The grid's frame in the other direction. Exchanging the addresses leaves the IP checksum valid. */
function replyFrame(): Uint8Array {
  const frame = GRID_FRAME.slice();
  frame.set(GRID_FRAME.subarray(SRC_BYTE, SRC_BYTE + 4), DST_BYTE);
  frame.set(GRID_FRAME.subarray(DST_BYTE, DST_BYTE + 4), SRC_BYTE);
  return frame;
}

/** A batch of established traffic, with packets in original and in reply direction in turn. */
export function allocateTalkBatch(batchSize: number): PacketBatch {
  const batch = PacketBatch.allocate();
  const reply = replyFrame();
  for (let i = 0; i < batchSize; i++) {
    batch.add(i % 2 === 0 ? GRID_FRAME : reply);
  }
  return batch;
}

/** Turns the batch into two fresh packets for each of the connections `first`, `first + 1`, ..., modulo `connections`. */
export function fillTalkBatch(batch: PacketBatch, first: number, count: number, connections: number): void {
  const words = batch.words;
  batch.count = count;
  for (let i = 0; i < count; i++) {
    const slot = batch.slots[i]!;
    const id = (first + (i >> 1)) % connections;
    const source = swapHalf(1 + (id >> COLUMN_BITS));
    const destination = swapHalf(1 + (id & ((1 << COLUMN_BITS) - 1)));
    words[slot + PacketWord.CHECKSUMS] = 0;
    words[slot + PacketWord.STATE] = 0;
    words[slot + PacketWord.CONN] = 0;
    words[slot + UDP_WORD] = (i & 1) === 0 ? source | (destination << 16) : destination | (source << 16);
  }
}
