/**
 * A packet in memory: metadata, then the frame, in words of one region (a ring, or a batch's own).
 *
 *   word   0               1               2               3
 *        +---------------+---------------+---------------+---------------+
 *      0 | SLOT_SIZE   r | LENGTH      s | CHECKSUMS  st | STATE       t |   STATE to LABEL: the verdict
 *      4 | ZONE        t | MARK        t | LABEL, 4 words                |
 *      8 |                             t | CONN        t | CONN_GENER. t |   CONN to CONN_FLAGS: the remembered connection
 *     12 | CONN_FLAGS  t | ORIG_PROTO. t | ORIG_PORTS  t | -             |   ORIG_: the original direction's tuple
 *     16 | ORIG_SRC, 4 words                                           t |
 *     20 | ORIG_DST, 4 words                                           t |
 *     24 | NOW, one 64-bit float       s | NUMBER      s | RELEASED_BY t |
 *     28 | ROOM        s | ACTION      s | -                             |
 *        +---------------+---------------+---------------+---------------+
 *     32 | 2 bytes | the frame                                        st |
 *        +-------------------------------------------------------------- -
 *
 *   r   written by the ring that contains the packet
 *   s   by the sender, before it hands the packet over
 *   t   by the tracker, while it has the packet. Sender and tracker never have it at the same time
 *
 * The two bytes align everything behind the Ethernet header to words: tags, options and extension headers all come in
 * multiples of four bytes. So headers are read as words. Values that are only compared stay in network order.
 */

import { wordLayout } from '../../shared/memory/word-layout.ts';

/** Words before the frame. */
export const PACKET_HEADER_WORDS = 32;

const METADATA = wordLayout("a packet's metadata", PACKET_HEADER_WORDS, {
  /** Size of the ring's slot in words. */
  SLOT_SIZE: 1,
  /** Of the frame, in bytes. */
  LENGTH: 1,
  /** Checksum verdicts (ChecksumBit), from the sender or from an earlier pass. */
  CHECKSUMS: 1,
  /** CtState bits. */
  STATE: 1,
  ZONE: 1,
  MARK: 1,
  /** Four words, the least significant first. */
  LABEL: 4,
  /**
   * The remembered connection: its record, the generation of that record, RememberedBits. The last word also holds
   * REASON.
   */
  CONN: 1,
  CONN_GENERATION: 1,
  CONN_FLAGS: 1,
  /** Protocol, plus ORIG_IPV6; 0: no tuple. */
  ORIG_PROTOCOL: 1,
  /** Source port in the low half, destination port in the high, each in network order; ICMP: type and code. */
  ORIG_PORTS: 1,
  _GAP: 1,
  /** Four words; IPv4 uses the first. Network order. */
  ORIG_SRC: 4,
  ORIG_DST: 4,
  /** Time of arrival in ms. */
  NOW: 2,
  /** For the sender's own use. */
  NUMBER: 1,
  /** Of a fragment that was held: the NUMBER of the packet that completed its datagram. */
  RELEASED_BY: 1,
  /** The length to which the frame may grow, in bytes. 0: its length cannot change. */
  ROOM: 1,
  /** The number of the action, set by the sender (workers/action-table.ts). */
  ACTION: 1,
  _REST: 2,
});

export const PacketWord = {
  ...METADATA,
  /** Above REASON_SHIFT: a VerdictReason (reason.ts). Below: CONN_FLAGS. */
  REASON: METADATA.CONN_FLAGS,
  FRAME: PACKET_HEADER_WORDS,
} as const;

/** Bytes between the header and the frame, so that the network header is word-aligned. */
export const FRAME_SHIFT_BYTES = 2;

/** Words of a packet with a frame of this many bytes. */
export function packetWords(frameBytes: number): number {
  return PACKET_HEADER_WORDS + ((FRAME_SHIFT_BYTES + frameBytes + 3) >> 2);
}

/**
 * Bytes by which a frame may grow when the tracker rewrites its payload. In an FTP command a short IPv6 address may
 * become a long one (up to 43 bytes more).
 */
export const GROWTH_BYTES = 64;

/** Words of a packet with a frame of this many bytes, and space for it to grow. `writePacket` needs them. */
export function growablePacketWords(frameBytes: number): number {
  return packetWords(frameBytes + GROWTH_BYTES);
}

/** Byte offset of the frame in a region, for a packet at word `slot`. */
export function frameByteOffset(slot: number): number {
  return (slot + PacketWord.FRAME) * 4 + FRAME_SHIFT_BYTES;
}

/** What is known about a packet's checksums. With neither good nor bad, the tracker verifies them. */
export const ChecksumBit = { IP_GOOD: 1, IP_BAD: 2, L4_GOOD: 4, L4_BAD: 8 } as const;

/** How a packet relates to the connection that it remembers. FRAGMENT: a later pass may hold it all the same. */
export const RememberedBit = { REPLY: 1, RELATED: 2, FRAGMENT: 4 } as const;

/** In ORIG_PROTOCOL: the tuple is an IPv6 one. */
export const ORIG_IPV6 = 0x100;

/** Connection state flags, with the values that Open vSwitch gives them. */
export const CtState = {
  NEW: 0x01,
  EST: 0x02,
  REL: 0x04,
  RPL: 0x08,
  INV: 0x10,
  TRK: 0x20,
  SNAT: 0x40,
  DNAT: 0x80,
} as const;

/** IP protocol numbers that the tracker treats specially. */
export const Protocol = { ICMP: 1, TCP: 6, UDP: 17, ICMPV6: 58, SCTP: 132 } as const;

/** 32 bits from network to host order, or back. */
export function swapWord(word: number): number {
  return (word << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24);
}

/** 16 bits from network to host order, or back. */
export function swapHalf(half: number): number {
  return ((half << 8) & 0xff00) | ((half >>> 8) & 0xff);
}

/** Swaps the ports of a ports word. */
export function swapPorts(ports: number): number {
  return (ports << 16) | (ports >>> 16);
}

/* All code reads and compares words in memory order. */
if (new Uint8Array(new Uint32Array([1]).buffer)[0] !== 1) {
  throw new Error('ct-bucket needs a little-endian machine');
}
