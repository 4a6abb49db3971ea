/**
 * From the transport header to a key: ports, ICMP identifiers, and the packets quoted in ICMP errors.
 *
 * A checksum is verified unless the packet's metadata says that it is good. The packet remembers the result for TCP,
 * UDP and SCTP, but not for ICMP.
 */

import { foldSum, halves, isSumRight, pseudoHeaderSum, sctpChecksum, sumWords } from './checksum.ts';
import { findTransport } from './extension-headers.ts';
import { icmp6Meta, icmpMeta, META_IPV6, ParsedWord, reverseMeta } from './key.ts';
import { ChecksumBit, PacketWord, Protocol, swapPorts } from './layout.ts';

const TCP_HEADER_BYTES = 20;
const UDP_HEADER_BYTES = 8;
const SCTP_HEADER_BYTES = 12;
const SCTP_CHUNK_HEADER_BYTES = 4;
const ICMP_HEADER_BYTES = 8;
const IPV4_HEADER_BYTES = 20;
const IPV6_HEADER_BYTES = 40;
/** An ICMP error quotes at least this many bytes behind the IP header (RFC 792). */
const QUOTED_BYTES = 8;

/** Is this the type of an ICMP error? An error quotes the packet that caused it (RFC 792). */
function isIcmpError(type: number): boolean {
  return type === 3 || type === 4 || type === 5 || type === 11 || type === 12;
}

/** The same for ICMPv6: unreachable, too big, time exceeded, parameter problem (RFC 4443). */
function isIcmp6Error(type: number): boolean {
  return type >= 1 && type <= 4;
}

/**
 * Completes the key of a packet. Its network layer is parsed: META, addresses, L4 and L4_BYTES stand in `parsed`.
 * @returns whether the packet has a key
 */
export function parseTransport(words: Int32Array, slot: number, parsed: Int32Array, at: number): boolean {
  const checksums = words[slot + PacketWord.CHECKSUMS]!;
  if ((checksums & ChecksumBit.L4_BAD) !== 0) {
    return false;
  }
  const meta = parsed[at + ParsedWord.META]!;
  const l4 = parsed[at + ParsedWord.L4]!;
  const bytes = parsed[at + ParsedWord.L4_BYTES]!;
  const isKnownGood = (checksums & ChecksumBit.L4_GOOD) !== 0;
  switch ((meta >>> 8) & 0xff) {
    case Protocol.TCP: {
      if (bytes < TCP_HEADER_BYTES) {
        return false;
      }
      const headerBytes = ((words[l4 + 3]! >>> 4) & 0xf) << 2;
      if (headerBytes < TCP_HEADER_BYTES || headerBytes > bytes) {
        return false;
      }
      if (!isKnownGood && !verify(words, slot, parsed, at, checksums)) {
        return false;
      }
      return takePorts(words, parsed, at, l4);
    }
    case Protocol.UDP: {
      if (bytes < UDP_HEADER_BYTES) {
        return false;
      }
      const second = words[l4 + 1]!;
      const udpBytes = ((second << 8) & 0xff00) | ((second >>> 8) & 0xff);
      if (udpBytes < UDP_HEADER_BYTES || udpBytes > bytes) {
        return false;
      }
      /* A checksum of 0 means none (RFC 768). IPv6 forbids that (RFC 8200). */
      const hasChecksum = second >>> 16 !== 0 || (meta & META_IPV6) !== 0;
      if (hasChecksum && !isKnownGood && !verify(words, slot, parsed, at, checksums)) {
        return false;
      }
      return takePorts(words, parsed, at, l4);
    }
    case Protocol.SCTP: {
      if (!areSctpChunksWhole(words, l4, bytes)) {
        return false;
      }
      if (!isKnownGood) {
        if (sctpChecksum(words, l4, bytes) !== words[l4 + 2]) {
          words[slot + PacketWord.CHECKSUMS] = checksums | ChecksumBit.L4_BAD;
          return false;
        }
        words[slot + PacketWord.CHECKSUMS] = checksums | ChecksumBit.L4_GOOD;
      }
      return takePorts(words, parsed, at, l4);
    }
    case Protocol.ICMP:
      if ((meta & META_IPV6) === 0) {
        return (
          bytes >= ICMP_HEADER_BYTES &&
          noteIcmpSum(parsed, at, isSumRight(words, l4, bytes)) &&
          parseIcmp(words, parsed, at, l4, bytes)
        );
      }
      break;
    case Protocol.ICMPV6:
      if ((meta & META_IPV6) !== 0) {
        return (
          bytes >= ICMP_HEADER_BYTES &&
          noteIcmpSum(parsed, at, isUpperLayerSumRight(words, parsed, at)) &&
          parseIcmp6(words, parsed, at, l4, bytes)
        );
      }
      break;
    default:
      break;
  }
  parsed[at + ParsedWord.PORTS] = 0;
  return true;
}

/** Notes a wrong ICMP checksum, which the verdict counts. */
function noteIcmpSum(parsed: Int32Array, at: number, isRight: boolean): boolean {
  parsed[at + ParsedWord.BAD_ICMP_SUM] = isRight ? 0 : 1;
  return isRight;
}

/** Verifies a TCP or UDP checksum; the packet remembers the result. */
function verify(words: Int32Array, slot: number, parsed: Int32Array, at: number, checksums: number): boolean {
  const isRight = isUpperLayerSumRight(words, parsed, at);
  words[slot + PacketWord.CHECKSUMS] = checksums | (isRight ? ChecksumBit.L4_GOOD : ChecksumBit.L4_BAD);
  return isRight;
}

function isUpperLayerSumRight(words: Int32Array, parsed: Int32Array, at: number): boolean {
  const meta = parsed[at + ParsedWord.META]!;
  const bytes = parsed[at + ParsedWord.L4_BYTES]!;
  let sum = pseudoHeaderSum((meta >>> 8) & 0xff, bytes);
  if ((meta & META_IPV6) !== 0) {
    sum = sumWords(parsed, at + ParsedWord.SRC6, 32, sum);
  } else {
    sum = foldSum(sum + halves(parsed[at + ParsedWord.SRC]!) + halves(parsed[at + ParsedWord.DST]!));
  }
  return sumWords(words, parsed[at + ParsedWord.L4]!, bytes, sum) === 0xffff;
}

/** Takes the ports into the key. @returns false if one of them is 0 */
function takePorts(words: Int32Array, parsed: Int32Array, at: number, l4: number): boolean {
  const ports = words[l4]!;
  parsed[at + ParsedWord.PORTS] = ports;
  return (ports & 0xffff) !== 0 && ports >>> 16 !== 0;
}

/** Do the chunks fill the packet exactly? Each is padded to four bytes (RFC 9260, 3.2). */
function areSctpChunksWhole(words: Int32Array, l4: number, bytes: number): boolean {
  if (bytes < SCTP_HEADER_BYTES) {
    return false;
  }
  let next = SCTP_HEADER_BYTES;
  while (next < bytes) {
    if (bytes - next < SCTP_CHUNK_HEADER_BYTES) {
      return false;
    }
    const first = words[l4 + (next >>> 2)]!;
    const chunkBytes = ((first >>> 8) & 0xff00) | (first >>> 24);
    if (chunkBytes < SCTP_CHUNK_HEADER_BYTES) {
      return false;
    }
    next += (chunkBytes + 3) & ~3;
  }
  return next === bytes;
}

function takeIdentifier(words: Int32Array, parsed: Int32Array, at: number, l4: number, kindAndReply: number): void {
  const identifier = words[l4 + 1]! & 0xffff;
  parsed[at + ParsedWord.PORTS] = identifier | (identifier << 16);
  parsed[at + ParsedWord.META] = parsed[at + ParsedWord.META]! | kindAndReply;
}

function parseIcmp(words: Int32Array, parsed: Int32Array, at: number, l4: number, bytes: number): boolean {
  const first = words[l4]!;
  const type = first & 0xff;
  const kindAndReply = icmpMeta(type);
  if (kindAndReply !== 0) {
    takeIdentifier(words, parsed, at, l4, kindAndReply);
    return (first & 0xff00) === 0;
  }
  return isIcmpError(type) && parseQuotedIpv4(words, parsed, at, l4 + 2, bytes - ICMP_HEADER_BYTES);
}

/**
 * Makes the reversed key of the packet that an ICMP error quotes the key of the error. The quoted checksums and total
 * length are ignored, since routers may change them. The quoted source must be the destination of the error.
 */
function parseQuotedIpv4(words: Int32Array, parsed: Int32Array, at: number, l3: number, bytes: number): boolean {
  if (bytes < IPV4_HEADER_BYTES) {
    return false;
  }
  const headerBytes = (words[l3]! & 0xf) << 2;
  if (headerBytes < IPV4_HEADER_BYTES || headerBytes > bytes || (words[l3 + 1]! & 0xff1f0000) !== 0) {
    return false;
  }
  const src = words[l3 + 3]!;
  if (src !== parsed[at + ParsedWord.DST]) {
    return false;
  }
  const protocol = (words[l3 + 2]! >>> 8) & 0xff;
  const zone = parsed[at + ParsedWord.META]! & 0xffff0000;
  parsed[at + ParsedWord.META] = zone | (protocol << 8);
  const l4 = l3 + (headerBytes >>> 2);
  const l4Bytes = bytes - headerBytes;
  switch (protocol) {
    case Protocol.TCP:
    case Protocol.UDP:
    case Protocol.SCTP:
      if (l4Bytes < QUOTED_BYTES || !takePorts(words, parsed, at, l4)) {
        return false;
      }
      break;
    case Protocol.ICMP: {
      const kindAndReply = l4Bytes < QUOTED_BYTES ? 0 : icmpMeta(words[l4]! & 0xff);
      /* No host sends an error about an error (RFC 1122, 3.2.2). */
      if (kindAndReply === 0 || (words[l4]! & 0xff00) !== 0) {
        return false;
      }
      takeIdentifier(words, parsed, at, l4, kindAndReply);
      break;
    }
    default:
      parsed[at + ParsedWord.PORTS] = 0;
      break;
  }
  parsed[at + ParsedWord.SRC] = words[l3 + 4]!;
  parsed[at + ParsedWord.DST] = src;
  reverseRest(parsed, at);
  return true;
}

function parseIcmp6(words: Int32Array, parsed: Int32Array, at: number, l4: number, bytes: number): boolean {
  const first = words[l4]!;
  const type = first & 0xff;
  const kindAndReply = icmp6Meta(type);
  if (kindAndReply !== 0) {
    takeIdentifier(words, parsed, at, l4, kindAndReply);
    return (first & 0xff00) === 0;
  }
  return isIcmp6Error(type) && parseQuotedIpv6(words, parsed, at, l4 + 2, bytes - ICMP_HEADER_BYTES);
}

/** As parseQuotedIpv4, but the whole upper-layer header must be quoted (RFC 4443, 2.4: as much as fits). */
function parseQuotedIpv6(words: Int32Array, parsed: Int32Array, at: number, l3: number, bytes: number): boolean {
  if (bytes < IPV6_HEADER_BYTES) {
    return false;
  }
  const found = findTransport(words, l3 + 10, bytes - IPV6_HEADER_BYTES, (words[l3 + 1]! >>> 16) & 0xff);
  if (found < 0) {
    return false;
  }
  for (let i = 0; i < 4; i++) {
    if (words[l3 + 2 + i] !== parsed[at + ParsedWord.DST6 + i]) {
      return false;
    }
  }
  const protocol = found & 0xff;
  const skippedBytes = found >>> 8;
  const zone = parsed[at + ParsedWord.META]! & 0xffff0000;
  parsed[at + ParsedWord.META] = zone | (protocol << 8) | META_IPV6;
  const l4 = l3 + 10 + (skippedBytes >>> 2);
  const l4Bytes = bytes - IPV6_HEADER_BYTES - skippedBytes;
  switch (protocol) {
    case Protocol.TCP:
      if (l4Bytes < TCP_HEADER_BYTES || !takePorts(words, parsed, at, l4)) {
        return false;
      }
      break;
    case Protocol.UDP:
      if (l4Bytes < UDP_HEADER_BYTES || !takePorts(words, parsed, at, l4)) {
        return false;
      }
      break;
    case Protocol.SCTP:
      if (l4Bytes < SCTP_HEADER_BYTES || !takePorts(words, parsed, at, l4)) {
        return false;
      }
      break;
    case Protocol.ICMPV6: {
      const kindAndReply = l4Bytes < ICMP_HEADER_BYTES ? 0 : icmp6Meta(words[l4]! & 0xff);
      if (kindAndReply === 0 || (words[l4]! & 0xff00) !== 0) {
        return false;
      }
      takeIdentifier(words, parsed, at, l4, kindAndReply);
      break;
    }
    default:
      parsed[at + ParsedWord.PORTS] = 0;
      break;
  }
  for (let i = 0; i < 4; i++) {
    parsed[at + ParsedWord.SRC6 + i] = words[l3 + 6 + i]!;
    parsed[at + ParsedWord.DST6 + i] = words[l3 + 2 + i]!;
  }
  reverseRest(parsed, at);
  return true;
}

/** Reverses ports and ICMP direction of a quoted packet's key, and marks the packet as related. */
function reverseRest(parsed: Int32Array, at: number): void {
  parsed[at + ParsedWord.PORTS] = swapPorts(parsed[at + ParsedWord.PORTS]!);
  parsed[at + ParsedWord.META] = reverseMeta(parsed[at + ParsedWord.META]!);
  parsed[at + ParsedWord.RELATED] = 1;
}
