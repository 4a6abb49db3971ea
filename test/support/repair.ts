/** Corrects the lengths and checksums of broken frames. Written without the code under test on purpose. */

interface Layers {
  l3: number;
  isIpv6: boolean;
}

/** Finds the IP header of an Ethernet frame with at most two VLAN tags. */
function findIp(frame: Buffer): Layers | undefined {
  let typeAt = 12;
  while (typeAt <= 16 && typeAt + 2 <= frame.length && [0x8100, 0x88a8].includes(frame.readUInt16BE(typeAt))) {
    typeAt += 4;
  }
  if (typeAt + 2 > frame.length) {
    return undefined;
  }
  const type = frame.readUInt16BE(typeAt);
  const l3 = typeAt + 2;
  if (type === 0x0800 && frame.length >= l3 + 20) {
    return { l3, isIpv6: false };
  }
  return type === 0x86dd && frame.length >= l3 + 40 ? { l3, isIpv6: true } : undefined;
}

/** The one's complement sum (RFC 1071) of big-endian 16-bit words, folded. */
export function onesComplementSum(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) {
    sum += bytes[i]! * 256 + (bytes[i + 1] ?? 0);
  }
  while (sum > 0xffff) {
    sum = (sum % 0x10000) + Math.floor(sum / 0x10000);
  }
  return sum;
}

/** CRC32c (RFC 3720, B.4), bit by bit. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) {
      crc = (crc & 1) === 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
    }
  }
  return ~crc >>> 0;
}

/** The offset and the protocol of an IPv6 packet's transport header. */
function skipExtensions(frame: Buffer, l3: number): { l4: number; protocol: number } {
  let protocol = frame[l3 + 6]!;
  let l4 = l3 + 40;
  while ([0, 43, 44, 51, 60].includes(protocol) && l4 + 8 <= frame.length) {
    const units = frame[l4 + 1]!;
    const bytes = protocol === 44 ? 8 : protocol === 51 ? (units + 2) * 4 : (units + 1) * 8;
    protocol = frame[l4]!;
    l4 += bytes;
  }
  return { l4, protocol };
}

/** For each protocol: the offset of the checksum in the transport header. */
const CHECKSUM_AT: Record<number, number> = { 1: 2, 6: 16, 17: 6, 58: 2, 132: 8 };

/**
 * A copy of a frame with lengths up to its end, and correct checksums of IP and of TCP, UDP, ICMP and SCTP. Fields behind the
 * end of the frame are skipped.
 */
export function repaired(original: Uint8Array): Buffer {
  const frame = Buffer.from(original);
  const ip = findIp(frame);
  if (ip === undefined) {
    return frame;
  }
  const { l3, isIpv6 } = ip;
  let protocol: number;
  let l4: number;
  if (isIpv6) {
    frame.writeUInt16BE((frame.length - l3 - 40) & 0xffff, l3 + 4);
    ({ l4, protocol } = skipExtensions(frame, l3));
  } else {
    const headerBytes = (frame[l3]! & 0xf) * 4;
    frame.writeUInt16BE((frame.length - l3) & 0xffff, l3 + 2);
    frame.writeUInt16BE(0, l3 + 10);
    frame.writeUInt16BE(~onesComplementSum(frame.subarray(l3, l3 + headerBytes)) & 0xffff, l3 + 10);
    l4 = l3 + headerBytes;
    protocol = frame[l3 + 9]!;
  }
  const segment = frame.subarray(l4);
  const checksumAt = CHECKSUM_AT[protocol];
  if (protocol === 17 && segment.length >= 6) {
    segment.writeUInt16BE(segment.length & 0xffff, 4);
  }
  if (checksumAt === undefined || segment.length < checksumAt + (protocol === 132 ? 4 : 2)) {
    return frame;
  }
  if (protocol === 132) {
    segment.writeUInt32LE(0, checksumAt);
    segment.writeUInt32LE(crc32c(segment), checksumAt);
    return frame;
  }
  segment.writeUInt16BE(0, checksumAt);
  const pseudoHeader = Buffer.alloc(8);
  pseudoHeader.writeUInt32BE(segment.length, 0);
  pseudoHeader[7] = protocol;
  const addresses = isIpv6 ? frame.subarray(l3 + 8, l3 + 40) : frame.subarray(l3 + 12, l3 + 20);
  const summed = protocol === 1 ? segment : Buffer.concat([pseudoHeader, addresses, segment]);
  const checksum = ~onesComplementSum(summed) & 0xffff;
  segment.writeUInt16BE(protocol === 17 && checksum === 0 ? 0xffff : checksum, checksumAt);
  return frame;
}
