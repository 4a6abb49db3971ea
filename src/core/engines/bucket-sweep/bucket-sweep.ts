/**
 * The engine `ct-bucket`: no lists. The sweeper walks all buckets and removes dead and expired connections.
 *
 * It skips index lines whose earliest expiry has not come (line-expiry.ts), and reads the records of the other lines only. It takes
 * a bucket's lock only to remove a connection, so no thread waits for the walk. The walk goes in steps of limited time, each inside
 * one epoch. A cursor keeps its position between steps.
 */

import { peek, store } from '../../../shared/access.ts';
import { LINE_WORDS } from '../../../shared/memory/cache-line.ts';
import type { Participant } from '../../../shared/memory/participant.ts';
import { Counter } from '../../counters.ts';
import { LINE_ENTRIES } from '../../table/bucket-layout.ts';
import { BucketTable } from '../../table/bucket-table.ts';
import { ConnWord, isExpired, LIFE_FLAGS, UNIT_SHIFT } from '../../table/conn.ts';
import type { ExpiryParts, Remover, SweepCursor } from '../expiry.ts';
import { WordExpiry } from '../word-expiry.ts';

/**
 * Work between two readings of the clock. The unit is the cost of skipping a line (about 5 ns). A visit costs more,
 * since the line's records are likely to miss the cache.
 */
const WORK_PER_CLOCK_READ = 512;
const VISIT_COST = 32;
/**
 * The longest time between two visits of a line, ms, whatever its connections say. If the clock was set back, an
 * earliest expiry of the old time has no effect beyond this.
 */
const MAX_VISIT_INTERVAL_MS = 30_000;

export class BucketSweep extends WordExpiry {
  private readonly table: BucketTable;
  readonly #participant: Participant;
  readonly #counters: Float64Array;

  constructor(parts: ExpiryParts) {
    super(parts, { linkedIntent: 0, sweepsAll: true, lists: undefined });
    this.table = parts.table;
    this.#participant = parts.participant;
    this.#counters = parts.counters;
  }

  protected override shortened(r: number, _timeout: number, expires: number): void {
    /* An atomic store: every sweeper that begins a visit after this sees the new expiry. */
    store(this.words, r + ConnWord.EXPIRES, expires);
    this.killed(r >>> UNIT_SHIFT);
  }

  override killed(record: number): void {
    this.table.requestVisit(record);
  }

  override expiredAtJump(_record: number, slot: number): void {
    this.table.requestVisitAt(slot);
  }

  override sweep(cursor: SweepCursor, now: number, endMs: number, remove: Remover): boolean {
    const table = this.table;
    for (;;) {
      const block = table.blockOfBucket(cursor.bucket);
      if (block !== cursor.block) {
        cursor.block = block;
        cursor.line = 0;
      }
      const lines = BucketTable.linesOf(block);
      while (cursor.line < lines) {
        this.#sweepLines(cursor, now, lines, remove);
        if (performance.now() >= endMs && cursor.line < lines) {
          return false;
        }
      }
      cursor.bucket = table.nextUsed(cursor.bucket + 1);
      cursor.block = 0;
      if (cursor.bucket === table.bucketCount) {
        cursor.bucket = 0;
        return true;
      }
      if (performance.now() >= endMs) {
        return false;
      }
    }
  }

  /** Advances the cursor in its block, by at most WORK_PER_CLOCK_READ. */
  #sweepLines(cursor: SweepCursor, now: number, lines: number, remove: Remover): void {
    const first = BucketTable.lineOf(cursor.block, 0);
    let index = cursor.line;
    for (let work = 0; index < lines && work < WORK_PER_CLOCK_READ; work++, index++) {
      const line = first + index * LINE_WORDS;
      if (this.table.mayHaveExpired(line, now)) {
        this.#sweepLine(cursor.bucket, line, BucketTable.firstSlotOf(cursor.block, index), now, remove);
        work += VISIT_COST;
      }
    }
    cursor.line = index;
  }

  /** Visits a line: removes its stale connections, and writes its earliest expiry. */
  #sweepLine(bucket: number, line: number, firstSlot: number, now: number, remove: Remover): void {
    const { words: records } = this;
    const table = this.table;
    const token = table.beginVisit(bucket, line, this.#participant);
    let left = MAX_VISIT_INTERVAL_MS;
    for (let slot = firstSlot; slot < firstSlot + LINE_ENTRIES; slot++) {
      const record = table.recordAt(slot);
      if (record === 0) {
        continue;
      }
      this.#counters[Counter.sweepVisited]!++;
      const r = record << UNIT_SHIFT;
      /* Read once: the value that decides is also the value that counts for the line. */
      const expires = peek(records, r + ConnWord.EXPIRES);
      if ((peek(records, r + ConnWord.LIFE) & LIFE_FLAGS) !== 0 || isExpired(expires, now)) {
        remove(record);
      } else {
        left = Math.min(left, (expires - now) | 0);
      }
    }
    table.endVisit(line, token, (now + left) | 0);
  }
}
