/**
 * Fragments in a batch. They are held until their datagram is complete. The whole datagram is judged in the place of
 * its last fragment. All fragments come back at the end of the batch, in order of offset, with the verdict on the
 * whole.
 *
 * All threads share the lists: fragments of one datagram may come by different threads. The thread that brings the last
 * one judges the whole and sends all of them. Fragments that do not fit into the batch come back with the zone's next
 * batch.
 */

import { copyWords } from '../../shared/memory/word-runs.ts';
import { peek, type Words } from '../../shared/access.ts';
import { LockSite } from '../../shared/sync/lock-sites.ts';
import { LockClass } from '../../shared/sync/lockdep.ts';
import { lock, unlock } from '../../shared/sync/mutex.ts';
import { ParticipantWord } from '../../shared/memory/participant.ts';
import type { CtAction } from '../action.ts';
import type { PacketBatch } from '../packet/batch.ts';
import { META_IPV6, metaZone, PARSED_WORDS, ParsedKind, ParsedWord } from '../packet/key.ts';
import { PacketWord, RememberedBit } from '../packet/layout.ts';
import {
  countFragments,
  dropListLocked,
  expireOneLocked,
  isForPurge,
  isListExpired,
  unlinkExpiryLocked,
} from './list-expiry.ts';
import { Hold, holdFragmentLocked } from './lists.ts';
import { buildWhole, spreadVerdict } from './reassemble.ts';
import { fragmentAt, FragmentCounter, FragmentsWord, FragmentWord, listAt, ListWord } from './region.ts';
import { copyPacketOut, dropFragmentLocked, type FragmentStore, keptPacketWords } from './store.ts';

/** In ParsedWord.LIST: reassembly did not take this fragment. */
const UNHELD = -1;

/**
 * Takes the fragments out of a batch that was just parsed. The fragment that completes its datagram becomes an entry of
 * kind WHOLE. `judge` handles the fragments that reassembly does not take.
 * @param judge parses a fragment as a packet of its own; returns a ParsedKind
 * @param tracker argument for `judge`
 * @returns the number of entries left
 */
export function takeFragments<T>(
  store: FragmentStore,
  batch: PacketBatch,
  count: number,
  action: CtAction,
  now: number,
  judge: (tracker: T, words: Words, slot: number, at: number, action: CtAction) => number,
  tracker: T,
): number {
  const { parsed } = store;
  const { slots, words } = batch;
  const isEnabled =
    peek(store.words, FragmentsWord.V4_ENABLED) !== 0 || peek(store.words, FragmentsWord.V6_ENABLED) !== 0;
  let kept = 0;
  for (let i = 0; i < count; i++) {
    const at = i * PARSED_WORDS;
    let kind = parsed[at + ParsedWord.KIND]!;
    const slot = slots[i]!;
    let list = 0;
    if (kind === ParsedKind.FRAGMENT) {
      const hold = isEnabled ? holdFragment(store, words, slot, at, now) : Hold.NOT_TAKEN;
      if (hold === Hold.HELD) {
        words[slot + PacketWord.STATE] = 0;
        continue;
      }
      if (hold === Hold.NOT_TAKEN) {
        kind = judge(tracker, words, slot, at, action);
        list = UNHELD;
      } else if (hold === Hold.INVALID) {
        kind = ParsedKind.INVALID;
      } else {
        kind = ParsedKind.WHOLE;
        list = hold;
      }
    }
    const to = kept * PARSED_WORDS;
    if (to !== at) {
      copyWords(parsed, at, parsed, to, PARSED_WORDS);
      parsed[at + ParsedWord.BAD_ICMP_SUM] = 0;
    }
    parsed[to + ParsedWord.KIND] = kind;
    parsed[to + ParsedWord.LIST] = list;
    slots[kept++] = slot;
  }
  return kept;
}

function holdFragment(store: FragmentStore, packet: Words, slot: number, at: number, now: number): number {
  const { parsed, words } = store;
  const meta = parsed[at + ParsedWord.META]!;
  const isIpv6 = (meta & META_IPV6) !== 0;
  const bits = parsed[at + ParsedWord.FRAGMENT_BITS]!;
  const bytes = (parsed[at + ParsedWord.L4]! - parsed[at + ParsedWord.L3]!) * 4 + parsed[at + ParsedWord.L4_BYTES]!;
  const smallest = peek(words, isIpv6 ? FragmentsWord.V6_MIN_BYTES : FragmentsWord.V4_MIN_BYTES) >>> 0;
  const isTooSmall = (bits & 1) !== 0 && bytes < smallest;
  let hold: number = Hold.INVALID;
  lock(words, FragmentsWord.MUTEX, store.participant, LockClass.fragments, LockSite.fragmentHold);
  if (isTooSmall) {
    countFragments(store, meta, FragmentCounter.tooSmall, 1);
  } else if (peek(words, isIpv6 ? FragmentsWord.V6_ENABLED : FragmentsWord.V4_ENABLED) === 0) {
    hold = Hold.NOT_TAKEN;
  } else {
    hold = holdFragmentLocked(store, packet, slot, at, now);
  }
  unlock(words, FragmentsWord.MUTEX);
  return hold;
}

/** Builds the datagram of a completed list in `store.whole`, as a packet at word 0. */
export function openWhole(store: FragmentStore, list: number): void {
  buildWhole(store, list);
}

/** Call when the datagram was judged: its fragments get the verdict, and can be sent. */
export function closeWhole(store: FragmentStore, list: number): void {
  spreadVerdict(store, list);
  store.words[listAt(list) + ListWord.OWNER] = -(store.participant.id + 1);
  store.words[listAt(list) + ListWord.NEXT_IN_QUEUE] = 0;
  if (store.completedTail === 0) {
    store.completedHead = list;
  } else {
    store.words[listAt(store.completedTail) + ListWord.NEXT_IN_QUEUE] = list;
  }
  store.completedTail = list;
}

/** Is there work for finishFragments at `now`? A hint, for batches without fragments. */
export function hasFragmentWork(store: FragmentStore, now: number): boolean {
  const { words } = store;
  return (
    peek(words, FragmentsWord.DONE_HEAD) !== 0 ||
    (peek(words, FragmentsWord.EXPIRY_HEAD) !== 0 && isListExpired(peek(words, FragmentsWord.NEXT_EXPIRY), now))
  );
}

/**
 * Ends a batch: takes the WHOLE entries out of it, appends fragments of finished lists of the zone while they fit, and
 * removes the oldest list if it has expired.
 * @param count entries that `takeFragments` left
 * @param hasTaken was `takeFragments` called for this batch?
 */
export function finishFragments(
  store: FragmentStore,
  batch: PacketBatch,
  count: number,
  hasTaken: boolean,
  zone: number,
  now: number,
): void {
  const { parsed } = store;
  let kept = 0;
  for (let i = 0; i < count; i++) {
    const at = i * PARSED_WORDS;
    const slot = batch.slots[i]!;
    if (parsed[at + ParsedWord.KIND] !== ParsedKind.WHOLE) {
      if (hasTaken && parsed[at + ParsedWord.LIST] === UNHELD) {
        batch.words[slot + PacketWord.CONN_FLAGS]! |= RememberedBit.FRAGMENT;
      }
      batch.slots[kept++] = slot;
    }
  }
  batch.count = kept;
  const { words } = store;
  lock(words, FragmentsWord.MUTEX, store.participant, LockClass.fragments, LockSite.fragmentFinish);
  if (store.completedHead !== 0) {
    for (let list = store.completedHead; list !== 0; list = words[listAt(list) + ListWord.NEXT_IN_QUEUE]!) {
      words[listAt(list) + ListWord.OWNER] = 0;
    }
    const tail = words[FragmentsWord.DONE_TAIL]!;
    words[tail === 0 ? FragmentsWord.DONE_HEAD : listAt(tail) + ListWord.NEXT_IN_QUEUE] = store.completedHead;
    words[FragmentsWord.DONE_TAIL] = store.completedTail;
    store.completedHead = 0;
    store.completedTail = 0;
  }
  releaseLocked(store, batch, zone, now);
  expireOneLocked(store, now);
  unlock(words, FragmentsWord.MUTEX);
}

/** Appends finished fragments of the zone to the batch until it is full. */
function releaseLocked(store: FragmentStore, batch: PacketBatch, zone: number, now: number): void {
  const { words } = store;
  let previous = 0;
  for (let list = words[FragmentsWord.DONE_HEAD]!; list !== 0; ) {
    const l = listAt(list);
    const next = words[l + ListWord.NEXT_IN_QUEUE]!;
    const meta = words[l + ListWord.META]!;
    if (metaZone(meta) === zone) {
      if (!isForPurge(words, list, now) && !sendLocked(store, batch, list)) {
        return;
      }
      unlinkDoneLocked(words, list, previous);
      countFragments(store, meta, FragmentCounter.purged, dropListLocked(words, list));
    } else {
      previous = list;
    }
    list = next;
  }
}

/** Appends a list's fragments to the batch. @returns whether all of them fitted */
function sendLocked(store: FragmentStore, batch: PacketBatch, list: number): boolean {
  const { words } = store;
  const l = listAt(list);
  for (let fragment = words[l + ListWord.FIRST]!; fragment !== 0; fragment = words[l + ListWord.FIRST]!) {
    const f = fragmentAt(fragment);
    if (batch.count >= store.returnLimit) {
      return false;
    }
    let slot: number;
    const isOwn =
      words[f + FragmentWord.ORIGIN_BATCH] ===
        store.participant.words[store.participant.base + ParticipantWord.BATCH] &&
      words[f + FragmentWord.ORIGIN_OWNER] === store.participant.id;
    if (isOwn) {
      /* The fragment came with this batch, so its slot is still its own. */
      slot = words[f + FragmentWord.ORIGIN_SLOT]!;
    } else {
      slot = batch.takeSpare(keptPacketWords(words, fragment));
      if (slot < 0) {
        return false;
      }
    }
    const space = batch.words[slot + PacketWord.ROOM]!;
    copyPacketOut(words, fragment, batch.words, slot);
    batch.words[slot + PacketWord.ROOM] = isOwn ? space : batch.words[slot + PacketWord.LENGTH]!;
    batch.slots[batch.count++] = slot;
    words[l + ListWord.FIRST] = words[f + FragmentWord.NEXT]!;
    dropFragmentLocked(words, fragment);
    countFragments(store, words[l + ListWord.META]!, FragmentCounter.completedSent, 1);
  }
  return true;
}

/** Do finished fragments wait for a batch with space? A hint. */
export function hasFinishedFragments(store: FragmentStore): boolean {
  return peek(store.words, FragmentsWord.DONE_HEAD) !== 0;
}

/**
 * Appends finished fragments of the zone to the batch that was executed last, as many as fit. The batch may have been
 * cleared.
 */
export function releaseFragments(store: FragmentStore, batch: PacketBatch, zone: number, now: number): void {
  const { words } = store;
  lock(words, FragmentsWord.MUTEX, store.participant, LockClass.fragments, LockSite.fragmentRelease);
  releaseLocked(store, batch, zone, now);
  unlock(words, FragmentsWord.MUTEX);
}

/**
 * Removes the lists of all zones that are too old to be completed. The sweeper calls it, since a zone may get no
 * packets.
 */
export function purgeFragments(store: FragmentStore, now: number): void {
  const { words } = store;
  if (peek(words, FragmentsWord.LISTS) === 0) {
    return;
  }
  lock(words, FragmentsWord.MUTEX, store.participant, LockClass.fragments, LockSite.fragmentPurge);
  for (let list = words[FragmentsWord.EXPIRY_HEAD]!; list !== 0 && isForPurge(words, list, now); ) {
    const next = words[listAt(list) + ListWord.NEXT_IN_QUEUE]!;
    const meta = words[listAt(list) + ListWord.META]!;
    unlinkExpiryLocked(words, list);
    countFragments(store, meta, FragmentCounter.purged, dropListLocked(words, list));
    list = next;
  }
  let previous = 0;
  for (let list = words[FragmentsWord.DONE_HEAD]!; list !== 0; ) {
    const next = words[listAt(list) + ListWord.NEXT_IN_QUEUE]!;
    if (isForPurge(words, list, now)) {
      unlinkDoneLocked(words, list, previous);
      const meta = words[listAt(list) + ListWord.META]!;
      countFragments(store, meta, FragmentCounter.purged, dropListLocked(words, list));
    } else {
      previous = list;
    }
    list = next;
  }
  unlock(words, FragmentsWord.MUTEX);
}

function unlinkDoneLocked(words: Words, list: number, previous: number): void {
  const next = words[listAt(list) + ListWord.NEXT_IN_QUEUE]!;
  if (previous === 0) {
    words[FragmentsWord.DONE_HEAD] = next;
  } else {
    words[listAt(previous) + ListWord.NEXT_IN_QUEUE] = next;
  }
  if (next === 0) {
    words[FragmentsWord.DONE_TAIL] = previous;
  }
}
