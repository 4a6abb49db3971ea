/**
 * Finds the connection of a packet, without locks.
 *
 * A match is a number: record << 1 | reply. `reply` is 1 if the packet's key is the connection's reverse key. 0 is no
 * match. Records found stay valid until the thread's next quiescent point.
 *
 * Two connections may claim one key. The older one is translated. The newer one is not, and its replies carry the older
 * one's key: creation does not check whether the key of the replies is taken. As in Open vSwitch, a search finds the
 * newer one, wherever the two stand in the index. Both are marked (LIFE_RIVAL), so that all other searches can end at
 * the first match. The older one is always translated: without translation, the new connection's own key would have
 * been found taken.
 */

import { NoteWord } from '../packet/batch-scratch.ts';
import { areSameWords } from '../../shared/memory/word-runs.ts';
import { or, peek } from '../../shared/access.ts';
import { Counter } from '../counters.ts';
import { META_IPV6, ParsedWord, reverseMeta } from '../packet/key.ts';
import { swapPorts } from '../packet/layout.ts';
import { removeConn } from '../lifecycle/remove.ts';
import {
  CONN_NAT,
  ConnFlag,
  ConnWord,
  isExpired,
  isStale,
  LIFE_DEAD,
  LIFE_FLAGS,
  LIFE_RIVAL,
  LIFE_SUPERSEDED,
  UNIT_SHIFT,
} from '../table/conn.ts';
import type { Tracker } from '../tracker.ts';

/** Neither direction. */
export const NO_DIRECTION = -1;
const FORWARD = 0;
const REPLY = 1;

/** In which direction of the record at word `r` does the key at `parsed[at...]` travel? */
export function directionOf(records: Int32Array, r: number, parsed: Int32Array, at: number): number {
  const meta = parsed[at + ParsedWord.META]!;
  const ports = parsed[at + ParsedWord.PORTS]!;
  const connMeta = records[r + ConnWord.META]!;
  if ((meta & META_IPV6) !== 0) {
    return directionOfIpv6(records, r, parsed, at);
  }
  const src = parsed[at + ParsedWord.SRC]!;
  const dst = parsed[at + ParsedWord.DST]!;
  if (
    records[r + ConnWord.SRC] === src &&
    records[r + ConnWord.DST] === dst &&
    records[r + ConnWord.PORTS] === ports &&
    connMeta === meta
  ) {
    return FORWARD;
  }
  if (reverseMeta(connMeta) !== meta) {
    return NO_DIRECTION;
  }
  if ((records[r + ConnWord.FLAGS]! & ConnFlag.TRANSLATED) === 0) {
    /* The reverse key is the key reversed, so the record's second line is not read. */
    return records[r + ConnWord.SRC] === dst &&
      records[r + ConnWord.DST] === src &&
      records[r + ConnWord.PORTS] === swapPorts(ports)
      ? REPLY
      : NO_DIRECTION;
  }
  return records[r + ConnWord.REV_SRC] === src &&
    records[r + ConnWord.REV_DST] === dst &&
    records[r + ConnWord.REV_PORTS] === ports
    ? REPLY
    : NO_DIRECTION;
}

export function directionOfIpv6(records: Int32Array, r: number, parsed: Int32Array, at: number): number {
  const meta = parsed[at + ParsedWord.META]!;
  const ports = parsed[at + ParsedWord.PORTS]!;
  const connMeta = records[r + ConnWord.META]!;
  if (
    connMeta === meta &&
    records[r + ConnWord.PORTS] === ports &&
    areSameWords(records, r + ConnWord.SRC6, parsed, at + ParsedWord.SRC6, 8)
  ) {
    return FORWARD;
  }
  if (reverseMeta(connMeta) !== meta) {
    return NO_DIRECTION;
  }
  if ((records[r + ConnWord.FLAGS]! & ConnFlag.TRANSLATED) === 0) {
    return records[r + ConnWord.PORTS] === swapPorts(ports) &&
      areSameWords(records, r + ConnWord.SRC6, parsed, at + ParsedWord.DST6, 4) &&
      areSameWords(records, r + ConnWord.DST6, parsed, at + ParsedWord.SRC6, 4)
      ? REPLY
      : NO_DIRECTION;
  }
  return records[r + ConnWord.REV_PORTS] === ports &&
    areSameWords(records, r + ConnWord.REV_SRC6, parsed, at + ParsedWord.SRC6, 8)
    ? REPLY
    : NO_DIRECTION;
}

/**
 * The match at the slot that an earlier stage saw (HINT, not 0). 0 if that hint no longer holds, or if the connection
 * has a rival.
 */
export function confirmHint(tracker: Tracker, at: number, now: number): number {
  const parsed = tracker.scratch.parsed;
  const record = tracker.table.recordAt(parsed[at + ParsedWord.HINT]!);
  const r = record << UNIT_SHIFT;
  if (
    record === 0 ||
    (peek(tracker.words, r + ConnWord.LIFE) & (LIFE_FLAGS | LIFE_RIVAL)) !== 0 ||
    isExpired(peek(tracker.words, r + ConnWord.EXPIRES), now)
  ) {
    return 0;
  }
  const direction = directionOf(tracker.words, r, parsed, at);
  return direction === NO_DIRECTION ? 0 : (record << 1) | direction;
}

/**
 * The match of the key at `parsed[at...]`. If stale entries are reclaimed at lookup, those with the same hash are
 * removed on the way, as in the RFC patch. Otherwise they are skipped and counted.
 */
export function findConn(tracker: Tracker, at: number, now: number): number {
  const { table, words: records } = tracker;
  const { parsed } = tracker.scratch;
  const hash = parsed[at + ParsedWord.HASH]!;
  const block = table.blockOf(hash, parsed, at + ParsedWord.META);
  let older = 0;
  for (let slot = table.next(block, hash, 0); slot !== 0; slot = table.next(block, hash, slot)) {
    const record = table.recordAt(slot);
    if (record === 0) {
      continue;
    }
    const r = record << UNIT_SHIFT;
    const life = peek(records, r + ConnWord.LIFE);
    if ((life & LIFE_FLAGS) !== 0 || isExpired(peek(records, r + ConnWord.EXPIRES), now)) {
      if (tracker.reclaimsAtLookup) {
        removeConn(tracker, record, Counter.expiredAtLookup);
      } else {
        tracker.counters[Counter.staleSkipped]!++;
      }
      continue;
    }
    const direction = directionOf(records, r, parsed, at);
    if (direction !== NO_DIRECTION) {
      const match = (record << 1) | direction;
      if ((life & LIFE_RIVAL) === 0 || (records[r + ConnWord.FLAGS]! & CONN_NAT) === 0) {
        return match;
      }
      older = match;
    }
  }
  return older;
}

/**
 * Does the rival of a connection that was killed just now hold the tuple at `parsed[at...]`? The tuple is not free
 * then, although the search found no other connection before.
 */
export function isLeftToRival(tracker: Tracker, killed: number, at: number, now: number): boolean {
  const isRival = (peek(tracker.words, (killed << UNIT_SHIFT) + ConnWord.LIFE) & LIFE_RIVAL) !== 0;
  return isRival && findConn(tracker, at, now) !== 0;
}

/**
 * As findConn, with the bucket's lock held. The result holds until the lock is released.
 *
 * An expired connection with this key is declared dead here, because its tuple is about to be taken. Otherwise a thread
 * whose clock is a little behind could still find and refresh it, and two connections would have the tuple.
 *
 * Stale entries cannot be removed here, since they may stand in a second bucket. They are noted in
 * `tracker.search.stale`; removeStale removes them afterwards. NoteWord.OTHERS_MET counts connections that may
 * be older rivals of a connection with this key.
 */
export function findConnLocked(tracker: Tracker, at: number, now: number): number {
  const { table, words: records } = tracker;
  const { parsed } = tracker.scratch;
  const hash = parsed[at + ParsedWord.HASH]!;
  const block = table.blockOf(hash, parsed, at + ParsedWord.META);
  let older = 0;
  tracker.scratch.notes[NoteWord.OTHERS_MET] = 0;
  for (let slot = table.next(block, hash, 0); slot !== 0; slot = table.next(block, hash, slot)) {
    const record = table.recordAt(slot);
    const r = record << UNIT_SHIFT;
    const direction = directionOf(records, r, parsed, at);
    const life = peek(records, r + ConnWord.LIFE);
    if (direction === NO_DIRECTION && (life & LIFE_FLAGS) === 0) {
      /* Count expired ones too: for a thread whose clock is behind, they have not expired. */
      tracker.scratch.notes[NoteWord.OTHERS_MET]!++;
    }
    if (!isStale(records, r, now)) {
      if (direction !== NO_DIRECTION) {
        const match = (record << 1) | direction;
        if ((life & LIFE_RIVAL) === 0 || (records[r + ConnWord.FLAGS]! & CONN_NAT) === 0) {
          return match;
        }
        older = match;
      }
      continue;
    }
    if (direction !== NO_DIRECTION && (life & LIFE_FLAGS) === 0) {
      or(records, r + ConnWord.LIFE, LIFE_DEAD | LIFE_SUPERSEDED);
    }
    if (!tracker.reclaimsAtLookup) {
      tracker.counters[Counter.staleSkipped]!++;
    } else if (tracker.scratch.notes[NoteWord.STALE_COUNT]! < tracker.search.stale.length) {
      const stale = tracker.scratch.notes[NoteWord.STALE_COUNT]!;
      tracker.search.stale[stale] = record;
      tracker.scratch.notes[NoteWord.STALE_COUNT] = stale + 1;
    }
  }
  return older;
}
