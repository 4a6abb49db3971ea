/**
 * Early drop: in a full table a new connection may take the place of one that has not been answered, so that a flood of
 * connections that nobody answers takes places from itself, and not from those who talk.
 *
 * The unit of room goes from the one to the other directly: the count stays as it is, and no word that other threads
 * use is written but the lock and the index line of the victim's bucket.
 *
 * What may go, the first kind first, and within a kind what is closest to its expiry:
 *
 *   stale          it only waits to be removed
 *   one packet     never answered: ICMP requests, a TCP segment without an answer
 *   one way        several packets, never answered (UDP and others)
 *   half open      TCP before both ends acknowledged the other's SYN, or after both closed
 *
 * All others are not chosen; one that gets its first reply between that choice and its removal goes. The search is bounded:
 * a few entries around the newcomer's own place in the index (which is in the cache), and where none of these may go, a
 * walk over the buckets as far as the budget allows.
 */

import { peek, type Words } from '../../shared/access.ts';
import { QUOTA_EXHAUSTED } from '../../shared/quota/quota-pool.ts';
import { Counter } from '../counters.ts';
import { KEPT, MAX_BUDGET } from './eviction-search.ts';
import { findConn } from '../path/lookup.ts';
import { SettingWord } from '../memory/memory-layout.ts';
import { metaProtocol, ParsedWord } from '../packet/key.ts';
import { Protocol } from '../packet/layout.ts';
import { icmpStage, otherStage, Stage, tcpStage } from '../proto/conversation-stage.ts';
import { takeOut } from './remove.ts';
import { LINE_ENTRIES } from '../table/bucket-layout.ts';
import { BucketTable } from '../table/bucket-table.ts';
import { ConnWord, isExpired, LIFE_CLEANED, LIFE_FLAGS, UNIT_SHIFT } from '../table/conn.ts';
import type { Tracker } from '../tracker.ts';

/**
 * Records looked at around the newcomer's place, by whole index lines, each likely to miss the cache: in a flood one line
 * (3 records on average) shows several of the first kinds, and the oldest of these will do. While it shows none, more.
 */
const FEW = 2;
const MANY = 8;
/** Lines looked at there. */
const OWN_LINES = 4;

/**
 * The walk's budget, in what looking at an index line costs (a few ns). Looking at a record is likely to miss the
 * cache. Every newcomer adds to the budget, so that in the long run none costs more than that, a few us; what is not
 * used up is kept, up to MAX_BUDGET, which bounds what a single one may cost.
 */
const LINE_COST = 1;
const RECORD_COST = 16;
const INCOME = 512;

/** Victims that may be lost to other threads, which want to remove them too, before the newcomer is refused. */
const ATTEMPTS = 4;

/** How much a connection is worth keeping: less goes first. */
const STALE = 0;
const STAGE_SHIFT = 28;
/** Stale, and one packet: worth less than this. */
const FIRST_KINDS: number = (Stage.ONE_PACKET + 1) << STAGE_SHIFT;
/** Remaining time in units of 16 ms: 27 bits. */
const TIME_SHIFT = 4;

/**
 * Makes room for the connection of the packet at `parsed[at...]`, which the full table would refuse, if the table's
 * setting wants it. The caller holds no lock.
 * @returns true: a connection was removed, and its unit of room is the caller's
 */
export function evictForQuota(tracker: Tracker, at: number, now: number): boolean {
  const { words, table, participant, eviction } = tracker;
  const { pools, pool } = tracker.quota;
  if (peek(words, tracker.settings + SettingWord.EARLY_DROP) === 0) {
    return false;
  }
  if (tracker.slab.retiredCount(participant) >= eviction.mostRetired || findConn(tracker, at, now) !== 0) {
    return false;
  }
  const hash = tracker.scratch.parsed[at + ParsedWord.HASH]!;
  eviction.budget = Math.min(eviction.budget + INCOME, MAX_BUDGET);
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const slot = findVictim(tracker, hash, now) | 0;
    if (slot === 0) {
      return false;
    }
    /* What the search has seen were hints. */
    const record = table.recordAt(slot);
    const score = record === 0 ? KEPT : evictionScoreOf(words, record << UNIT_SHIFT, now) | 0;
    if (score === KEPT || !takeOut(tracker, record, score === STALE ? Counter.expiredAtLookup : Counter.evicted)) {
      continue;
    }
    if (pools.mayUseReserved(pool)) {
      return true;
    }
    /* The limit was lowered below what is in use: one less, and the newcomer may ask again. */
    pools.release(pool, 0, participant);
    return pools.take(pool, participant) !== QUOTA_EXHAUSTED;
  }
  return false;
}

/** The slot of the connection to evict, or 0. */
function findVictim(tracker: Tracker, hash: number, now: number): number {
  const { table, eviction } = tracker;
  eviction.slot = 0;
  eviction.score = KEPT;
  eviction.probes = 0;
  const block = table.blockOf(hash);
  const lines = BucketTable.linesOf(block);
  for (let i = 0; i < OWN_LINES && i < lines; i++) {
    if (eviction.probes >= (eviction.score < FIRST_KINDS ? FEW : MANY)) {
      break;
    }
    probeLine(tracker, BucketTable.firstSlotOf(block, (hash + i) & (lines - 1)), now);
  }
  while (eviction.slot === 0 && eviction.budget > 0) {
    continueWalk(tracker, now);
  }
  return eviction.slot;
}

/** The walk's next steps in its bucket, until something is found, the bucket is done, or the budget used up. */
function continueWalk(tracker: Tracker, now: number): void {
  const { table, eviction } = tracker;
  const block = table.blockOfBucket(eviction.bucket);
  if (block !== eviction.block) {
    eviction.block = block;
    eviction.line = 0;
  }
  const lines = BucketTable.linesOf(block);
  while (eviction.slot === 0 && eviction.budget > 0 && eviction.line < lines) {
    eviction.probes = 0;
    probeLine(tracker, BucketTable.firstSlotOf(block, eviction.line), now);
    eviction.budget -= LINE_COST + eviction.probes * RECORD_COST;
    eviction.line++;
  }
  if (eviction.line >= lines) {
    eviction.bucket = (eviction.bucket + 1) & (table.bucketCount - 1);
    eviction.block = 0;
  }
}

/** Looks at the records of an index line for one that is worth less than the best so far. */
function probeLine(tracker: Tracker, firstSlot: number, now: number): void {
  const { words, eviction } = tracker;
  for (let slot = firstSlot; slot < firstSlot + LINE_ENTRIES; slot++) {
    const record = peek(words, slot);
    if (record === 0) {
      continue;
    }
    eviction.probes++;
    const score = evictionScoreOf(words, record << UNIT_SHIFT, now) | 0;
    if (score < eviction.score) {
      eviction.score = score;
      eviction.slot = slot;
    }
  }
}

/** What the connection at word `r` is worth keeping: STALE, KEPT, or between. A hint unless the record is linked. */
function evictionScoreOf(records: Words, r: number, now: number): number {
  const life = peek(records, r + ConnWord.LIFE);
  if ((life & LIFE_CLEANED) !== 0) {
    /* Somebody is removing it. */
    return KEPT;
  }
  const expires = peek(records, r + ConnWord.EXPIRES);
  if ((life & LIFE_FLAGS) !== 0 || isExpired(expires, now)) {
    return STALE;
  }
  const state = peek(records, r + ConnWord.STATE);
  const protocol = metaProtocol(records[r + ConnWord.META]!);
  let stage: number;
  if (protocol === Protocol.TCP) {
    stage = tcpStage(state) | 0;
  } else if (protocol === Protocol.ICMP || protocol === Protocol.ICMPV6) {
    stage = icmpStage(state) | 0;
  } else {
    stage = otherStage(state) | 0;
  }
  return stage === Stage.REPLIED ? KEPT : (stage << STAGE_SHIFT) + (((expires - now) | 0) >>> TIME_SHIFT) + 1;
}
