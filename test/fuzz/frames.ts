/** Makes frames of every protocol of the tracker, with correct lengths and checksums. Written without the code under test. */

import type { Random } from './random.ts';

export interface Ends {
  isIpv6: boolean;
  /** 4 or 16 bytes. */
  src: Uint8Array;
  dst: Uint8Array;
}

const MACS = Uint8Array.from(Buffer.from('020000000002020000000001', 'hex'));
const CRC32C = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) {
    crc = (crc & 1) === 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return crc;
});

export function half(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}

export function setHalf(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8;
  bytes[at + 1] = value;
}

export function setWord(bytes: Uint8Array, at: number, value: number): void {
  setHalf(bytes, at, value >>> 16);
  setHalf(bytes, at + 2, value);
}

function sum(bytes: Uint8Array, from: number, to: number, start = 0): number {
  let total = start;
  for (let i = from; i + 1 < to; i += 2) {
    total += (bytes[i]! << 8) | bytes[i + 1]!;
  }
  return ((to - from) & 1) === 1 ? total + (bytes[to - 1]! << 8) : total;
}

function fold(total: number): number {
  let rest = total;
  while (rest > 0xffff) {
    rest = (rest & 0xffff) + Math.floor(rest / 0x10000);
  }
  return ~rest & 0xffff;
}

/** The offset of a frame's network header, behind any tags; -1 if it has none. */
export function networkHeader(frame: Uint8Array): number {
  let at = 12;
  while (at + 4 <= frame.length && at < 20 && (half(frame, at) === 0x8100 || half(frame, at) === 0x88a8)) {
    at += 4;
  }
  const type = at + 2 <= frame.length ? half(frame, at) : 0;
  if (type === 0x0800 && frame.length >= at + 22) {
    return at + 2;
  }
  return type === 0x86dd && frame.length >= at + 42 ? at + 2 : -1;
}

const CHECKSUM_AT: Record<number, number> = { 1: 2, 6: 16, 17: 6, 58: 2 };

/** The offset of the transport header, and its protocol. */
export function transportHeader(frame: Uint8Array, l3: number): { l4: number; protocol: number } {
  if (frame[l3]! >>> 4 === 4) {
    return { l4: l3 + (frame[l3]! & 0xf) * 4, protocol: frame[l3 + 9]! };
  }
  let protocol = frame[l3 + 6]!;
  let l4 = l3 + 40;
  for (let headers = 0; headers < 8 && l4 + 8 <= frame.length; headers++) {
    if (protocol !== 0 && protocol !== 43 && protocol !== 44 && protocol !== 51 && protocol !== 60) {
      break;
    }
    const units = frame[l4 + 1]!;
    const bytes = protocol === 44 ? 8 : protocol === 51 ? (units + 2) * 4 : (units + 1) * 8;
    protocol = frame[l4]!;
    l4 += bytes;
  }
  return { l4, protocol };
}

/** Sets the lengths of a frame to its end, and corrects its checksums. Changes it in place. */
export function sealed(frame: Uint8Array): Uint8Array {
  const l3 = networkHeader(frame);
  if (l3 < 0) {
    return frame;
  }
  const isIpv6 = frame[l3]! >>> 4 === 6;
  const { l4, protocol } = transportHeader(frame, l3);
  if (isIpv6) {
    setHalf(frame, l3 + 4, frame.length - l3 - 40);
  } else {
    setHalf(frame, l3 + 2, frame.length - l3);
    setHalf(frame, l3 + 10, 0);
    setHalf(frame, l3 + 10, fold(sum(frame, l3, Math.min(l4, frame.length))));
  }
  const bytes = frame.length - l4;
  if (protocol === 132 && bytes >= 12) {
    setWord(frame, l4 + 8, 0);
    let crc = 0xffffffff;
    for (let i = l4; i < frame.length; i++) {
      crc = CRC32C[(crc ^ frame[i]!) & 0xff]! ^ (crc >>> 8);
    }
    new DataView(frame.buffer, frame.byteOffset).setUint32(l4 + 8, ~crc >>> 0, true);
    return frame;
  }
  const at = CHECKSUM_AT[protocol];
  if (at === undefined || bytes < at + 2) {
    return frame;
  }
  if (protocol === 17) {
    setHalf(frame, l4 + 4, bytes);
  }
  setHalf(frame, l4 + at, 0);
  const pseudo = protocol === 1 ? 0 : sum(frame, l3 + (isIpv6 ? 8 : 12), l3 + (isIpv6 ? 40 : 20), protocol + bytes);
  const checksum = fold(sum(frame, l4, frame.length, pseudo));
  setHalf(frame, l4 + at, protocol === 17 && checksum === 0 ? 0xffff : checksum);
  return frame;
}

/** The bytes between the Ethernet addresses and the network header: usually only the EtherType. */
function link(random: Random, isIpv6: boolean): Uint8Array {
  const type = isIpv6 ? [0x86, 0xdd] : [0x08, 0x00];
  switch (random.below(40)) {
    case 0:
      return Uint8Array.of(0x81, 0, 0, 1, ...type);
    case 1:
      return Uint8Array.of(0x88, 0xa8, 0, 1, 0x81, 0, 0, 2, ...type);
    case 2:
      return Uint8Array.of(0, 100, 0xaa, 0xaa, 3, 0, 0, 0, ...type);
    default:
      return Uint8Array.from(type);
  }
}

/** IPv6 extension headers or IPv4 options, usually none. @returns the bytes, and the number of the first header (IPv6) */
function middle(random: Random, isIpv6: boolean, protocol: number): { bytes: Uint8Array; first: number } {
  if (!random.oneIn(16)) {
    return { bytes: new Uint8Array(0), first: protocol };
  }
  if (!isIpv6) {
    const bytes = new Uint8Array(4 * random.between(1, 10));
    bytes.fill(1);
    return { bytes, first: protocol };
  }
  const kinds = Array.from({ length: random.between(1, 3) }, () => random.pick([0, 43, 60, 51, 44]));
  const parts = kinds.map((kind, index) => {
    const next = kinds[index + 1] ?? protocol;
    const units = kind === 44 ? 0 : random.below(3);
    const bytes = new Uint8Array(kind === 44 ? 8 : kind === 51 ? (units + 2) * 4 : (units + 1) * 8);
    bytes[0] = next;
    bytes[1] = kind === 44 ? 0 : kind === 51 && bytes.length % 8 !== 0 ? units : units;
    return bytes;
  });
  return { bytes: concatenated(parts), first: kinds[0]! };
}

export function concatenated(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((total, part) => total + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** A whole frame around a transport segment, with lengths and checksums. */
export function packet(random: Random, { isIpv6, src, dst }: Ends, protocol: number, segment: Uint8Array): Uint8Array {
  const type = link(random, isIpv6);
  const { bytes: between, first } = middle(random, isIpv6, protocol);
  const l3 = 12 + type.length;
  const headerBytes = isIpv6 ? 40 : 20;
  const l4 = l3 + headerBytes + between.length;
  const frame = new Uint8Array(l4 + segment.length);
  frame.set(MACS);
  frame.set(type, 12);
  if (isIpv6) {
    frame[l3] = 0x60;
    frame[l3 + 6] = first;
    frame[l3 + 7] = 64;
  } else {
    frame[l3] = 0x45 + between.length / 4;
    frame[l3 + 8] = 64;
    frame[l3 + 9] = protocol;
  }
  frame.set(src, l3 + (isIpv6 ? 8 : 12));
  frame.set(dst, l3 + (isIpv6 ? 24 : 16));
  frame.set(between, l3 + headerBytes);
  frame.set(segment, l4);
  return sealed(frame);
}

/** The fragments of a frame without IPv4 options or IPv6 extension headers; the frame itself if it is too small. */
export function fragments(random: Random, frame: Uint8Array, id: number): Uint8Array[] {
  const l3 = networkHeader(frame);
  const isIpv6 = l3 >= 0 && frame[l3]! >>> 4 === 6;
  const isPlain = l3 >= 0 && (isIpv6 ? [6, 17, 58].includes(frame[l3 + 6]!) : frame[l3] === 0x45);
  const l4 = l3 + (isIpv6 ? 40 : 20);
  if (!isPlain || frame.length - l4 < 16) {
    return [frame];
  }
  const pieces: Uint8Array[] = [];
  const payload = frame.subarray(l4);
  for (let at = 0; at < payload.length; ) {
    const bytes = Math.min(payload.length - at, 8 * random.between(1, random.oneIn(3) ? 4 : 180));
    const isLast = at + bytes >= payload.length;
    const head = isIpv6 ? 48 : 20;
    const piece = new Uint8Array(l3 + head + bytes);
    piece.set(frame.subarray(0, l4));
    if (isIpv6) {
      piece[l3 + 6] = 44;
      piece[l3 + 40] = frame[l3 + 6]!;
      setHalf(piece, l3 + 42, at | (isLast ? 0 : 1));
      setWord(piece, l3 + 44, id);
      setHalf(piece, l3 + 4, 8 + bytes);
    } else {
      setHalf(piece, l3 + 4, id);
      setHalf(piece, l3 + 6, (at >> 3) | (isLast ? 0 : 0x2000));
      setHalf(piece, l3 + 2, 20 + bytes);
      setHalf(piece, l3 + 10, 0);
      setHalf(piece, l3 + 10, fold(sum(piece, l3, l3 + 20)));
    }
    piece.set(payload.subarray(at, at + bytes), l3 + head);
    pieces.push(piece);
    at += bytes;
  }
  return pieces;
}
