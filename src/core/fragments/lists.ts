/**
 * Lists of fragments: which fragments belong to one datagram, and when the datagram is complete. As Open vSwitch
 * (lib/ipf.c), including its 16-bit arithmetic and the overlaps that it misses.
 */

import { peek, type Words } from '../../shared/access.ts';
import { assertHeld } from '../../shared/sync/mutex.ts';
import { ParticipantWord } from '../../shared/memory/participant.ts';
import { SKEW_MS } from '../expiry/clock-bounds.ts';
import { hashIpv4, hashIpv6 } from '../packet/hash.ts';
import { META_IPV6, ParsedWord } from '../packet/key.ts';
import { FRAME_SHIFT_BYTES, PacketWord } from '../packet/layout.ts';
import {
  FAMILY_COUNTERS,
  fragmentAt,
  FragmentCounter,
  FragmentsWord,
  FragmentWord,
  LIST_HEADS,
  LIST_TIMEOUT_MS,
  listAt,
  ListState,
  ListWord,
  PURGE_AFTER_MS,
} from './region.ts';
import { dropFragmentLocked, type FragmentStore, freeListLocked, keepPacketLocked, takeListLocked } from './store.ts';

/** Results of holdFragmentLocked. A positive number is the list that the fragment completed. */
export const Hold = { HELD: 0, NOT_TAKEN: -1, INVALID: -2 } as const;

const IPV4_MAX_BYTES = 65_535;
const IPV4_MAX_HEADER_BYTES = 60;
/** The largest datagram with its link header. Open vSwitch uses the same limit for IPv6. */
const MAX_WHOLE_BYTES = 65_535;
const IPV6_FRAGMENT_HEADER_BYTES = 8;
const IPV6_HEADER_BYTES = 40;
const SIZE_STEP = 4;
const MAX_SIZE_IPV6 = 65_535;

export function countFragments(store: FragmentStore, meta: number, counter: number, by: number): void {
  store.counters[((meta & META_IPV6) !== 0 ? FAMILY_COUNTERS : 0) + counter]! += by;
}

/** The largest number of fragments in a list: the largest datagram in fragments of the smallest size. */
function maxListSize(words: Words, meta: number): number {
  if ((meta & META_IPV6) !== 0) {
    return MAX_SIZE_IPV6;
  }
  const smallest = (peek(words, FragmentsWord.V4_MIN_BYTES) >>> 0) - IPV4_MAX_HEADER_BYTES;
  return Math.ceil((IPV4_MAX_BYTES - IPV4_MAX_HEADER_BYTES) / smallest);
}

/**
 * Puts the fragment at `slot`, parsed at `parsed[at...]`, into its list.
 * @returns a Hold, or the number of the list that this fragment completed
 */
export function holdFragmentLocked(store: FragmentStore, packet: Words, slot: number, at: number, now: number): number {
  const { parsed, words } = store;
  assertHeld(words, FragmentsWord.MUTEX);
  if (words[FragmentsWord.HELD]! >= peek(words, FragmentsWord.MAX_HELD)) {
    return Hold.NOT_TAKEN;
  }
  const meta = parsed[at + ParsedWord.META]!;
  const hash = hashOf(store, at);
  let list = findListLocked(store, at, hash);
  if (list !== 0) {
    const l = listAt(list);
    const state = words[l + ListWord.STATE]!;
    if (state === ListState.COMPLETED || state === ListState.FAILED) {
      return Hold.NOT_TAKEN;
    }
    if (words[l + ListWord.COUNT]! >= words[l + ListWord.SIZE]!) {
      const more = Math.min(SIZE_STEP, maxListSize(words, meta) - words[l + ListWord.SIZE]!);
      if (more <= 0) {
        return Hold.NOT_TAKEN;
      }
      words[l + ListWord.SIZE]! += more;
    }
  }

  const bits = parsed[at + ParsedWord.FRAGMENT_BITS]!;
  const bytes = parsed[at + ParsedWord.L4_BYTES]!;
  const start = ((bits & ~1) + ((meta & META_IPV6) !== 0 ? IPV6_FRAGMENT_HEADER_BYTES : 0)) & 0xffff;
  const end = (start + bytes - 1) & 0xffff;
  if (list !== 0 && overlapsLocked(words, list, start, end)) {
    countFragments(store, meta, FragmentCounter.overlap, 1);
    return Hold.INVALID;
  }

  const fragment = keepPacketLocked(words, packet, slot);
  if (fragment === 0) {
    return Hold.NOT_TAKEN;
  }
  const f = fragmentAt(fragment);
  words[f + FragmentWord.START] = start;
  words[f + FragmentWord.END] = end;
  words[f + FragmentWord.L3] = parsed[at + ParsedWord.L3]! - slot;
  words[f + FragmentWord.L4] = parsed[at + ParsedWord.L4]! - slot;
  words[f + FragmentWord.L4_BYTES] = bytes;
  words[f + FragmentWord.FRAGMENT_HEADER] = parsed[at + ParsedWord.FRAGMENT_HEADER]! - slot;
  words[f + FragmentWord.ORIGIN_OWNER] = store.participant.id;
  words[f + FragmentWord.ORIGIN_BATCH] = store.participant.words[store.participant.base + ParticipantWord.BATCH]!;
  words[f + FragmentWord.ORIGIN_SLOT] = slot;
  if (list === 0) {
    list = startListLocked(store, at, hash, now);
  }
  linkFragmentLocked(words, list, fragment, start);
  countFragments(store, meta, FragmentCounter.accepted, 1);

  const l = listAt(list);
  const state = nextState(words[l + ListWord.STATE]!, bits);
  words[l + ListWord.STATE] = state;
  if (state !== ListState.BOTH_SEEN || !isGaplessLocked(words, list)) {
    return Hold.HELD;
  }
  if (!makesWholeLocked(words, list)) {
    words[l + ListWord.STATE] = ListState.FAILED;
    return Hold.HELD;
  }
  words[l + ListWord.OWNER] = store.participant.id + 1;
  words[l + ListWord.STATE] = ListState.COMPLETED;
  words[l + ListWord.COMPLETED_BY] = packet[slot + PacketWord.NUMBER]!;
  unlinkExpiryLocked(words, list);
  return list;
}

function nextState(state: number, bits: number): number {
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

function hashOf(store: FragmentStore, at: number): number {
  const { parsed } = store;
  const { key0, key1 } = store.keys;
  const meta = parsed[at + ParsedWord.META]!;
  const id = parsed[at + ParsedWord.FRAGMENT_ID]!;
  return (meta & META_IPV6) === 0
    ? hashIpv4(parsed[at + ParsedWord.SRC]!, parsed[at + ParsedWord.DST]!, id, meta, key0, key1) | 0
    : hashIpv6(parsed, at + ParsedWord.SRC6, at + ParsedWord.DST6, id, meta, key0, key1) | 0;
}

function findListLocked(store: FragmentStore, at: number, hash: number): number {
  const { parsed, words } = store;
  const meta = parsed[at + ParsedWord.META]!;
  const isIpv6 = (meta & META_IPV6) !== 0;
  const src = at + (isIpv6 ? ParsedWord.SRC6 : ParsedWord.SRC);
  const dst = at + (isIpv6 ? ParsedWord.DST6 : ParsedWord.DST);
  let list = words[headOf(hash)]!;
  for (; list !== 0; list = words[listAt(list) + ListWord.NEXT]!) {
    const l = listAt(list);
    if (
      words[l + ListWord.HASH] !== hash ||
      words[l + ListWord.META] !== meta ||
      words[l + ListWord.ID] !== parsed[at + ParsedWord.FRAGMENT_ID]
    ) {
      continue;
    }
    let differs = 0;
    for (let i = 0; i < (isIpv6 ? 4 : 1); i++) {
      differs |= words[l + ListWord.SRC + i]! ^ parsed[src + i]!;
      differs |= words[l + ListWord.DST + i]! ^ parsed[dst + i]!;
    }
    if (differs === 0) {
      break;
    }
  }
  return list;
}

export function headOf(hash: number): number {
  return FragmentsWord.HEADS + (hash & (LIST_HEADS - 1));
}

function startListLocked(store: FragmentStore, at: number, hash: number, now: number): number {
  const { parsed, words } = store;
  const list = takeListLocked(words);
  const l = listAt(list);
  const meta = parsed[at + ParsedWord.META]!;
  const isIpv6 = (meta & META_IPV6) !== 0;
  words[l + ListWord.STATE] = ListState.OTHER_SEEN;
  words[l + ListWord.EXPIRES] = (now + LIST_TIMEOUT_MS) | 0;
  words[l + ListWord.COUNT] = 0;
  words[l + ListWord.SIZE] = Math.min(SIZE_STEP, maxListSize(words, meta));
  words[l + ListWord.FIRST] = 0;
  words[l + ListWord.HASH] = hash;
  words[l + ListWord.META] = meta;
  words[l + ListWord.ID] = parsed[at + ParsedWord.FRAGMENT_ID]!;
  words[l + ListWord.COMPLETED_BY] = 0;
  words[l + ListWord.OWNER] = 0;
  for (let i = 0; i < (isIpv6 ? 4 : 1); i++) {
    words[l + ListWord.SRC + i] = parsed[at + (isIpv6 ? ParsedWord.SRC6 : ParsedWord.SRC) + i]!;
    words[l + ListWord.DST + i] = parsed[at + (isIpv6 ? ParsedWord.DST6 : ParsedWord.DST) + i]!;
  }
  const head = headOf(hash);
  words[l + ListWord.NEXT] = words[head]!;
  words[head] = list;

  const tail = words[FragmentsWord.EXPIRY_TAIL]!;
  words[l + ListWord.NEXT_IN_QUEUE] = 0;
  words[l + ListWord.PREVIOUS_IN_QUEUE] = tail;
  if (tail === 0) {
    words[FragmentsWord.EXPIRY_HEAD] = list;
    words[FragmentsWord.NEXT_EXPIRY] = words[l + ListWord.EXPIRES]!;
  } else {
    words[listAt(tail) + ListWord.NEXT_IN_QUEUE] = list;
  }
  words[FragmentsWord.EXPIRY_TAIL] = list;
  return list;
}

export function unlinkExpiryLocked(words: Words, list: number): void {
  const l = listAt(list);
  const next = words[l + ListWord.NEXT_IN_QUEUE]!;
  const previous = words[l + ListWord.PREVIOUS_IN_QUEUE]!;
  if (previous === 0) {
    words[FragmentsWord.EXPIRY_HEAD] = next;
    words[FragmentsWord.NEXT_EXPIRY] = next === 0 ? 0 : words[listAt(next) + ListWord.EXPIRES]!;
  } else {
    words[listAt(previous) + ListWord.NEXT_IN_QUEUE] = next;
  }
  if (next === 0) {
    words[FragmentsWord.EXPIRY_TAIL] = previous;
  } else {
    words[listAt(next) + ListWord.PREVIOUS_IN_QUEUE] = previous;
  }
  words[l + ListWord.NEXT_IN_QUEUE] = 0;
}

/**
 * Does the fragment begin or end inside another one of the list? A fragment that encloses another one is not noticed
 * here. Its list never becomes gapless, and expires.
 */
function overlapsLocked(words: Words, list: number, start: number, end: number): boolean {
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

/** Inserts a fragment after all fragments that start at or before its start. */
function linkFragmentLocked(words: Words, list: number, fragment: number, start: number): void {
  const l = listAt(list);
  let link = l + ListWord.FIRST;
  while (words[link] !== 0 && words[fragmentAt(words[link]!) + FragmentWord.START]! <= start) {
    link = fragmentAt(words[link]!) + FragmentWord.NEXT;
  }
  words[fragmentAt(fragment) + FragmentWord.NEXT] = words[link]!;
  words[link] = fragment;
  words[l + ListWord.COUNT]!++;
}

function isGaplessLocked(words: Words, list: number): boolean {
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
function makesWholeLocked(words: Words, list: number): boolean {
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

/** Removes a list that is in no queue, with its remaining fragments. @returns the number of these fragments */
export function dropListLocked(words: Words, list: number): number {
  const l = listAt(list);
  let dropped = 0;
  for (let fragment = words[l + ListWord.FIRST]!; fragment !== 0; dropped++) {
    const next = words[fragmentAt(fragment) + FragmentWord.NEXT]!;
    dropFragmentLocked(words, fragment);
    fragment = next;
  }
  let link = headOf(words[l + ListWord.HASH]!);
  while (words[link] !== list) {
    link = listAt(words[link]!) + ListWord.NEXT;
  }
  words[link] = words[l + ListWord.NEXT]!;
  freeListLocked(words, list);
  return dropped;
}

/**
 * Has a list with this expiry expired? Yes also if more time is left than a list ever gets, plus the differences
 * between the threads' clocks: the clock was set back. The list would otherwise occupy the memory of fragments until
 * the clock catches up.
 */
export function isListExpired(expires: number, now: number): boolean {
  const leftMs = (expires - now) | 0;
  return leftMs < 0 || leftMs > LIST_TIMEOUT_MS + SKEW_MS;
}

/**
 * Removes the first list of the expiry queue if it has expired, and counts its fragments. One list per call, as Open
 * vSwitch.
 */
export function expireOneLocked(store: FragmentStore, now: number): void {
  const { words } = store;
  const list = words[FragmentsWord.EXPIRY_HEAD]!;
  if (list === 0 || !isListExpired(words[listAt(list) + ListWord.EXPIRES]!, now)) {
    return;
  }
  const meta = words[listAt(list) + ListWord.META]!;
  unlinkExpiryLocked(words, list);
  countFragments(store, meta, FragmentCounter.expiredSent, dropListLocked(words, list));
}

/** Is the list so old that its fragments are not sent any more, or from before the clock was set back? */
export function isForPurge(words: Words, list: number, now: number): boolean {
  const expires = words[listAt(list) + ListWord.EXPIRES]!;
  return ((now - expires - PURGE_AFTER_MS) | 0) >= 0 || ((expires - now) | 0) > LIST_TIMEOUT_MS + SKEW_MS;
}
