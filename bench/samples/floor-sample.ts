/**
 * What cache lines cost that have to be touched, in a process of its own: `node floor-sample.js '<FloorOptions>'` prints a
 * FloorSample as a line of JSON. Lines are chosen at random from regions as large as those of a table, a batch's worth of them at
 * once, as conntrackExecute does it, so that their misses overlap. Nothing else is done.
 */

import { allocateWords } from '../../src/shared/access.ts';
import { LINE_WORDS } from '../../src/shared/memory/cache-line.ts';

export interface FloorOptions {
  connections: number;
  batchSize: number;
}

/** ns a packet: the best of several passes. */
export interface FloorSample {
  /** The loop alone. */
  loop: number;
  /** One line is read: of an index. */
  indexRead: number;
  /** One line of an index, then the line of a record that it names, each a loop of its own. */
  indexAndRecordRead: number;
  /** One line of an index and one line of its bucket's header are written; a record's line in order. */
  indexHeaderAndRecordWritten: number;
}

/** Index lines for each connection, and words of a record. */
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

/** Records lie in the order in which connections came, which is that in which they are looked up. */
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
