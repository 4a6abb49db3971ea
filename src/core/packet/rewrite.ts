/**
 * Replaces addresses and ports of a packet in place, and updates checksums by the difference (RFC 1624, equation 3).
 *
 * Everything is read and written as words in memory order: a one's complement sum does not depend on byte order. An
 * updated checksum equals a sum over the whole packet, even if 0xffff stood where 0 was meant. (Only a change from all
 * ones to all zeros would keep that.) In UDP, 0 means no checksum, so 0xffff is sent in its place (RFC 768).
 *
 * The packet was parsed: its headers are whole and in bounds. A difference is the sum of the new halves and of the
 * complements of the old ones, not folded.
 */

import { foldSum, pseudoHeaderSum, sctpChecksum, sumWords } from './checksum.ts';
import { Protocol } from './layout.ts';

const TCP_HEADER_BYTES = 20;
/** Bytes of a TCP header up to the end of its checksum. */
const TCP_CHECKSUM_END = 18;
const UDP_HEADER_BYTES = 8;
const ICMP_HEADER_BYTES = 8;
/** Bytes that every ICMPv6 header has. */
const ICMP6_COMMON_BYTES = 4;

/** The change of a sum over a word when the word is replaced. */
function difference(from: number, to: number): number {
  return (to & 0xffff) + (to >>> 16) + (~from & 0xffff) + (~from >>> 16);
}

/** The checksum after its data have changed by a difference. */
function updated(checksum: number, change: number): number {
  return ~foldSum((~checksum & 0xffff) + change) & 0xffff;
}

/** Updates the checksum in the upper half of a word. */
function updateUpper(words: Int32Array, at: number, change: number): void {
  const word = words[at]!;
  words[at] = (word & 0xffff) | (updated(word >>> 16, change) << 16);
}

/** Updates the checksum in a UDP header. */
function updateUdp(words: Int32Array, l4: number, change: number): void {
  const word = words[l4 + 1]!;
  const checksum = word >>> 16;
  if (checksum !== 0) {
    words[l4 + 1] = (word & 0xffff) | ((updated(checksum, change) || 0xffff) << 16);
  }
}

/** Updates the checksum in a TCP header. */
function updateTcp(words: Int32Array, l4: number, change: number): void {
  const word = words[l4 + 4]!;
  words[l4 + 4] = (word & 0xffff0000) | updated(word & 0xffff, change);
}

/** Replaces the address at word `addressAt` of the IPv4 header at word `l3`. */
export function rewriteIpv4Address(words: Int32Array, l3: number, addressAt: number, address: number): void {
  const change = difference(words[addressAt]!, address);
  words[addressAt] = address;
  updateUpper(words, l3 + 2, change);
}

/**
 * Replaces an address and the ports of TCP, UDP and SCTP. `ports` is as in a key: the source in the low half. An ICMP
 * message that has an identifier gets the upper half of `ports`.
 *
 * The header checksum of a packet that is nothing but a header is not updated: Open vSwitch leaves it alone.
 */
export function rewriteIpv4(
  words: Int32Array,
  l3: number,
  l4: number,
  l4Bytes: number,
  addressAt: number,
  address: number,
  ports: number,
): void {
  const before = words[addressAt]!;
  words[addressAt] = address;
  let change = difference(before, address);
  const third = words[l3 + 2]!;
  if (l4Bytes !== 0) {
    words[l3 + 2] = (third & 0xffff) | (updated(third >>> 16, change) << 16);
  }
  switch ((third >>> 8) & 0xff) {
    case Protocol.UDP:
      change += difference(words[l4]!, ports);
      words[l4] = ports;
      updateUdp(words, l4, change);
      break;
    case Protocol.TCP:
      change += difference(words[l4]!, ports);
      words[l4] = ports;
      updateTcp(words, l4, change);
      break;
    case Protocol.SCTP:
      words[l4] = ports;
      words[l4 + 2] = sctpChecksum(words, l4, l4Bytes);
      break;
    case Protocol.ICMP:
      setIdentifier(words, l4, ports >>> 16);
      break;
    default:
      break;
  }
}

/** Sets the identifier of an ICMP message that has one. */
function setIdentifier(words: Int32Array, l4: number, identifier: number): void {
  const second = words[l4 + 1]!;
  if ((second & 0xffff) !== identifier) {
    words[l4 + 1] = (second & 0xffff0000) | identifier;
    updateUpper(words, l4, difference(second, words[l4 + 1]!));
  }
}

/** Replaces the IPv6 address at `addressAt` by the one at `from[at...]`. @returns the difference */
function replaceIpv6Address(words: Int32Array, addressAt: number, from: Int32Array, at: number): number {
  let change = 0;
  for (let i = 0; i < 4; i++) {
    change += difference(words[addressAt + i]!, from[at + i]!);
    words[addressAt + i] = from[at + i]!;
  }
  return change;
}

/**
 * Replaces the address of an ICMPv6 error about a connection of this protocol. rewriteQuotedIpv6 completes the
 * checksum.
 *
 * Open vSwitch also updates the word that would be the checksum of the connection's protocol, although the packet is
 * ICMPv6. In an error about TCP that word is part of the quoted packet's source address. In an error about UDP it is
 * the parameter of the error (RFC 4443: MTU, pointer), unless that is 0. Recorded answers have it so, and this code
 * does the same.
 */
export function rewriteIpv6Error(
  words: Int32Array,
  icmp: number,
  icmpBytes: number,
  protocol: number,
  addressAt: number,
  from: Int32Array,
  at: number,
): void {
  const change = replaceIpv6Address(words, addressAt, from, at);
  if (protocol === Protocol.TCP && icmpBytes >= TCP_HEADER_BYTES) {
    updateTcp(words, icmp, change);
  } else if (protocol === Protocol.UDP) {
    updateUdp(words, icmp, change);
  }
}

/**
 * As rewriteIpv4, with a new address of four words at `from[at...]`.
 *
 * Behind extension headers Open vSwitch computes the checksums of TCP and UDP anew. Its pseudo header then has the
 * number of the first extension header instead of the protocol's (RFC 8200, 8.1 asks for the latter). This code does
 * the same, but not for packets put together from fragments.
 * @param isPlain there are no extension headers, or they do not matter
 */
export function rewriteIpv6(
  words: Int32Array,
  l3: number,
  l4: number,
  l4Bytes: number,
  protocol: number,
  addressAt: number,
  from: Int32Array,
  at: number,
  ports: number,
  isPlain: boolean,
): void {
  const change = replaceIpv6Address(words, addressAt, from, at);
  switch (protocol) {
    case Protocol.UDP: {
      const before = words[l4]!;
      words[l4] = ports;
      if (isPlain) {
        updateUdp(words, l4, change + difference(before, ports));
      } else if (words[l4 + 1]! >>> 16 !== 0) {
        const rest = words[l4 + 1]! & 0xffff;
        words[l4 + 1] = rest;
        words[l4 + 1] = rest | ((checksumBehindExtensions(words, l3, l4, l4Bytes) || 0xffff) << 16);
      }
      break;
    }
    case Protocol.TCP: {
      const before = words[l4]!;
      words[l4] = ports;
      if (isPlain) {
        updateTcp(words, l4, change + difference(before, ports));
      } else {
        const rest = words[l4 + 4]! & 0xffff0000;
        words[l4 + 4] = rest;
        words[l4 + 4] = rest | checksumBehindExtensions(words, l3, l4, l4Bytes);
      }
      break;
    }
    case Protocol.SCTP:
      words[l4] = ports;
      words[l4 + 2] = sctpChecksum(words, l4, l4Bytes);
      break;
    case Protocol.ICMPV6:
      updateUpper(words, l4, change);
      break;
    default:
      break;
  }
}

function checksumBehindExtensions(words: Int32Array, l3: number, l4: number, l4Bytes: number): number {
  const nextHeader = (words[l3 + 1]! >>> 16) & 0xff;
  const pseudo = sumWords(words, l3 + 2, 32, pseudoHeaderSum(nextHeader, l4Bytes));
  return ~sumWords(words, l4, l4Bytes, pseudo) & 0xffff;
}

/**
 * Rewrites the packet that an ICMP error quotes. The quoted packet may be cut off after 8 bytes of its transport
 * header. Its checksums may be wrong; they stay as wrong as they were. The checksum of the error itself is computed
 * anew.
 */
export function rewriteQuotedIpv4(
  words: Int32Array,
  icmp: number,
  icmpBytes: number,
  isSource: boolean,
  address: number,
  ports: number,
): void {
  const l3 = icmp + 2;
  const headerBytes = (words[l3]! & 0xf) << 2;
  const l4 = l3 + (headerBytes >>> 2);
  const l4Bytes = icmpBytes - ICMP_HEADER_BYTES - headerBytes;
  const addressAt = l3 + (isSource ? 3 : 4);
  const change = difference(words[addressAt]!, address);
  words[addressAt] = address;
  updateUpper(words, l3 + 2, change);
  const protocol = (words[l3 + 2]! >>> 8) & 0xff;
  if (protocol === Protocol.ICMP) {
    setIdentifier(words, l4, ports >>> 16);
  } else {
    rewriteQuotedPorts(words, l4, l4Bytes, protocol, change, ports);
  }
  const first = words[icmp]! & 0xffff;
  words[icmp] = first;
  words[icmp] = first | ((~sumWords(words, icmp, icmpBytes, 0) & 0xffff) << 16);
}

function rewriteQuotedPorts(
  words: Int32Array,
  l4: number,
  l4Bytes: number,
  protocol: number,
  addressChange: number,
  ports: number,
): void {
  if (protocol === Protocol.TCP) {
    const portsChange = difference(words[l4]!, ports);
    words[l4] = ports;
    if (l4Bytes >= TCP_HEADER_BYTES) {
      updateTcp(words, l4, addressChange + portsChange);
    } else if (l4Bytes >= TCP_CHECKSUM_END) {
      updateTcp(words, l4, portsChange);
    }
  } else if (protocol === Protocol.UDP && l4Bytes >= UDP_HEADER_BYTES) {
    const change = addressChange + difference(words[l4]!, ports);
    words[l4] = ports;
    updateUdp(words, l4, change);
  } else if (protocol === Protocol.SCTP) {
    rewriteQuotedSctp(words, l4, l4Bytes, ports);
  }
}

/** Updates the part of the checksum that was quoted, by the change of the CRC over the quoted bytes. */
function rewriteQuotedSctp(words: Int32Array, l4: number, l4Bytes: number, ports: number): void {
  const before = sctpChecksum(words, l4, l4Bytes);
  words[l4] = ports;
  const change = before ^ sctpChecksum(words, l4, l4Bytes);
  const present = l4Bytes - 8;
  if (present > 0) {
    words[l4 + 2] = words[l4 + 2]! ^ (present >= 4 ? change : change & ((1 << (present * 8)) - 1));
  }
}

/**
 * As rewriteQuotedIpv4. The quoted transport header starts at word `quotedL4`; the new address stands at `from[at...]`.
 */
export function rewriteQuotedIpv6(
  words: Int32Array,
  l3: number,
  icmp: number,
  icmpBytes: number,
  quotedL4: number,
  protocol: number,
  isSource: boolean,
  from: Int32Array,
  at: number,
  ports: number,
): void {
  const quotedL3 = icmp + 2;
  const change = replaceIpv6Address(words, quotedL3 + (isSource ? 2 : 6), from, at);
  const l4Bytes = icmpBytes - (quotedL4 - icmp) * 4;
  if (protocol === Protocol.ICMPV6) {
    if (l4Bytes >= ICMP6_COMMON_BYTES) {
      updateUpper(words, quotedL4, change);
    }
  } else {
    rewriteQuotedPorts(words, quotedL4, l4Bytes, protocol, change, ports);
  }
  const first = words[icmp]! & 0xffff;
  words[icmp] = first;
  const pseudo = sumWords(words, l3 + 2, 32, pseudoHeaderSum(Protocol.ICMPV6, icmpBytes));
  words[icmp] = first | ((~sumWords(words, icmp, icmpBytes, pseudo) & 0xffff) << 16);
}
