/**
 * Builds the whole packet of a complete list, and copies the verdict and the changes back into the fragments. The
 * thread that completed the list owns it meanwhile, so this code needs no mutex.
 */

import { copyWords } from '../../shared/memory/word-runs.ts';
import type { Words } from '../../shared/access.ts';
import { foldSum, sumWords } from '../packet/checksum.ts';
import { findTransport } from '../packet/extension-headers.ts';
import { META_IPV6 } from '../packet/key.ts';
import { ChecksumBit, FRAME_SHIFT_BYTES, PACKET_HEADER_WORDS, PacketWord, swapHalf } from '../packet/layout.ts';
import { REMEMBERED_MASK } from '../packet/reason.ts';
import { fragmentAt, FragmentWord, listAt, ListWord } from './region.ts';
import { copyFrame, type FragmentStore, frameWordAt } from './store.ts';

/** "More fragments" in the second word of an IPv4 header. */
const IPV4_MORE_FRAGMENTS = 0x00200000;
const IPV6_HEADER_WORDS = 10;

/**
 * Builds the whole packet in `store.whole`: metadata, link and network headers of the first fragment, and the payloads
 * of all. IPv6 extension headers are left out: Open vSwitch ignores them in a reassembled packet, so neither the
 * transport checksum nor a translation may depend on them.
 */
export function buildWhole(store: FragmentStore, list: number): void {
  const { words, whole } = store;
  const isIpv6 = (words[listAt(list) + ListWord.META]! & META_IPV6) !== 0;
  const first = words[listAt(list) + ListWord.FIRST]!;
  const f = fragmentAt(first);
  copyWords(words, f + FragmentWord.HEADER, whole, 0, PACKET_HEADER_WORDS);
  const l3 = words[f + FragmentWord.L3]!;
  copyFrame(words, first, 0, words[f + FragmentWord.L4]! - PacketWord.FRAME, whole, PacketWord.FRAME);
  const protocol = isIpv6 ? upperProtocol(whole, l3, words, f) : 0;

  /* Offsets are multiples of 8: every part but the last fills its words. */
  const l4 = wholeTransport(words, f, isIpv6);
  let end = l4;
  let payloadBytes = 0;
  for (let fragment = first; fragment !== 0; ) {
    const each = fragmentAt(fragment);
    const bytes = words[each + FragmentWord.L4_BYTES]!;
    const from = words[each + FragmentWord.L4]! - PacketWord.FRAME;
    copyFrame(words, fragment, from, (bytes + 3) >> 2, whole, end);
    payloadBytes += bytes;
    end += bytes >> 2;
    fragment = words[each + FragmentWord.NEXT]!;
  }

  const headerBytes = (l4 - l3) * 4;
  whole[PacketWord.ROOM] = 0;
  whole[PacketWord.LENGTH] = (l4 - PacketWord.FRAME) * 4 - FRAME_SHIFT_BYTES + payloadBytes;
  if (isIpv6) {
    whole[l3 + 1] = (whole[l3 + 1]! & 0xff000000) | (protocol << 16) | swapHalf(payloadBytes);
  } else {
    const length = swapHalf(headerBytes + payloadBytes);
    whole[l3] = (whole[l3]! & 0xffff) | (length << 16);
    whole[l3 + 1]! &= ~IPV4_MORE_FRAGMENTS;
    whole[l3 + 2] = (whole[l3 + 2]! & 0xffff) | (headerChecksum(whole, l3, headerBytes) << 16);
    whole[PacketWord.CHECKSUMS]! |= ChecksumBit.IP_GOOD;
  }
}

/** Word offset of the transport header of the whole packet. */
function wholeTransport(words: Words, f: number, isIpv6: boolean): number {
  return isIpv6 ? words[f + FragmentWord.L3]! + IPV6_HEADER_WORDS : words[f + FragmentWord.L4]!;
}

/** The protocol behind the extension headers of the first fragment. Its headers stand in `whole`. */
function upperProtocol(whole: Words, l3: number, words: Words, f: number): number {
  const header = words[f + FragmentWord.FRAGMENT_HEADER]!;
  const bytes = (words[f + FragmentWord.L4]! - l3 - IPV6_HEADER_WORDS) * 4;
  whole[header]! &= 0xffff;
  const found = findTransport(whole, l3 + IPV6_HEADER_WORDS, bytes, (whole[l3 + 1]! >>> 16) & 0xff);
  return found < 0 ? whole[header]! & 0xff : found & 0xff;
}

/** The checksum of an IPv4 header in memory order, whatever its checksum field contains. */
function headerChecksum(words: Int32Array, l3: number, headerBytes: number): number {
  const field = words[l3 + 2]! >>> 16;
  /* Adding its complement removes the field's own value from the sum. */
  return ~foldSum(sumWords(words, l3, headerBytes, 0) + (~field & 0xffff)) & 0xffff;
}

/**
 * Copies the verdict and the addresses of the whole packet to the fragments of a list, and the payload to the first
 * one.
 */
export function spreadVerdict(store: FragmentStore, list: number): void {
  const { words, whole } = store;
  const l = listAt(list);
  const isIpv6 = (words[l + ListWord.META]! & META_IPV6) !== 0;
  const first = words[l + ListWord.FIRST]!;
  const f0 = fragmentAt(first);
  const l3 = words[f0 + FragmentWord.L3]!;
  const l4 = words[f0 + FragmentWord.L4]! - PacketWord.FRAME;
  putBytes(words, first, l4, words[f0 + FragmentWord.L4_BYTES]!, whole, wholeTransport(words, f0, isIpv6));
  for (let fragment = first; fragment !== 0; ) {
    const f = fragmentAt(fragment);
    const header = f + FragmentWord.HEADER;
    /* State, zone, mark, label and tuple. Each fragment keeps its remembered connection and its checksum verdicts. */
    copyWords(whole, PacketWord.STATE, words, header + PacketWord.STATE, PacketWord.CONN - PacketWord.STATE);
    copyWords(
      whole,
      PacketWord.ORIG_PROTOCOL,
      words,
      header + PacketWord.ORIG_PROTOCOL,
      PacketWord.NOW - PacketWord.ORIG_PROTOCOL,
    );
    /* The reason is that of the whole. The remembered bits in the same word are the fragment's own. */
    words[header + PacketWord.REASON] =
      (words[header + PacketWord.REASON]! & REMEMBERED_MASK) | (whole[PacketWord.REASON]! & ~REMEMBERED_MASK);
    words[header + PacketWord.RELEASED_BY] = words[l + ListWord.COMPLETED_BY]!;
    const own = words[f + FragmentWord.L3]! - PacketWord.FRAME;
    if (isIpv6) {
      for (let i = 2; i < 10; i++) {
        words[frameWordAt(words, fragment, own + i)] = whole[l3 + i]!;
      }
    } else {
      putIpv4Addresses(
        words,
        fragment,
        own,
        (words[f + FragmentWord.L4]! - words[f + FragmentWord.L3]!) * 4,
        whole,
        l3,
      );
    }
    fragment = words[f + FragmentWord.NEXT]!;
  }
}

function putIpv4Addresses(
  words: Words,
  fragment: number,
  own: number,
  headerBytes: number,
  whole: Words,
  l3: number,
): void {
  const src = frameWordAt(words, fragment, own + 3);
  const dst = frameWordAt(words, fragment, own + 4);
  if (words[src] === whole[l3 + 3] && words[dst] === whole[l3 + 4]) {
    return;
  }
  words[src] = whole[l3 + 3]!;
  words[dst] = whole[l3 + 4]!;
  /* Sum word by word, since a header may lie in two chunks. */
  const checksumAt = frameWordAt(words, fragment, own + 2);
  let sum = 0;
  for (let i = 0; i < headerBytes >> 2; i++) {
    const value = i === 2 ? words[checksumAt]! & 0xffff : words[frameWordAt(words, fragment, own + i)]!;
    sum += (value & 0xffff) + (value >>> 16);
  }
  words[checksumAt] = (words[checksumAt]! & 0xffff) | ((~foldSum(sum) & 0xffff) << 16);
}

/** Overwrites `bytes` bytes of a held frame, from its word `to` on. */
function putBytes(words: Words, fragment: number, to: number, bytes: number, from: Words, at: number): void {
  for (let i = 0; i < bytes >> 2; i++) {
    words[frameWordAt(words, fragment, to + i)] = from[at + i]!;
  }
  const rest = bytes & 3;
  if (rest !== 0) {
    const mask = (1 << (rest * 8)) - 1;
    const last = frameWordAt(words, fragment, to + (bytes >> 2));
    words[last] = (words[last]! & ~mask) | (from[at + (bytes >> 2)]! & mask);
  }
}
