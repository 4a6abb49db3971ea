/**
 * When a datagram is complete: which ends were seen, overlaps, gaps, and the size of the whole. As Open vSwitch
 * (lib/ipf.c), including the overlaps that it misses. All functions that read fragments need the region's mutex.
 */

import type { Words } from '../../shared/access.ts';
import { IPV6_HEADER_BYTES } from '../packet/headers.ts';
import { META_IPV6 } from '../packet/key.ts';
import { FRAME_SHIFT_BYTES, PacketWord } from '../packet/layout.ts';
import { fragmentAt, FragmentWord, listAt, ListState, ListWord } from './region.ts';

export const IPV6_FRAGMENT_HEADER_BYTES = 8;

/** The largest datagram with its link header. Open vSwitch uses the same limit for IPv6. */
const MAX_WHOLE_BYTES = 65_535;

/** The ListState after a fragment with these FRAGMENT_BITS (packet/key.ts). */
export function nextState(state: number, bits: number): number {
  const isFirst = bits === 1;
  const isLast = (bits & 1) === 0;
  switch (state) {
    case ListState.OTHER_SEEN:
      return isFirst ? ListState.FIRST_SEEN : isLast ? ListState.LAST_SEEN : state;
    case ListState.FIRST_SEEN:
      return isLast ? ListState.BOTH_SEEN : state;
    case ListState.LAST_SEEN:
      return isFirst ? ListState.BOTH_SEEN : state;
    default:
      return state;
  }
}

/**
 * Does the fragment begin or end inside another one of the list? A fragment that encloses another one is not noticed
 * here. Its list never becomes gapless, and expires.
 */
export function overlapsLocked(words: Words, list: number, start: number, end: number): boolean {
  for (let each = words[listAt(list) + ListWord.FIRST]!; each !== 0; ) {
    const f = fragmentAt(each);
    const from = words[f + FragmentWord.START]!;
    const to = words[f + FragmentWord.END]!;
    if ((start >= from && start <= to) || (end >= from && end <= to)) {
      return true;
    }
    each = words[f + FragmentWord.NEXT]!;
  }
  return false;
}

/** Does every fragment begin where the one before ends? */
export function isGaplessLocked(words: Words, list: number): boolean {
  let f = fragmentAt(words[listAt(list) + ListWord.FIRST]!);
  for (let next = words[f + FragmentWord.NEXT]!; next !== 0; next = words[f + FragmentWord.NEXT]!) {
    const end = words[f + FragmentWord.END]!;
    f = fragmentAt(next);
    if (end + 1 !== words[f + FragmentWord.START]) {
      return false;
    }
  }
  return true;
}

/** Is the whole datagram short enough, and do its headers fit? */
export function makesWholeLocked(words: Words, list: number): boolean {
  const first = fragmentAt(words[listAt(list) + ListWord.FIRST]!);
  const headerBytes = (words[first + FragmentWord.L4]! - PacketWord.FRAME) * 4 - FRAME_SHIFT_BYTES;
  let bytes = headerBytes + words[first + FragmentWord.L4_BYTES]!;
  let rest = 0;
  for (let each = words[first + FragmentWord.NEXT]!; each !== 0; ) {
    const f = fragmentAt(each);
    rest += words[f + FragmentWord.L4_BYTES]!;
    /* The end of a fragment that reaches beyond 2^16 has wrapped. */
    if (words[f + FragmentWord.START]! + words[f + FragmentWord.L4_BYTES]! > 0x10000) {
      return false;
    }
    each = words[f + FragmentWord.NEXT]!;
  }
  bytes += rest;
  if (bytes > MAX_WHOLE_BYTES) {
    return false;
  }
  if ((words[listAt(list) + ListWord.META]! & META_IPV6) === 0) {
    return true;
  }
  /* Open vSwitch subtracts the fragment header from the length, and then parses the extension headers again. */
  const extensionBytes = (words[first + FragmentWord.L4]! - words[first + FragmentWord.L3]!) * 4 - IPV6_HEADER_BYTES;
  return extensionBytes <= extensionBytes + words[first + FragmentWord.L4_BYTES]! - IPV6_FRAGMENT_HEADER_BYTES + rest;
}
