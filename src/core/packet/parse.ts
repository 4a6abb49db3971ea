/**
 * From a frame to a key: link layer and network layer. Which fields are read, and which faults make a packet invalid,
 * follows Open vSwitch's userspace datapath (flow extraction and key extraction).
 */

import { foldSum, halves, sumWords } from './checksum.ts';
import { findFragment, findTransport } from './extension-headers.ts';
import {
  ETHERNET_HEADER_BYTES,
  ETHERTYPE_IPV4,
  ETHERTYPE_IPV6,
  ETHERTYPE_QINQ,
  ETHERTYPE_VLAN,
  IPV4_FRAGMENT,
  IPV4_FRAGMENT_OFFSET,
  IPV4_HEADER_BYTES,
  IPV6_HEADER_BYTES,
  LLC_SNAP,
  LLC_SNAP_BYTES,
  MAX_VLAN_TAGS,
} from './headers.ts';
import { META_IPV6, ParsedKind, ParsedWord } from './key.ts';
import { ChecksumBit, PacketWord, swapHalf } from './layout.ts';
import { MAX_PADDING_BYTES, NOT_PLAIN, parsePlain, PLAIN_L3 } from './parse-plain.ts';
import { parseTransport } from './transport.ts';

/** Values below are lengths of IEEE 802.3 frames (IEEE 802.3, 3.2.6). */
const ETHERTYPE_MIN = 0x600;

/**
 * Parses the packet at `slot` into `parsed[at...]`. Reads nothing behind the frame except the rest of its last word.
 * Writes checksum verdicts into the packet.
 * @returns a ParsedKind: KEYED; INVALID if the packet is `inv`; FRAGMENT if it is a fragment with correct headers
 */
export function parsePacket(words: Int32Array, slot: number, parsed: Int32Array, at: number, zone: number): number {
  const kind = parsePlain(words, slot, parsed, at, zone);
  if (kind !== NOT_PLAIN) {
    return kind;
  }
  parsed[at + ParsedWord.FRAGMENT_BITS] = 0;
  if (parseAny(words, slot, parsed, at, zone, true)) {
    return ParsedKind.KEYED;
  }
  return parsed[at + ParsedWord.FRAGMENT_BITS] === 0 ? ParsedKind.INVALID : ParsedKind.FRAGMENT;
}

/** Word index of the network header of the packet at `slot`, which has a key at `parsed[at...]`. */
export function networkHeaderOf(words: Int32Array, slot: number, parsed: Int32Array, at: number): number {
  const plain = slot + PLAIN_L3;
  return words[plain - 1]! >>> 16 === ETHERTYPE_IPV4 ? plain : parsed[at + ParsedWord.L3]!;
}

/**
 * Parses any frame.
 * @param stopsAtFragments true: fragments get no key, and the fields that reassembly needs are written. false:
 * fragments are judged by their headers, so a first fragment may have a key
 * @returns whether the packet has a key
 */
export function parseAny(
  words: Int32Array,
  slot: number,
  parsed: Int32Array,
  at: number,
  zone: number,
  stopsAtFragments = false,
): boolean {
  const frame = slot + PacketWord.FRAME;
  const length = words[slot + PacketWord.LENGTH]!;
  if (length < ETHERNET_HEADER_BYTES) {
    return false;
  }

  /* The upper half of this word is the EtherType. The network header follows it. */
  let typeWord = frame + 3;
  let etherType = words[typeWord]! >>> 16;
  let left = length - ETHERNET_HEADER_BYTES;
  if (etherType === ETHERTYPE_VLAN || etherType === ETHERTYPE_QINQ) {
    for (let tags = 0; tags < MAX_VLAN_TAGS && left >= 4; tags++) {
      typeWord++;
      left -= 4;
      etherType = words[typeWord]! >>> 16;
      if (etherType !== ETHERTYPE_VLAN && etherType !== ETHERTYPE_QINQ) {
        break;
      }
    }
  }
  let l3 = typeWord + 1;
  if (etherType !== ETHERTYPE_IPV4 && etherType !== ETHERTYPE_IPV6) {
    const typeOrLength = ((etherType & 0xff) << 8) | (etherType >>> 8);
    if (
      typeOrLength >= ETHERTYPE_MIN ||
      left < LLC_SNAP_BYTES ||
      words[l3] !== LLC_SNAP ||
      (words[l3 + 1]! & 0xffff) !== 0
    ) {
      return false;
    }
    etherType = words[l3 + 1]! >>> 16;
    l3 += 2;
    left -= LLC_SNAP_BYTES;
  }

  parsed[at + ParsedWord.L3] = l3;
  parsed[at + ParsedWord.RELATED] = 0;
  if (etherType === ETHERTYPE_IPV4) {
    return parseIpv4(words, slot, parsed, at, zone, l3, left, stopsAtFragments);
  }
  if (etherType === ETHERTYPE_IPV6) {
    return parseIpv6(words, slot, parsed, at, zone, l3, left, stopsAtFragments);
  }
  return false;
}

function parseIpv4(
  words: Int32Array,
  slot: number,
  parsed: Int32Array,
  at: number,
  zone: number,
  l3: number,
  left: number,
  stopsAtFragments: boolean,
): boolean {
  if (left < IPV4_HEADER_BYTES) {
    return false;
  }
  const first = words[l3]!;
  const headerBytes = (first & 0xf) << 2;
  const totalBytes = ((first >>> 8) & 0xff00) | (first >>> 24);
  if (
    headerBytes < IPV4_HEADER_BYTES ||
    totalBytes > left ||
    headerBytes > totalBytes ||
    left - totalBytes > MAX_PADDING_BYTES
  ) {
    return false;
  }
  const checksums = words[slot + PacketWord.CHECKSUMS]!;
  if ((checksums & ChecksumBit.IP_BAD) !== 0 || ((words[l3 + 1]! & IPV4_FRAGMENT_OFFSET) !== 0 && !stopsAtFragments)) {
    return false;
  }
  const src = words[l3 + 3]!;
  const dst = words[l3 + 4]!;
  if ((checksums & ChecksumBit.IP_GOOD) === 0) {
    let sum = halves(first) + halves(words[l3 + 1]!) + halves(words[l3 + 2]!) + halves(src) + halves(dst);
    if (headerBytes > IPV4_HEADER_BYTES) {
      sum = sumWords(words, l3 + 5, headerBytes - IPV4_HEADER_BYTES, sum);
    }
    if (foldSum(sum) !== 0xffff) {
      words[slot + PacketWord.CHECKSUMS] = checksums | ChecksumBit.IP_BAD;
      return false;
    }
    words[slot + PacketWord.CHECKSUMS] = checksums | ChecksumBit.IP_GOOD;
  }
  parsed[at + ParsedWord.META] = (zone << 16) | (words[l3 + 2]! & 0xff00);
  parsed[at + ParsedWord.SRC] = src;
  parsed[at + ParsedWord.DST] = dst;
  parsed[at + ParsedWord.L4] = l3 + (headerBytes >>> 2);
  parsed[at + ParsedWord.L4_BYTES] = totalBytes - headerBytes;
  if ((words[l3 + 1]! & IPV4_FRAGMENT) !== 0 && stopsAtFragments) {
    const flagsAndOffset = swapHalf(words[l3 + 1]! >>> 16);
    parsed[at + ParsedWord.FRAGMENT_BITS] = ((flagsAndOffset & 0x1fff) << 3) | ((flagsAndOffset >>> 13) & 1);
    parsed[at + ParsedWord.FRAGMENT_ID] = words[l3 + 1]! & 0xffff;
    return false;
  }
  return parseTransport(words, slot, parsed, at);
}

function parseIpv6(
  words: Int32Array,
  slot: number,
  parsed: Int32Array,
  at: number,
  zone: number,
  l3: number,
  left: number,
  stopsAtFragments: boolean,
): boolean {
  if (left < IPV6_HEADER_BYTES) {
    return false;
  }
  const second = words[l3 + 1]!;
  const payloadBytes = ((second << 8) & 0xff00) | ((second >>> 8) & 0xff);
  if (IPV6_HEADER_BYTES + payloadBytes > left || left - IPV6_HEADER_BYTES - payloadBytes > MAX_PADDING_BYTES) {
    return false;
  }
  const found = findTransport(words, l3 + 10, payloadBytes, (second >>> 16) & 0xff);
  if (found < 0) {
    if (stopsAtFragments) {
      parseIpv6Fragment(words, parsed, at, zone, l3, payloadBytes);
    }
    return false;
  }
  const skippedBytes = found >>> 8;
  parsed[at + ParsedWord.META] = (zone << 16) | ((found & 0xff) << 8) | 1;
  for (let i = 0; i < 8; i++) {
    parsed[at + ParsedWord.SRC6 + i] = words[l3 + 2 + i]!;
  }
  parsed[at + ParsedWord.L4] = l3 + 10 + (skippedBytes >>> 2);
  parsed[at + ParsedWord.L4_BYTES] = payloadBytes - skippedBytes;
  return parseTransport(words, slot, parsed, at);
}

/** Writes the fields that reassembly needs, if this is an IPv6 fragment. */
function parseIpv6Fragment(
  words: Int32Array,
  parsed: Int32Array,
  at: number,
  zone: number,
  l3: number,
  payloadBytes: number,
): void {
  const found = findFragment(words, l3 + 10, payloadBytes, (words[l3 + 1]! >>> 16) & 0xff);
  if (found < 0) {
    return;
  }
  const skippedBytes = found >>> 16;
  const header = l3 + 10 + ((found & 0xffff) >>> 2);
  const offsetAndFlags = swapHalf(words[header]! >>> 16);
  /* Reserved bits do not make a packet a fragment. */
  parsed[at + ParsedWord.FRAGMENT_BITS] = offsetAndFlags & 0xfff9;
  parsed[at + ParsedWord.FRAGMENT_ID] = words[header + 1]!;
  parsed[at + ParsedWord.FRAGMENT_HEADER] = header;
  /* The protocol is not part of the key: it may differ between fragments of one datagram (RFC 8200, 4.5). */
  parsed[at + ParsedWord.META] = (zone << 16) | META_IPV6;
  for (let i = 0; i < 8; i++) {
    parsed[at + ParsedWord.SRC6 + i] = words[l3 + 2 + i]!;
  }
  parsed[at + ParsedWord.L4] = l3 + 10 + (skippedBytes >>> 2);
  parsed[at + ParsedWord.L4_BYTES] = payloadBytes - skippedBytes;
}
