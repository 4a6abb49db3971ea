/**
 * Frames of attacks and of the soak: Ethernet and IPv4 with valid checksums, from numbers in host order. This is slower than
 * the batches of bench/workloads, but it can make any frame, and it is never timed.
 */

const ETHERNET = Buffer.from('0200000000020200000000010800', 'hex');
const ETHERNET_BYTES = ETHERNET.length;
const IP_BYTES = 20;
const L4: number = ETHERNET_BYTES + IP_BYTES;

export interface FrameEnds {
  src: number;
  dst: number;
  sport: number;
  dport: number;
}

/** The same ends as the other side sees them: source and destination exchanged. */
export function reversed({ src, dst, sport, dport }: FrameEnds): FrameEnds {
  return { src: dst, dst: src, sport: dport, dport: sport };
}

/** One's complement sum of big-endian 16-bit words (RFC 1071), before folding. */
function sumOf(bytes: Uint8Array, from: number, to: number): number {
  let sum = 0;
  let at = from;
  for (; at + 1 < to; at += 2) {
    sum += (bytes[at]! << 8) | bytes[at + 1]!;
  }
  return at < to ? sum + (bytes[at]! << 8) : sum;
}

function folded(sum: number): number {
  let rest = sum;
  while (rest > 0xffff) {
    rest = (rest & 0xffff) + Math.floor(rest / 0x10000);
  }
  return ~rest & 0xffff;
}

/** Writes the checksums of an IPv4 frame: IP header, and TCP, UDP or ICMP. The frame must hold its headers. */
export function seal(frame: Buffer): Buffer {
  frame.writeUInt16BE(0, ETHERNET_BYTES + 10);
  frame.writeUInt16BE(folded(sumOf(frame, ETHERNET_BYTES, L4)), ETHERNET_BYTES + 10);
  const protocol = frame[ETHERNET_BYTES + 9];
  const l4Bytes = frame.length - L4;
  const at = protocol === 6 ? 16 : protocol === 17 ? 6 : protocol === 1 ? 2 : -1;
  if (at < 0 || l4Bytes < at + 2 || (frame.readUInt16BE(ETHERNET_BYTES + 6) & 0x3fff) !== 0) {
    return frame;
  }
  frame.writeUInt16BE(0, L4 + at);
  const pseudo = protocol === 1 ? 0 : sumOf(frame, ETHERNET_BYTES + 12, L4) + protocol! + l4Bytes;
  frame.writeUInt16BE(folded(pseudo + sumOf(frame, L4, frame.length)) || (protocol === 17 ? 0xffff : 0), L4 + at);
  return frame;
}

function ipv4(ends: FrameEnds, protocol: number, l4Bytes: number): Buffer {
  const frame = Buffer.alloc(L4 + l4Bytes);
  ETHERNET.copy(frame);
  frame[ETHERNET_BYTES] = 0x45;
  frame.writeUInt16BE(IP_BYTES + l4Bytes, ETHERNET_BYTES + 2);
  frame[ETHERNET_BYTES + 8] = 64;
  frame[ETHERNET_BYTES + 9] = protocol;
  frame.writeUInt32BE(ends.src >>> 0, ETHERNET_BYTES + 12);
  frame.writeUInt32BE(ends.dst >>> 0, ETHERNET_BYTES + 16);
  if (l4Bytes >= 4 && protocol !== 1) {
    frame.writeUInt16BE(ends.sport, L4);
    frame.writeUInt16BE(ends.dport, L4 + 2);
  }
  return frame;
}

export function udpFrame(ends: FrameEnds, payloadBytes = 0): Buffer {
  const frame = ipv4(ends, 17, 8 + payloadBytes);
  frame.writeUInt16BE(8 + payloadBytes, L4 + 4);
  return seal(frame);
}

export const TcpBit = { FIN: 1, SYN: 2, RST: 4, PSH: 8, ACK: 16 } as const;

export interface TcpSegment {
  flags: number;
  seq: number;
  ack: number;
  text?: string;
}

export function tcpSegment(ends: FrameEnds, { flags, seq, ack, text = '' }: TcpSegment): Buffer {
  const frame = ipv4(ends, 6, 20 + text.length);
  frame.writeUInt32BE(seq >>> 0, L4 + 4);
  frame.writeUInt32BE(ack >>> 0, L4 + 8);
  frame[L4 + 12] = 0x50;
  frame[L4 + 13] = flags;
  frame.writeUInt16BE(0xffff, L4 + 14);
  frame.write(text, L4 + 20, 'latin1');
  return seal(frame);
}

/** An echo request, or its reply. The identifier is the source port. */
export function echoFrame(ends: FrameEnds, isReply: boolean): Buffer {
  const frame = ipv4(ends, 1, 16);
  frame[L4] = isReply ? 0 : 8;
  frame.writeUInt16BE(isReply ? ends.dport : ends.sport, L4 + 4);
  return seal(frame);
}

export interface Piece {
  id: number;
  /** Offset in bytes, a multiple of 8. */
  offset: number;
  bytes: number;
  more: boolean;
}

/** A fragment of a UDP datagram. The first one begins with the UDP header, without a checksum. */
export function fragmentFrame(ends: FrameEnds, { id, offset, bytes, more }: Piece, datagramBytes: number): Buffer {
  const frame = ipv4(ends, 17, bytes);
  frame.fill(0, L4);
  frame.writeUInt16BE(id & 0xffff, ETHERNET_BYTES + 4);
  frame.writeUInt16BE((more ? 0x2000 : 0) | (offset >> 3), ETHERNET_BYTES + 6);
  if (offset === 0) {
    frame.writeUInt16BE(ends.sport, L4);
    frame.writeUInt16BE(ends.dport, L4 + 2);
    frame.writeUInt16BE(datagramBytes, L4 + 4);
  }
  return seal(frame);
}

/** A datagram of `bytes` bytes with its UDP header, in fragments of at most `pieceBytes`, in order. */
export function fragmentedDatagram(ends: FrameEnds, id: number, bytes: number, pieceBytes: number): Buffer[] {
  return Array.from({ length: Math.ceil(bytes / pieceBytes) }, (_, index) => {
    const offset = index * pieceBytes;
    const part = Math.min(pieceBytes, bytes - offset);
    return fragmentFrame(ends, { id, offset, bytes: part, more: offset + part < bytes }, bytes);
  });
}

/** An address and a port as FTP writes them: "a,b,c,d,high,low". */
export function ftpEnds(address: number, port: number): string {
  return [address >>> 24, (address >>> 16) & 255, (address >>> 8) & 255, address & 255, port >> 8, port & 255].join(
    ',',
  );
}
