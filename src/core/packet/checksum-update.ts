/**
 * Checksums updated by the difference when a field of a packet is replaced (RFC 1624, equation 3).
 *
 * Everything is read and written as words in memory order: a one's complement sum does not depend on byte order. An updated
 * checksum equals a sum over the whole packet, even if 0xffff stood where 0 was meant. (Only a change from all ones to all
 * zeros would keep that.) In UDP, 0 means no checksum, so 0xffff is sent in its place (RFC 768).
 *
 * A difference is the sum of the new halves and of the complements of the old ones, not folded.
 */

import { foldSum } from './checksum.ts';

/** The change of a sum over a word when the word is replaced. */
export function difference(from: number, to: number): number {
  return (to & 0xffff) + (to >>> 16) + (~from & 0xffff) + (~from >>> 16);
}

/** The checksum after its data have changed by a difference. */
export function updated(checksum: number, change: number): number {
  return ~foldSum((~checksum & 0xffff) + change) & 0xffff;
}

/** Updates the checksum in the upper half of a word. */
export function updateUpper(words: Int32Array, at: number, change: number): void {
  const word = words[at]!;
  words[at] = (word & 0xffff) | (updated(word >>> 16, change) << 16);
}

/** Updates the checksum in a UDP header. */
export function updateUdp(words: Int32Array, l4: number, change: number): void {
  const word = words[l4 + 1]!;
  const checksum = word >>> 16;
  if (checksum !== 0) {
    words[l4 + 1] = (word & 0xffff) | ((updated(checksum, change) || 0xffff) << 16);
  }
}

/** Updates the checksum in a TCP header. */
export function updateTcp(words: Int32Array, l4: number, change: number): void {
  const word = words[l4 + 4]!;
  words[l4 + 4] = (word & 0xffff0000) | updated(word & 0xffff, change);
}

/** Sets the identifier of an ICMP message that has one. */
export function setIdentifier(words: Int32Array, l4: number, identifier: number): void {
  const second = words[l4 + 1]!;
  if ((second & 0xffff) !== identifier) {
    words[l4 + 1] = (second & 0xffff0000) | identifier;
    updateUpper(words, l4, difference(second, words[l4 + 1]!));
  }
}

/** Replaces the IPv6 address at `addressAt` by the one at `from[at...]`. @returns the difference */
export function replaceIpv6Address(words: Int32Array, addressAt: number, from: Int32Array, at: number): number {
  let change = 0;
  for (let i = 0; i < 4; i++) {
    change += difference(words[addressAt + i]!, from[at + i]!);
    words[addressAt + i] = from[at + i]!;
  }
  return change;
}
