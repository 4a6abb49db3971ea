/** Changes the payload of a TCP packet in place: replaces an address, shifts sequence numbers, updates checksums. */

import type { Words } from '../../shared/access.ts';
import { pseudoHeaderSum, sumWords } from '../packet/checksum.ts';
import { META_IPV6, ParsedWord } from '../packet/key.ts';
import { frameByteOffset, PacketWord, Protocol, swapHalf, swapWord } from '../packet/layout.ts';
import { completeByNibble, hasOddVersion } from '../packet/odd-version.ts';
import { networkHeaderOf } from '../packet/parse.ts';

const MAX_IP_BYTES = 65535;

/* Words of the TCP header. */
const SEQUENCE = 1;
const ACKNOWLEDGEMENT = 2;
const FLAGS = 3;
const CHECKSUM = 4;

/** The length of a TCP header, in bytes. Parsing has verified it. */
export function tcpHeaderBytes(words: Words, l4: number): number {
  return ((words[l4 + FLAGS]! >>> 4) & 0xf) << 2;
}

function getByte(words: Words, at: number): number {
  return words[at >>> 2]! >>> ((at & 3) << 3);
}

function putByte(words: Words, at: number, byte: number): void {
  const shift = (at & 3) << 3;
  words[at >>> 2] = (words[at >>> 2]! & ~(0xff << shift)) | ((byte & 0xff) << shift);
}

/**
 * Replaces `bytes` bytes of the payload of the TCP packet at `parsed[at...]`, from payload byte `offset` on, by
 * `text[0...textBytes)`, and updates the lengths in its headers. `finishTcp` computes the TCP checksum.
 * @returns the packet's growth in bytes; NO_SPACE: it does not fit, nothing has changed
 */
export function replaceInPayload(
  words: Words,
  slot: number,
  parsed: Int32Array,
  at: number,
  offset: number,
  bytes: number,
  text: Uint8Array,
  textBytes: number,
): number {
  const l3 = networkHeaderOf(words, slot, parsed, at);
  const l4 = parsed[at + ParsedWord.L4]!;
  const growth = textBytes - bytes;
  const start = l4 * 4 + tcpHeaderBytes(words, l4) + offset;
  if (growth !== 0) {
    const length = words[slot + PacketWord.LENGTH]! + growth;
    const ipBytes = (l4 - l3) * 4 + parsed[at + ParsedWord.L4_BYTES]! + growth;
    if (length > words[slot + PacketWord.ROOM]! || ipBytes > MAX_IP_BYTES) {
      return NO_SPACE;
    }
    /* The padding behind the packet moves, too. */
    const end = frameByteOffset(slot) + words[slot + PacketWord.LENGTH]!;
    moveBytes(words, start + bytes, end, growth);
    words[slot + PacketWord.LENGTH] = length;
    parsed[at + ParsedWord.L4_BYTES]! += growth;
    setIpLength(words, l3, parsed[at + ParsedWord.META]!, ipBytes);
  }
  for (let i = 0; i < textBytes; i++) {
    putByte(words, start + i, text[i]!);
  }
  return growth;
}

/** Result of replaceInPayload that is no growth. */
export const NO_SPACE = 0x7fffffff;

/** Moves the bytes from `from` to `end` by `distance`. */
function moveBytes(words: Words, from: number, end: number, distance: number): void {
  if (distance > 0) {
    for (let i = end - 1; i >= from; i--) {
      putByte(words, i + distance, getByte(words, i));
    }
  } else {
    for (let i = from; i < end; i++) {
      putByte(words, i + distance, getByte(words, i));
    }
  }
}

function setIpLength(words: Words, l3: number, meta: number, ipBytes: number): void {
  if ((meta & META_IPV6) !== 0) {
    words[l3 + 1] = (words[l3 + 1]! & 0xffff0000) | swapHalf(ipBytes - 40);
    return;
  }
  words[l3] = (words[l3]! & 0xffff) | (swapHalf(ipBytes) << 16);
  const headerBytes = (words[l3]! & 0xf) << 2;
  words[l3 + 2] = words[l3 + 2]! & 0xffff;
  words[l3 + 2]! |= (~sumWords(words, l3, headerBytes, 0) & 0xffff) << 16;
}

/** Adds to the sequence number. */
export function shiftSequence(words: Words, l4: number, by: number): void {
  words[l4 + SEQUENCE] = swapWord((swapWord(words[l4 + SEQUENCE]!) + by) | 0);
}

/** Adds to the acknowledgement number. */
export function shiftAcknowledgement(words: Words, l4: number, by: number): void {
  words[l4 + ACKNOWLEDGEMENT] = swapWord((swapWord(words[l4 + ACKNOWLEDGEMENT]!) + by) | 0);
}

/** Computes the TCP checksum of the packet at `parsed[at...]` anew (RFC 9293, 3.1). */
export function finishTcp(words: Words, slot: number, parsed: Int32Array, at: number): void {
  const l3 = networkHeaderOf(words, slot, parsed, at);
  const l4 = parsed[at + ParsedWord.L4]!;
  const bytes = parsed[at + ParsedWord.L4_BYTES]!;
  const isIpv6 = (parsed[at + ParsedWord.META]! & META_IPV6) !== 0;
  if (hasOddVersion(words, l3, isIpv6)) {
    completeByNibble(words, slot, l3, l4, bytes, Protocol.TCP);
    return;
  }
  words[l4 + CHECKSUM] = words[l4 + CHECKSUM]! & 0xffff0000;
  /* Use the addresses in the header, which may have been translated since parsing. */
  const pseudo = pseudoHeaderSum(Protocol.TCP, bytes);
  const addresses = isIpv6 ? sumWords(words, l3 + 2, 32, pseudo) : sumWords(words, l3 + 3, 8, pseudo);
  words[l4 + CHECKSUM]! |= ~sumWords(words, l4, bytes, addresses) & 0xffff;
}
