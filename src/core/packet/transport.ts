/**
 * From the transport header to a key. ICMP goes on in icmp.ts.
 *
 * A checksum is verified unless the packet's metadata says that it is good. The packet remembers the result for TCP,
 * UDP and SCTP, but not for ICMP.
 */

import { foldSum, halves, isSumRight, pseudoHeaderSum, sctpChecksum, sumWords } from './checksum.ts';
import { ICMP_HEADER_BYTES, SCTP_HEADER_BYTES, TCP_HEADER_BYTES, UDP_HEADER_BYTES } from './headers.ts';
import { parseIcmp, parseIcmp6 } from './icmp.ts';
import { META_IPV6, ParsedWord, takePorts } from './key.ts';
import { ChecksumBit, PacketWord, Protocol } from './layout.ts';

const SCTP_CHUNK_HEADER_BYTES = 4;

/**
 * Completes the key of a packet. Its network layer is parsed: META, addresses, L4 and L4_BYTES stand in `parsed`.
 * @returns whether the packet has a key
 */
export function parseTransport(words: Int32Array, slot: number, parsed: Int32Array, at: number): boolean {
  if ((words[slot + PacketWord.CHECKSUMS]! & ChecksumBit.L4_BAD) !== 0) {
    return false;
  }
  const meta = parsed[at + ParsedWord.META]!;
  const l4 = parsed[at + ParsedWord.L4]!;
  const bytes = parsed[at + ParsedWord.L4_BYTES]!;
  switch ((meta >>> 8) & 0xff) {
    case Protocol.TCP:
      return isTcpRight(words, slot, parsed, at) && takePorts(words, parsed, at, l4);
    case Protocol.UDP:
      return isUdpRight(words, slot, parsed, at) && takePorts(words, parsed, at, l4);
    case Protocol.SCTP:
      return isSctpRight(words, slot, l4, bytes) && takePorts(words, parsed, at, l4);
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

/** Are header length and checksum of a TCP segment right? */
function isTcpRight(words: Int32Array, slot: number, parsed: Int32Array, at: number): boolean {
  const bytes = parsed[at + ParsedWord.L4_BYTES]!;
  if (bytes < TCP_HEADER_BYTES) {
    return false;
  }
  const headerBytes = ((words[parsed[at + ParsedWord.L4]! + 3]! >>> 4) & 0xf) << 2;
  return headerBytes >= TCP_HEADER_BYTES && headerBytes <= bytes && verify(words, slot, parsed, at);
}

/** Are length and checksum of a UDP datagram right? */
function isUdpRight(words: Int32Array, slot: number, parsed: Int32Array, at: number): boolean {
  const bytes = parsed[at + ParsedWord.L4_BYTES]!;
  if (bytes < UDP_HEADER_BYTES) {
    return false;
  }
  const second = words[parsed[at + ParsedWord.L4]! + 1]!;
  const udpBytes = ((second << 8) & 0xff00) | ((second >>> 8) & 0xff);
  if (udpBytes < UDP_HEADER_BYTES || udpBytes > bytes) {
    return false;
  }
  /* A checksum of 0 means none (RFC 768). IPv6 forbids that (RFC 8200). */
  const hasChecksum = second >>> 16 !== 0 || (parsed[at + ParsedWord.META]! & META_IPV6) !== 0;
  return !hasChecksum || verify(words, slot, parsed, at);
}

/** Are chunks and checksum of an SCTP packet right? The packet remembers the checksum's result. */
function isSctpRight(words: Int32Array, slot: number, l4: number, bytes: number): boolean {
  if (!areSctpChunksWhole(words, l4, bytes)) {
    return false;
  }
  const checksums = words[slot + PacketWord.CHECKSUMS]!;
  if ((checksums & ChecksumBit.L4_GOOD) !== 0) {
    return true;
  }
  const isRight = sctpChecksum(words, l4, bytes) === words[l4 + 2];
  words[slot + PacketWord.CHECKSUMS] = checksums | (isRight ? ChecksumBit.L4_GOOD : ChecksumBit.L4_BAD);
  return isRight;
}

/** Notes a wrong ICMP checksum, which the verdict counts. */
function noteIcmpSum(parsed: Int32Array, at: number, isRight: boolean): boolean {
  parsed[at + ParsedWord.BAD_ICMP_SUM] = isRight ? 0 : 1;
  return isRight;
}

/** Verifies a TCP or UDP checksum that is not known to be good. The packet remembers the result. */
function verify(words: Int32Array, slot: number, parsed: Int32Array, at: number): boolean {
  const checksums = words[slot + PacketWord.CHECKSUMS]!;
  if ((checksums & ChecksumBit.L4_GOOD) !== 0) {
    return true;
  }
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
