/**
 * The cost of touching cache lines, and nothing else. `node floor-sample.js '<FloorOptions>'` prints a FloorSample as a line of
 * JSON. The lines are random, from regions as large as a table's. Like conntrackExecute, the loop touches a batch of them at
 * once, so that their misses overlap.
 */

import { allocateWords } from '../../src/shared/access.ts';
import { LINE_WORDS } from '../../src/shared/memory/cache-line.ts';

export interface FloorOptions {
  connections: number;
  batchSize: number;
}

/** ns for a packet, as the best of several passes. */
export interface FloorSample {
  /** The empty loop. */
  loop: number;
  /** Reads one line of an index. */
  indexRead: number;
  /** Reads one line of an index in a first loop, then the record's line that it names in a second loop. */
  indexAndRecordRead: number;
  /** Writes one line of an index, one line of the bucket's header, and the next record's line. */
  indexHeaderAndRecordWritten: number;
}

/** Index lines per connection, and words of a record. */
const LINES_PER_CONNECTION = 0.37;
const RECORD_WORDS = 32;
const BUCKETS = 1024;
const PASSES = 7;

const { connections, batchSize } = JSON.parse(process.argv[2]!) as FloorOptions;
const indexLines = Math.ceil(connections * LINES_PER_CONNECTION);
const index = allocateWords(indexLines * LINE_WORDS).fill(1);
const headers = allocateWords(BUCKETS * LINE_WORDS).fill(1);
const records = allocateWords(connections * RECORD_WORDS).fill(1);
const lineOf = Int32Array.from({ length: connections }, () => Math.floor(Math.random() * indexLines) * LINE_WORDS);
const headerOf = Int32Array.from({ length: connections }, () => Math.floor(Math.random() * BUCKETS) * LINE_WORDS);
let sink = 0;

function nothing(from: number, to: number): void {
  for (let i = from; i < to; i++) {
    sink ^= lineOf[i]!;
  }
}

function readIndex(from: number, to: number): void {
  for (let i = from; i < to; i++) {
    sink ^= index[lineOf[i]!]!;
  }
}

/** Records lie in the order of creation, and lookups come in the same order. */
function readRecords(from: number, to: number): void {
  for (let i = from; i < to; i++) {
    sink ^= records[i * RECORD_WORDS]!;
  }
}

function write(from: number, to: number): void {
  for (let i = from; i < to; i++) {
    index[lineOf[i]!] = i;
    headers[headerOf[i]!] = i;
  }
  for (let i = from; i < to; i++) {
    records[i * RECORD_WORDS] = i;
  }
}

function best(...steps: ((from: number, to: number) => void)[]): number {
  let least = Number.POSITIVE_INFINITY;
  for (let pass = 0; pass < PASSES; pass++) {
    const start = performance.now();
    for (let from = 0; from < connections; from += batchSize) {
      const to = Math.min(connections, from + batchSize);
      for (const step of steps) {
        step(from, to);
      }
    }
    least = Math.min(least, performance.now() - start);
  }
  return (least * 1e6) / connections;
}

const sample: FloorSample = {
  loop: best(nothing),
  indexRead: best(readIndex),
  indexAndRecordRead: best(readIndex, readRecords),
  indexHeaderAndRecordWritten: best(write),
};
console.log(JSON.stringify(sample));
if (sink === 0.5) {
  console.log();
}
