/**
 * Checksums of packets whose IP version nibble contradicts their EtherType.
 *
 * The tracker goes by the EtherType. Open vSwitch completes the checksum of a packet that it has changed by the nibble:
 * 4 means an IPv4 pseudo header, any other value an IPv6 one, read from where its fields would be. Recorded answers
 * have it so, and this code does the same.
 */

import { pseudoHeaderSum, sumWords } from './checksum.ts';
import { frameByteOffset, PacketWord, Protocol, swapHalf } from './layout.ts';

/** The bits of the version nibble in the first word of a network header, and their value for IPv4. */
const VERSION_MASK = 0xf0;
const VERSION_4 = 0x40;
/** Word offset of the addresses in an IPv6 header. */
const IPV6_ADDRESSES_AT = 2;
const IPV6_ADDRESSES_BYTES = 32;

/** Does the version nibble of the network header at word `l3` contradict the EtherType? */
export function hasOddVersion(words: Int32Array, l3: number, isIpv6: boolean): boolean {
  return ((words[l3]! & VERSION_MASK) === VERSION_4) === isIpv6;
}

/**
 * Computes the checksum of a TCP packet, or of a UDP packet that has one, by its version nibble. Everything else in the
 * packet must be final, the IPv4 header checksum too. Bytes behind the frame count as zeros.
 */
export function completeByNibble(
  words: Int32Array,
  slot: number,
  l3: number,
  l4: number,
  l4Bytes: number,
  protocol: number,
): void {
  if (protocol === Protocol.TCP) {
    const rest = words[l4 + 4]! & 0xffff0000;
    words[l4 + 4] = rest;
    words[l4 + 4] = rest | sumByNibble(words, slot, l3, l4, l4Bytes);
  } else if (protocol === Protocol.UDP && words[l4 + 1]! >>> 16 !== 0) {
    const rest = words[l4 + 1]! & 0xffff;
    words[l4 + 1] = rest;
    words[l4 + 1] = rest | ((sumByNibble(words, slot, l3, l4, l4Bytes) || 0xffff) << 16);
  }
}

function sumByNibble(words: Int32Array, slot: number, l3: number, l4: number, l4Bytes: number): number {
  const first = words[l3]!;
  let pseudo: number;
  if ((first & VERSION_MASK) === VERSION_4) {
    const bytes = (swapHalf(first >>> 16) - ((first & 0xf) << 2)) & 0xffff;
    pseudo = sumWords(words, l3 + 3, 8, pseudoHeaderSum((words[l3 + 2]! >>> 8) & 0xff, bytes));
  } else {
    const addresses = l3 + IPV6_ADDRESSES_AT;
    const left = frameByteOffset(slot) + words[slot + PacketWord.LENGTH]! - addresses * 4;
    const nextHeader = (words[l3 + 1]! >>> 16) & 0xff;
    pseudo = sumWords(words, addresses, Math.min(left, IPV6_ADDRESSES_BYTES), pseudoHeaderSum(nextHeader, l4Bytes));
  }
  return ~sumWords(words, l4, l4Bytes, pseudo) & 0xffff;
}
