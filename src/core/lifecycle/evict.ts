/**
 * Early drop: in a full table a new connection may evict one that has seen no reply. So a flood of unreplied connections evicts
 * its own connections, and established ones stay.
 *
 * The evicted connection's unit of quota passes to the new one directly. The quota's count does not change, and the thread writes
 * no shared word except the lock and the index line of the victim's bucket.
 *
 * Candidates, in this order; within a kind the one closest to its expiry:
 *
 *   stale          expired or dead, not removed yet
 *   one packet     no reply: an ICMP request, a single TCP segment
 *   one way        several packets, no reply (UDP and others)
 *   half open      TCP before both ends acknowledged the other's SYN, or after both closed
 *
 * No other connection is chosen. A victim that gets its first reply after the choice is evicted all the same. The search is
 * bounded. It probes a few index lines at the new connection's home line, which are in the cache. If it finds no candidate there,
 * it walks over the buckets as far as its budget allows.
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
 * Records to probe near the home line, in whole index lines. Each probe is likely to miss the cache. In a flood one
 * line (3 records on average) shows several of the first two kinds, and the oldest of them is a good victim: then FEW
 * probes suffice. While no such victim was found, the limit is MANY.
 */
const FEW = 2;
const MANY = 8;
/** Index lines to probe there. */
const OWN_LINES = 4;

/**
 * The budget of the walk. Its unit is the cost of reading an index line, a few ns; probing a record is likely to miss
 * the cache. Every new connection adds INCOME, so in the long run none costs more than that, a few us. Unused budget is
 * kept up to MAX_BUDGET, which bounds the cost of a single connection.
 */
const LINE_COST = 1;
const RECORD_COST = 16;
/** log2 of the directory words in a cache line: what it costs to pass buckets without lines (BucketIndex.nextUsed). */
const DIRECTORIES_SHIFT = 4;
const INCOME = 512;

/** Attempts before the new connection is refused. An attempt fails if another thread removes the victim first. */
const ATTEMPTS = 4;

/** Eviction score of a stale connection. The lowest score is evicted first. */
const STALE = 0;
const STAGE_SHIFT = 28;
/** Scores of the kinds "stale" and "one packet" are below this. */
const FIRST_KINDS: number = (Stage.ONE_PACKET + 1) << STAGE_SHIFT;
/** A score holds the remaining time in units of 16 ms: 27 bits. */
const TIME_SHIFT = 4;

/**
 * Evicts a connection for the packet at `parsed[at...]`, which the full table would refuse. Does so only if the table's
 * setting says early drop. The caller holds no lock.
 * @returns true: a connection was removed, and the caller has its unit of quota
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
  eviction.budget = Math.min(eviction.budget + INCOME, MAX_BUDGET);
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const slot = findVictim(tracker, at, now) | 0;
    if (slot === 0) {
      return false;
    }
    /* The search read hints: check the victim again. */
    const record = table.recordAt(slot);
    const score = record === 0 ? KEPT : evictionScoreOf(words, record << UNIT_SHIFT, now) | 0;
    if (score === KEPT || !takeOut(tracker, record, score === STALE ? Counter.expiredAtLookup : Counter.evicted)) {
      continue;
    }
    if (pools.mayUseReserved(pool)) {
      return true;
    }
    /* The limit was lowered below the connections in use: release this unit, and try the quota again. */
    pools.release(pool, 0, participant);
    return pools.take(pool, participant) !== QUOTA_EXHAUSTED;
  }
  return false;
}

/** Finds the connection to evict for the key at `parsed[at...]`. @returns its slot, or 0 */
function findVictim(tracker: Tracker, at: number, now: number): number {
  const { table, eviction } = tracker;
  const { parsed } = tracker.scratch;
  const hash = parsed[at + ParsedWord.HASH]!;
  eviction.slot = 0;
  eviction.score = KEPT;
  eviction.probes = 0;
  const block = table.blockOf(hash, parsed, at + ParsedWord.META);
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

/** Continues the walk in its bucket until it finds a candidate, reaches the bucket's end, or runs out of budget. */
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
    const next = table.nextUsed(eviction.bucket + 1) | 0;
    eviction.budget -= ((next - eviction.bucket) >> DIRECTORIES_SHIFT) * LINE_COST;
    eviction.bucket = next & (table.bucketCount - 1);
    eviction.block = 0;
  }
}

/** Probes the records of an index line for one with a lower score than the best so far. */
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

/** The eviction score of the connection at word `r`: STALE, KEPT, or between. A hint unless the record is linked. */
function evictionScoreOf(records: Words, r: number, now: number): number {
  const life = peek(records, r + ConnWord.LIFE);
  if ((life & LIFE_CLEANED) !== 0) {
    /* Another thread is removing it. */
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
