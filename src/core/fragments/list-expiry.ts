/** The end of a list of fragments: it expires, or is purged, and its memory is released. */

import type { Words } from '../../shared/access.ts';
import { SKEW_MS } from '../expiry/clock-bounds.ts';
import { META_IPV6 } from '../packet/key.ts';
import {
  FAMILY_COUNTERS,
  fragmentAt,
  FragmentCounter,
  FragmentsWord,
  FragmentWord,
  headOf,
  LIST_TIMEOUT_MS,
  listAt,
  ListWord,
  PURGE_AFTER_MS,
} from './region.ts';
import { dropFragmentLocked, type FragmentStore, freeListLocked } from './store.ts';

/** Adds to a FragmentCounter of the address family that META names. */
export function countFragments(store: FragmentStore, meta: number, counter: number, by: number): void {
  store.counters[((meta & META_IPV6) !== 0 ? FAMILY_COUNTERS : 0) + counter]! += by;
}

/** Takes a list out of the expiry queue. */
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
