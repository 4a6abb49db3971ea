/** The fast path of parsing: plain UDP and TCP packets. All others go through parse.ts. */

import { foldSum, halves } from './checksum.ts';
import {
  ETHERNET_HEADER_BYTES,
  ETHERTYPE_IPV4,
  IPV4_FRAGMENT,
  IPV4_HEADER_BYTES,
  TCP_HEADER_BYTES,
  UDP_HEADER_BYTES,
} from './headers.ts';
import { ParsedKind, ParsedWord } from './key.ts';
import { ChecksumBit, FRAME_SHIFT_BYTES, PacketWord, Protocol } from './layout.ts';

/** Words from a packet to the network header of a frame without tags. */
export const PLAIN_L3: number = PacketWord.FRAME + (FRAME_SHIFT_BYTES + ETHERNET_HEADER_BYTES) / 4;

/** Open vSwitch cannot express more padding than this. */
export const MAX_PADDING_BYTES = 0xffff;

/** Version 4 and a header of five words. */
const IPV4_PLAIN = 0x45;

/** Result of parsePlain: the packet is not plain. */
export const NOT_PLAIN = -1;

/**
 * The common case without branches for anything else: no tags, IPv4 without options, no fragment, and UDP or TCP with a
 * transport checksum that needs no verification. Its results equal those of parseAny, as a test checks. It exists for
 * speed.
 */
export function parsePlain(words: Int32Array, slot: number, parsed: Int32Array, at: number, zone: number): number {
  const l3 = slot + PLAIN_L3;
  const left = words[slot + PacketWord.LENGTH]! - ETHERNET_HEADER_BYTES;
  if (
    left < IPV4_HEADER_BYTES + 8 ||
    words[l3 - 1]! >>> 16 !== ETHERTYPE_IPV4 ||
    (words[l3]! & 0xff) !== IPV4_PLAIN ||
    left > MAX_PADDING_BYTES
  ) {
    return NOT_PLAIN;
  }
  const first = words[l3]!;
  const second = words[l3 + 1]!;
  const third = words[l3 + 2]!;
  const protocol = (third >>> 8) & 0xff;
  const l4 = l3 + 5;
  const l4Bytes = (((first >>> 8) & 0xff00) | (first >>> 24)) - IPV4_HEADER_BYTES;
  const checksums = words[slot + PacketWord.CHECKSUMS]!;
  if (
    (second & IPV4_FRAGMENT) !== 0 ||
    l4Bytes > left - IPV4_HEADER_BYTES ||
    (checksums & (ChecksumBit.IP_BAD | ChecksumBit.L4_BAD)) !== 0
  ) {
    return NOT_PLAIN;
  }
  if (!isPlainTransport(words, l4, l4Bytes, protocol, checksums)) {
    return NOT_PLAIN;
  }
  const ports = words[l4]!;
  const src = words[l3 + 3]!;
  const dst = words[l3 + 4]!;
  if ((checksums & ChecksumBit.IP_GOOD) === 0) {
    const sum = halves(first) + halves(second) + halves(third) + halves(src) + halves(dst);
    if (foldSum(sum) !== 0xffff) {
      return NOT_PLAIN;
    }
    words[slot + PacketWord.CHECKSUMS] = checksums | ChecksumBit.IP_GOOD;
  }
  parsed[at + ParsedWord.L4] = l4;
  parsed[at + ParsedWord.L4_BYTES] = l4Bytes;
  parsed[at + ParsedWord.RELATED] = 0;
  parsed[at + ParsedWord.META] = (zone << 16) | (protocol << 8);
  parsed[at + ParsedWord.PORTS] = ports;
  parsed[at + ParsedWord.SRC] = src;
  parsed[at + ParsedWord.DST] = dst;
  return (ports & 0xffff) !== 0 && ports >>> 16 !== 0 ? ParsedKind.KEYED : ParsedKind.INVALID;
}

/** Is this UDP or TCP with correct lengths, and a checksum that is absent or known to be good? */
function isPlainTransport(
  words: Int32Array,
  l4: number,
  l4Bytes: number,
  protocol: number,
  checksums: number,
): boolean {
  if (protocol === Protocol.UDP) {
    const lengthAndChecksum = words[l4 + 1]!;
    const udpBytes = ((lengthAndChecksum << 8) & 0xff00) | ((lengthAndChecksum >>> 8) & 0xff);
    return (
      udpBytes >= UDP_HEADER_BYTES &&
      udpBytes <= l4Bytes &&
      (lengthAndChecksum >>> 16 === 0 || (checksums & ChecksumBit.L4_GOOD) !== 0)
    );
  }
  if (protocol !== Protocol.TCP || l4Bytes < TCP_HEADER_BYTES || (checksums & ChecksumBit.L4_GOOD) === 0) {
    return false;
  }
  const headerBytes = ((words[l4 + 3]! >>> 4) & 0xf) << 2;
  return headerBytes >= TCP_HEADER_BYTES && headerBytes <= l4Bytes;
}
