/**
 * Links a translated connection: two keys, in one or two buckets, that must both be free at the same moment.
 *
 * The reverse key stands at `parsed[SCRATCH_AT...]`, in the same form as a packet's key.
 */

import { NoteWord } from '../packet/batch-scratch.ts';
import { or, peek, poke } from '../../shared/access.ts';
import { LockSite } from '../../shared/sync/lock-sites.ts';
import { IntentKind, ParticipantWord } from '../../shared/memory/participant.ts';
import { emitNew, commitNew, wantsEvents } from '../events/events.ts';
import { noteLinked } from '../lifecycle/finish-links.ts';
import { directionOf, findConnLocked, NO_DIRECTION } from '../path/lookup.ts';
import { SCRATCH_AT } from '../packet/batch-scratch.ts';
import { META_IPV6, ParsedWord, reverseMeta } from '../packet/key.ts';
import { swapPorts } from '../packet/layout.ts';
import { removeStale } from '../lifecycle/remove.ts';
import { CONN_NAT, ConnFlag, ConnWord, LIFE_CLEANED, LIFE_FLAGS, LIFE_RIVAL, UNIT_SHIFT } from '../table/conn.ts';
import type { Tracker } from '../tracker.ts';

/**
 * Results of linkTranslated. A number above 0 is a match (lookup.ts): another thread has created a connection with the
 * key.
 */
export const Linked = {
  done: 0,
  /** Another connection has the reverse key. */
  taken: -1,
  /** The index has no memory. */
  noMemory: -2,
  /** The same, but another thread has found the half that was linked, and removes the connection. */
  removed: -3,
} as const;

/** Writes the reversed key of `parsed[at...]` to SCRATCH_AT. Its hash is the same. */
export function turnKey(tracker: Tracker, at: number): void {
  const { parsed } = tracker.scratch;
  const meta = parsed[at + ParsedWord.META]!;
  parsed[SCRATCH_AT + ParsedWord.META] = reverseMeta(meta);
  parsed[SCRATCH_AT + ParsedWord.PORTS] = swapPorts(parsed[at + ParsedWord.PORTS]!);
  parsed[SCRATCH_AT + ParsedWord.HASH] = parsed[at + ParsedWord.HASH]!;
  if ((meta & META_IPV6) === 0) {
    parsed[SCRATCH_AT + ParsedWord.SRC] = parsed[at + ParsedWord.DST]!;
    parsed[SCRATCH_AT + ParsedWord.DST] = parsed[at + ParsedWord.SRC]!;
    return;
  }
  for (let i = 0; i < 4; i++) {
    parsed[SCRATCH_AT + ParsedWord.SRC6 + i] = parsed[at + ParsedWord.DST6 + i]!;
    parsed[SCRATCH_AT + ParsedWord.DST6 + i] = parsed[at + ParsedWord.SRC6 + i]!;
  }
}

/**
 * Marks this untranslated connection, and any older translated one that has the key of its replies, as rivals. Searches
 * then find the newer one. Creation does not check whether the key of the replies is taken.
 *
 * Call it before the record is linked, under the lock of its bucket. An older rival has an entry in that bucket, too.
 */
export function noteRivals(tracker: Tracker, record: number, at: number): void {
  const { table, words: records } = tracker;
  const { parsed } = tracker.scratch;
  const hash = parsed[at + ParsedWord.HASH]!;
  turnKey(tracker, at);
  const block = table.blockOf(hash, parsed, at + ParsedWord.META);
  for (let slot = table.next(block, hash, 0); slot !== 0; slot = table.next(block, hash, slot)) {
    const older = table.recordAt(slot) << UNIT_SHIFT;
    if (
      (records[older + ConnWord.FLAGS]! & CONN_NAT) !== 0 &&
      (peek(records, older + ConnWord.LIFE) & LIFE_FLAGS) === 0 &&
      directionOf(records, older, parsed, SCRATCH_AT) !== NO_DIRECTION
    ) {
      or(records, older + ConnWord.LIFE, LIFE_RIVAL);
      const r = record << UNIT_SHIFT;
      poke(records, r + ConnWord.LIFE, peek(records, r + ConnWord.LIFE) | LIFE_RIVAL);
    }
  }
}

/**
 * Writes the hashed reverse key at SCRATCH_AT into a record that is not linked yet.
 * @param kind ConnFlag.SNAT or ConnFlag.DNAT
 */
function writeReverse(tracker: Tracker, r: number, at: number, kind: number): void {
  const { words: records } = tracker;
  const { parsed } = tracker.scratch;
  const hash = parsed[SCRATCH_AT + ParsedWord.HASH]!;
  const ports = parsed[SCRATCH_AT + ParsedWord.PORTS]!;
  let isTurned = ports === swapPorts(parsed[at + ParsedWord.PORTS]!);
  if ((parsed[at + ParsedWord.META]! & META_IPV6) === 0) {
    const src = parsed[SCRATCH_AT + ParsedWord.SRC]!;
    const dst = parsed[SCRATCH_AT + ParsedWord.DST]!;
    isTurned = isTurned && src === parsed[at + ParsedWord.DST] && dst === parsed[at + ParsedWord.SRC];
    records[r + ConnWord.REV_SRC] = src;
    records[r + ConnWord.REV_DST] = dst;
  } else {
    for (let i = 0; i < 4; i++) {
      const src = parsed[SCRATCH_AT + ParsedWord.SRC6 + i]!;
      const dst = parsed[SCRATCH_AT + ParsedWord.DST6 + i]!;
      isTurned = isTurned && src === parsed[at + ParsedWord.DST6 + i] && dst === parsed[at + ParsedWord.SRC6 + i];
      records[r + ConnWord.REV_SRC6 + i] = src;
      records[r + ConnWord.REV_DST6 + i] = dst;
    }
  }
  records[r + ConnWord.REV_PORTS] = ports;
  records[r + ConnWord.REV_HASH] = hash;
  const entries = hash === records[r + ConnWord.HASH] ? 0 : ConnFlag.TWO_ENTRIES;
  const others = records[r + ConnWord.FLAGS]! & ~(ConnFlag.TWO_ENTRIES | ConnFlag.TRANSLATED);
  records[r + ConnWord.FLAGS] = others | kind | entries | (isTurned ? 0 : ConnFlag.TRANSLATED);
}

/**
 * Links a complete record under the key at `parsed[at...]` and the hashed reverse key at SCRATCH_AT, unless one of them
 * is taken. The locks of both buckets are held meanwhile, so no other thread can take either key.
 *
 * After Linked.noMemory other threads may have seen the record: retire it, do not free it. After Linked.removed the
 * record belongs to another thread.
 * @param kind ConnFlag.SNAT or ConnFlag.DNAT
 * @returns a Linked, or a match
 */
export function linkTranslated(tracker: Tracker, record: number, at: number, kind: number, now: number): number {
  const { words: records, participant, table } = tracker;
  const { parsed } = tracker.scratch;
  const r = record << UNIT_SHIFT;
  writeReverse(tracker, r, at, kind);
  const hash = parsed[at + ParsedWord.HASH]!;
  const reverseHash = parsed[SCRATCH_AT + ParsedWord.HASH]!;
  const bucket = table.bucketOf(hash, parsed, at + ParsedWord.META);
  const reverseBucket = table.bucketOf(reverseHash, parsed, SCRATCH_AT + ParsedWord.META);
  table.lockBuckets(bucket, reverseBucket, participant, LockSite.createTranslated);
  let outcome = findConnLocked(tracker, at, now) | 0;
  if (outcome === 0 && findConnLocked(tracker, SCRATCH_AT, now) !== 0) {
    outcome = Linked.taken;
  }
  const isEmitted = outcome === 0 && wantsEvents(tracker);
  if (isEmitted) {
    emitNew(tracker, record);
  }
  if (outcome === 0) {
    records[participant.base + ParticipantWord.INTENT_KIND] = IntentKind.link;
    /*
     * The reverse entry first. A thread that finds the connection by its key sends translated packets, and their
     * replies must be found.
     */
    const hasTwoEntries = hash !== reverseHash;
    if (hasTwoEntries && !table.placeLocked(reverseBucket, reverseHash, record, participant)) {
      outcome = Linked.noMemory;
    } else if (!table.placeLocked(bucket, hash, record, participant)) {
      outcome = hasTwoEntries ? undoHalf(tracker, record) | 0 : Linked.noMemory;
    } else {
      tracker.expiry.linkedLocked(record);
      noteLinked(tracker);
    }
    records[participant.base + ParticipantWord.INTENT_KIND] = IntentKind.none;
  }
  table.unlockBuckets(bucket, reverseBucket);
  if (isEmitted) {
    commitNew(tracker, outcome === Linked.done || outcome === Linked.removed);
  }
  if (tracker.scratch.notes[NoteWord.STALE_COUNT]! > 0) {
    removeStale(tracker);
  }
  return outcome;
}

/**
 * Unlinks a record that stands only in the bucket of its reverse key. The locks of both buckets are held.
 * @returns Linked.noMemory: retire the record; or Linked.removed
 */
export function undoHalf(tracker: Tracker, record: number): number {
  const { words: records, table, participant } = tracker;
  const r = record << UNIT_SHIFT;
  if (records[participant.base + ParticipantWord.INTENT_KIND] !== IntentKind.undo) {
    const life = or(records, r + ConnWord.LIFE, LIFE_CLEANED);
    if ((life & LIFE_CLEANED) !== 0) {
      noteLinked(tracker);
      const { linkedIntent } = tracker.expiry;
      if (linkedIntent !== 0) {
        /* The engine never learned of this connection. */
        records[linkedIntent] = 0;
      }
      return Linked.removed;
    }
    records[participant.base + ParticipantWord.INTENT_KIND] = IntentKind.undo;
  }
  const reverseHash = records[r + ConnWord.REV_HASH]!;
  table.unlinkLocked(table.bucketOf(reverseHash, records, r + ConnWord.META), reverseHash, record);
  return Linked.noMemory;
}
