/**
 * Reads and replaces the two ends (address and port) of a packet, for scenario files where the tracker may choose the translation.
 * It shares no code with the tracker on purpose, and computes checksums from scratch.
 */

/** Address in hexadecimal digits, and port or ICMP identifier (-1: the protocol has none). */
export interface End {
  address: string;
  port: number;
}

export type EndName = 'src' | 'dst';

interface Layers {
  l3: number;
  l4: number;
  isIpv6: boolean;
  protocol: number;
  /** End of the IP packet. Padding may follow. */
  end: number;
}

const EXTENSIONS = [0, 43, 44, 51, 60];

/** The layers of a frame with at most two VLAN tags, or undefined if it has no IP packet. */
function layersOf(frame: Buffer): Layers | undefined {
  let typeAt = 12;
  while (typeAt < 20 && typeAt + 2 <= frame.length && [0x8100, 0x88a8].includes(frame.readUInt16BE(typeAt))) {
    typeAt += 4;
  }
  const l3 = typeAt + 2;
  const type = l3 <= frame.length ? frame.readUInt16BE(typeAt) : 0;
  if (type === 0x0800 && frame.length >= l3 + 20) {
    const l4 = l3 + (frame[l3]! & 0xf) * 4;
    return { l3, l4, isIpv6: false, protocol: frame[l3 + 9]!, end: l3 + frame.readUInt16BE(l3 + 2) };
  }
  if (type !== 0x86dd || frame.length < l3 + 40) {
    return undefined;
  }
  const end = Math.min(frame.length, l3 + 40 + frame.readUInt16BE(l3 + 4));
  let protocol = frame[l3 + 6]!;
  let l4 = l3 + 40;
  while (EXTENSIONS.includes(protocol) && l4 + 8 <= end) {
    const units = frame[l4 + 1]!;
    const bytes = protocol === 44 ? 8 : protocol === 51 ? (units + 2) * 4 : (units + 1) * 8;
    protocol = frame[l4]!;
    l4 += bytes;
  }
  return { l3, l4, isIpv6: true, protocol, end };
}

function isIcmp({ protocol, isIpv6 }: Layers): boolean {
  return protocol === (isIpv6 ? 58 : 1);
}

/** Offset of the port or identifier of an end; undefined if the protocol has none. */
function portAt(layers: Layers, end: EndName): number | undefined {
  if ([6, 17, 132].includes(layers.protocol)) {
    return layers.l4 + (end === 'src' ? 0 : 2);
  }
  return isIcmp(layers) ? layers.l4 + 4 : undefined;
}

function addressRange({ l3, isIpv6 }: Layers, end: EndName): [number, number] {
  const bytes = isIpv6 ? 16 : 4;
  const at = l3 + (isIpv6 ? 8 : 12) + (end === 'src' ? 0 : bytes);
  return [at, at + bytes];
}

/** An end of the frame's packet; undefined if the frame holds no IP packet. */
export function endOf(frame: Buffer, end: EndName): End | undefined {
  const layers = layersOf(frame);
  if (layers === undefined) {
    return undefined;
  }
  const at = portAt(layers, end);
  return {
    address: frame.subarray(...addressRange(layers, end)).toString('hex'),
    port: at === undefined || at + 2 > frame.length ? -1 : frame.readUInt16BE(at),
  };
}

/** A copy of the frame with another end and correct checksums. A UDP checksum of 0 stays. */
export function withEnd(original: Buffer, end: EndName, { address, port }: End): Buffer {
  const frame = Buffer.from(original);
  const layers = layersOf(frame);
  if (layers === undefined) {
    return frame;
  }
  const [from, to] = addressRange(layers, end);
  if (address.length === (to - from) * 2) {
    frame.write(address, from, 'hex');
  }
  const at = portAt(layers, end);
  if (at !== undefined && port >= 0 && at + 2 <= frame.length) {
    frame.writeUInt16BE(port, at);
  }
  sumUp(frame, layers);
  return frame;
}

function sumUp(frame: Buffer, layers: Layers): void {
  const { l3, l4, isIpv6, protocol } = layers;
  if (!isIpv6) {
    frame.writeUInt16BE(0, l3 + 10);
    frame.writeUInt16BE(~sumOf(frame.subarray(l3, l4)) & 0xffff, l3 + 10);
  }
  const segment = frame.subarray(l4, layers.end);
  if (protocol === 132 && segment.length >= 12) {
    segment.writeUInt32LE(0, 8);
    segment.writeUInt32LE(crc32c(segment), 8);
    return;
  }
  const checksumAt = isIcmp(layers) ? 2 : protocol === 6 ? 16 : protocol === 17 ? 6 : undefined;
  if (
    checksumAt === undefined ||
    segment.length < checksumAt + 2 ||
    (protocol === 17 && segment.readUInt16BE(checksumAt) === 0)
  ) {
    return;
  }
  segment.writeUInt16BE(0, checksumAt);
  const pseudoHeader = Buffer.alloc(8);
  pseudoHeader.writeUInt32BE(segment.length, 0);
  pseudoHeader[7] = protocol;
  const addresses = frame.subarray(addressRange(layers, 'src')[0], addressRange(layers, 'dst')[1]);
  const covered = protocol === 1 && !isIpv6 ? segment : Buffer.concat([pseudoHeader, addresses, segment]);
  const checksum = ~sumOf(covered) & 0xffff;
  segment.writeUInt16BE(protocol === 17 && checksum === 0 ? 0xffff : checksum, checksumAt);
}

/** One's complement sum (RFC 1071). */
function sumOf(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) {
    sum += bytes[i]! * 256 + (bytes[i + 1] ?? 0);
  }
  while (sum > 0xffff) {
    sum = (sum & 0xffff) + (sum >>> 16);
  }
  return sum;
}

/** CRC32c (RFC 3720, B.4), bit by bit. */
function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) {
      crc = (crc & 1) === 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
    }
  }
  return ~crc >>> 0;
}
