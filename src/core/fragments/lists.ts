/**
 * Lists of fragments: which fragments belong to one datagram. As Open vSwitch
 * (lib/ipf.c), including its 16-bit arithmetic and the overlaps that it misses.
 */

import { peek, type Words } from '../../shared/access.ts';
import { assertHeld } from '../../shared/sync/mutex.ts';
import { ParticipantWord } from '../../shared/memory/participant.ts';
import { hashIpv4, hashIpv6 } from '../packet/hash.ts';
import { META_IPV6, ParsedWord } from '../packet/key.ts';
import { PacketWord } from '../packet/layout.ts';
import {
  IPV6_FRAGMENT_HEADER_BYTES,
  isGaplessLocked,
  makesWholeLocked,
  nextState,
  overlapsLocked,
} from './completeness.ts';
import { countFragments, unlinkExpiryLocked } from './list-expiry.ts';
import {
  fragmentAt,
  FragmentCounter,
  FragmentsWord,
  FragmentWord,
  headOf,
  LIST_TIMEOUT_MS,
  listAt,
  ListState,
  ListWord,
} from './region.ts';
import { type FragmentStore, keepPacketLocked, takeListLocked } from './store.ts';

/** Results of holdFragmentLocked. A positive number is the list that the fragment completed. */
export const Hold = { HELD: 0, NOT_TAKEN: -1, INVALID: -2 } as const;

const IPV4_MAX_BYTES = 65_535;
const IPV4_MAX_HEADER_BYTES = 60;
const SIZE_STEP = 4;
const MAX_SIZE_IPV6 = 65_535;

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
  if (list !== 0 && !takesFragmentLocked(words, list, meta)) {
    return Hold.NOT_TAKEN;
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
  words[fragmentAt(fragment) + FragmentWord.START] = start;
  words[fragmentAt(fragment) + FragmentWord.END] = end;
  fillFragmentLocked(store, fragment, slot, at);
  if (list === 0) {
    list = startListLocked(store, at, hash, now);
  }
  linkFragmentLocked(words, list, fragment, start);
  countFragments(store, meta, FragmentCounter.accepted, 1);
  return completeLocked(store, list, bits, packet[slot + PacketWord.NUMBER]!) ? list : Hold.HELD;
}

/** May the list get another fragment? It then has a place for it. */
function takesFragmentLocked(words: Words, list: number, meta: number): boolean {
  const l = listAt(list);
  const state = words[l + ListWord.STATE]!;
  if (state === ListState.COMPLETED || state === ListState.FAILED) {
    return false;
  }
  if (words[l + ListWord.COUNT]! >= words[l + ListWord.SIZE]!) {
    const more = Math.min(SIZE_STEP, maxListSize(words, meta) - words[l + ListWord.SIZE]!);
    if (more <= 0) {
      return false;
    }
    words[l + ListWord.SIZE]! += more;
  }
  return true;
}

/** Writes where the headers of a fragment lie, and which batch brought it. */
function fillFragmentLocked(
  { parsed, words, participant }: FragmentStore,
  fragment: number,
  slot: number,
  at: number,
): void {
  const f = fragmentAt(fragment);
  words[f + FragmentWord.L3] = parsed[at + ParsedWord.L3]! - slot;
  words[f + FragmentWord.L4] = parsed[at + ParsedWord.L4]! - slot;
  words[f + FragmentWord.L4_BYTES] = parsed[at + ParsedWord.L4_BYTES]!;
  words[f + FragmentWord.FRAGMENT_HEADER] = parsed[at + ParsedWord.FRAGMENT_HEADER]! - slot;
  words[f + FragmentWord.ORIGIN_OWNER] = participant.id;
  words[f + FragmentWord.ORIGIN_BATCH] = participant.words[participant.base + ParticipantWord.BATCH]!;
  words[f + FragmentWord.ORIGIN_SLOT] = slot;
}

/** Updates a list's state after a fragment. @param number the NUMBER of its packet @returns whether it is complete now */
function completeLocked({ words, participant }: FragmentStore, list: number, bits: number, number: number): boolean {
  const l = listAt(list);
  const state = nextState(words[l + ListWord.STATE]!, bits);
  words[l + ListWord.STATE] = state;
  if (state !== ListState.BOTH_SEEN || !isGaplessLocked(words, list)) {
    return false;
  }
  if (!makesWholeLocked(words, list)) {
    words[l + ListWord.STATE] = ListState.FAILED;
    return false;
  }
  words[l + ListWord.OWNER] = participant.id + 1;
  words[l + ListWord.STATE] = ListState.COMPLETED;
  words[l + ListWord.COMPLETED_BY] = number;
  unlinkExpiryLocked(words, list);
  return true;
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
