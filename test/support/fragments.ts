/** Fragments for tests, cut from whole frames. Written without the code under test. */

import { onesComplementSum } from './repair.ts';

const LINK_BYTES = 14;
const IPV4_HEADER_BYTES = 20;
const MORE_FRAGMENTS = 0x2000;

export interface Piece {
  /** Offset in the payload in bytes, a multiple of 8. */
  offset: number;
  /** Bytes of payload. */
  bytes: number;
  /** The flag "more fragments". */
  more: boolean;
}

/** One fragment of an IPv4 frame without options: `bytes` bytes of its payload from `offset` on. */
export function pieceOf(frame: Buffer, id: number, piece: Piece): Buffer {
  const from = LINK_BYTES + IPV4_HEADER_BYTES + piece.offset;
  const payload = Buffer.alloc(piece.bytes);
  frame.copy(payload, 0, Math.min(from, frame.length), Math.min(from + piece.bytes, frame.length));
  const header = Buffer.from(frame.subarray(LINK_BYTES, LINK_BYTES + IPV4_HEADER_BYTES));
  header.writeUInt16BE(IPV4_HEADER_BYTES + piece.bytes, 2);
  header.writeUInt16BE(id, 4);
  header.writeUInt16BE((piece.more ? MORE_FRAGMENTS : 0) | (piece.offset / 8), 6);
  header.writeUInt16BE(0, 10);
  header.writeUInt16BE(~onesComplementSum(header) & 0xffff, 10);
  return Buffer.concat([frame.subarray(0, LINK_BYTES), header, payload]);
}

/** An IPv4 frame without options cut into fragments of `payloadBytes` bytes, in order. */
export function fragmentsOf(frame: Buffer, id: number, payloadBytes: number): Buffer[] {
  const total = frame.length - LINK_BYTES - IPV4_HEADER_BYTES;
  return Array.from({ length: Math.ceil(total / payloadBytes) }, (_, index) => {
    const offset = index * payloadBytes;
    const bytes = Math.min(payloadBytes, total - offset);
    return pieceOf(frame, id, { offset, bytes, more: offset + bytes < total });
  });
}
