/** Walks over connections: over all of them, bucket by bucket, or over those of one zone. For threads other than PMDs. */

import type { TableHandle } from '../memory/table-handle.ts';
import { metaZone } from '../packet/key.ts';
import { ConnFlag, ConnWord, UNIT_SHIFT } from '../table/conn.ts';

/** Called with a record and the word index at which it begins. */
export type Visitor = (record: number, r: number) => void;

/** A walk in pieces. The caller is inside an epoch for each piece, and may leave it between two pieces. */
export interface TableWalk {
  readonly isDone: boolean;
  /** Visits the connections of the next piece, each once, also stale ones. */
  visitPiece(visit: Visitor): void;
}

/** @param zone undefined: all zones */
export function walkOf(tracker: TableHandle, zone: number | undefined): TableWalk {
  return zone === undefined ? new BucketWalk(tracker) : new ZoneWalk(tracker, zone);
}

/** Visits the records in a bucket's index, each once, also stale ones. */
export function visitBucket(tracker: TableHandle, bucket: number, visit: Visitor): void {
  const { table, words: records } = tracker;
  table.visitSlots(bucket, (record, slot) => {
    const r = record << UNIT_SHIFT;
    /* A record with two entries counts in the bucket of its original direction. */
    const isReverse =
      (records[r + ConnWord.FLAGS]! & ConnFlag.TWO_ENTRIES) !== 0 && table.hashAt(slot) !== records[r + ConnWord.HASH];
    if (!isReverse) {
      visit(record, r);
    }
  });
}

/** A piece is a bucket. */
class BucketWalk implements TableWalk {
  readonly #tracker: TableHandle;
  #bucket = 0;

  constructor(tracker: TableHandle) {
    this.#tracker = tracker;
  }

  get isDone(): boolean {
    return this.#bucket === this.#tracker.table.bucketCount;
  }

  visitPiece(visit: Visitor): void {
    visitBucket(this.#tracker, this.#bucket, visit);
    this.#bucket = this.#tracker.table.nextUsed(this.#bucket + 1);
  }
}

/** Records of a piece of a zone. */
const PIECE_RECORDS = 1024;

/**
 * The first piece reads the lists of the zone, which takes as long as the zone is large. Between two pieces a record may become
 * another connection, so each record is looked for in the index again.
 */
class ZoneWalk implements TableWalk {
  readonly #tracker: TableHandle;
  readonly #zone: number;
  #records: Int32Array | undefined;
  #next = 0;

  constructor(tracker: TableHandle, zone: number) {
    this.#tracker = tracker;
    this.#zone = zone;
  }

  get isDone(): boolean {
    return this.#next === this.#records?.length;
  }

  visitPiece(visit: Visitor): void {
    const { words, zoneLists } = this.#tracker;
    this.#records ??= zoneLists.recordsOf(this.#zone);
    const records = this.#records;
    const end = Math.min(this.#next + PIECE_RECORDS, records.length);
    while (this.#next < end) {
      const record = records[this.#next++]!;
      const r = record << UNIT_SHIFT;
      if (isLinked(this.#tracker, record) && metaZone(words[r + ConnWord.META]!) === this.#zone) {
        visit(record, r);
      }
    }
  }
}

/**
 * Does the record stand in the index, in its original direction? It may be free, or a thread may be filling it: then the search finds
 * nothing, or it finds the connection that was linked meanwhile. The caller may use in this epoch what was found.
 */
function isLinked({ table, words }: TableHandle, record: number): boolean {
  const r = record << UNIT_SHIFT;
  const hash = words[r + ConnWord.HASH]!;
  const block = table.blockOf(hash, words, r + ConnWord.META);
  for (let slot = table.next(block, hash, 0); slot !== 0; slot = table.next(block, hash, slot)) {
    if (table.recordAt(slot) === record) {
      return true;
    }
  }
  return false;
}
