/**
 * Replaces addresses and ports of a packet in place, with its checksums (checksum-update.ts). The packet was parsed: its
 * headers are whole and in bounds. rewrite-quoted.ts does the same in the packet that an ICMP error quotes.
 */

import {
  difference,
  replaceIpv6Address,
  setIdentifier,
  updated,
  updateTcp,
  updateUdp,
  updateUpper,
} from './checksum-update.ts';
import { pseudoHeaderSum, sctpChecksum, sumWords } from './checksum.ts';
import { TCP_HEADER_BYTES } from './headers.ts';
import { Protocol } from './layout.ts';

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
