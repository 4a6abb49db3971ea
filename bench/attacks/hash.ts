/**
 * Hash flooding: tuples chosen to collide in one place of the index, where every search must pass all of them. The attacker
 * knows the code but not the key. One attack knows the key, to show the cost of a leaked key.
 */

import { CtAction } from '../../src/core/action.ts';
import { hashIpv4 } from '../../src/core/packet/hash.ts';
import { MAX_BATCH } from '../../src/core/packet/batch.ts';
import { Protocol, swapPorts } from '../../src/core/packet/layout.ts';
import { StepBatch } from '../workloads/step-batch.ts';
import { PATTERNS, tuplesOf } from '../workloads/tuples.ts';
import { bucketBound, searchBound } from './bounds.ts';
import type { Attack, AttackOptions, Target, Traffic } from './attack.ts';
import { ESTABLISHED } from './established.ts';
import { BATCHES_PER_MS } from './floods.ts';
import { randomTuples, randomWord, type TupleWords } from './tuples.ts';

const COMMIT = new CtAction({ commit: true });
const UDP_META: number = Protocol.UDP << 8;
const SPARE = 4096;

type Key = readonly [number, number];

function hashOf(words: TupleWords, i: number, [k0, k1]: Key): number {
  return hashIpv4(words[i * 3]!, words[i * 3 + 1]!, words[i * 3 + 2]!, UDP_META, k0, k1);
}

/** One UDP packet for each tuple, in a cycle. */
function packetsOf(target: Target, words: TupleWords): Traffic {
  const step = new StepBatch({ protocol: 'udp', batchSize: MAX_BATCH });
  const count = words.length / 3;
  const tuples = { first: 0, words };
  let from = 0;
  return {
    action: COMMIT,
    next: () => {
      if (from + MAX_BATCH > count) {
        from = 0;
      }
      step.fillGrid(0, MAX_BATCH);
      step.fillTuples(tuples, from, MAX_BATCH);
      from += MAX_BATCH;
      target.nowMs += 1 / BATCHES_PER_MS;
      return step.batch;
    },
  };
}

/** New connections of random tuples. */
export function randomConnections(target: Target): Traffic {
  return packetsOf(target, randomTuples(target, Math.max(MAX_BATCH, target.packets)).words);
}

/** `count` tuples whose hash under `key` has zeros in these bits. They share a bucket and neighbouring lines. */
function tuplesUnder(key: Key, count: number, highBits: number, lowBits: number, random: () => number): TupleWords {
  const words = new Int32Array(count * 3);
  const mask = (highBits === 0 ? 0 : -1 << (32 - highBits)) | ((1 << lowBits) - 1);
  const dst = randomWord(random);
  const ports = randomWord(random);
  for (let found = 0, src = randomWord(random); found < count; src = (src + 1) | 0) {
    if ((hashIpv4(src, dst, ports, UDP_META, key[0], key[1]) & mask) === 0) {
      words[found * 3] = src;
      words[found * 3 + 1] = dst;
      words[found * 3 + 2] = ports;
      found++;
    }
  }
  return words;
}

const OTHER_BITS = { high: 10, low: 2 };
/** Number of difference patterns. In each, half of the tuples are the other half with some bits flipped. */
const DIFFERENCES = 64;

/** Patterns, and differences that cancel in a hash that combines both ends by XOR or by a sum. */
function structured(target: Target): TupleWords {
  const { random } = target;
  const each = Math.max(MAX_BATCH, Math.ceil(target.packets / (Object.keys(PATTERNS).length + 4)));
  const families = Object.keys(PATTERNS).map((pattern) => tuplesOf(pattern, 0, each).words);
  const pairs = (other: (words: TupleWords, from: number, to: number, pair: number) => void) => {
    const { words } = randomTuples({ random }, each);
    for (let i = 0; i + 1 < each; i += 2) {
      words.copyWithin((i + 1) * 3, i * 3, i * 3 + 3);
      other(words, i * 3, (i + 1) * 3, i >> 1);
    }
    return words;
  };
  const turn = (at: number) => 1 << (at & 31);
  return concatenated([
    ...families,
    /* Exchange the addresses but not the ports: this is another connection. */
    pairs((words, from, to) => {
      words[to] = words[from + 1]!;
      words[to + 1] = words[from]!;
    }),
    /* Exchange the ports but not the addresses. */
    pairs((words, from, to) => {
      words[to + 2] = swapPorts(words[from + 2]!);
    }),
    /* Flip one bit in both addresses, or in an address and the ports. */
    pairs((words, _from, to, pair) => {
      words[to + (pair & 1)]! ^= turn(pair % DIFFERENCES);
      words[to + 1 + ((pair >> 1) & 1)]! ^= turn(pair % DIFFERENCES);
    }),
    /* Use one address twice: a hash that combines the addresses by XOR gets zero. */
    pairs((words, from, to) => {
      words[from + 1] = words[from]!;
      words[to] = words[from]! + 1;
      words[to + 1] = words[to]!;
    }),
  ]);
}

function concatenated(families: readonly TupleWords[]): TupleWords {
  const all = new Int32Array(families.reduce((sum, { length }) => sum + length, 0));
  families.reduce((at, family) => (all.set(family, at), at + family.length), 0);
  return all;
}

/** The tuples of an adaptive attacker: each step adds these numbers to the words. */
interface Recipe {
  start: readonly number[];
  step: readonly number[];
}

const TRIES = 400;
const TRIED_TUPLES = 2048;
const TRIED_CELLS_BITS = 8;
const OWN_KEYS = 3;

function cook({ start, step }: Recipe, count: number): TupleWords {
  const words = new Int32Array(count * 3);
  for (let i = 0; i < words.length; i++) {
    words[i] = start[i % 3]! + Math.imul(step[i % 3]!, Math.floor(i / 3));
  }
  return words;
}

/** Counts a recipe's tuples in the fullest place of each table. @returns the least count among tables with these keys */
function success(recipe: Recipe, keys: readonly Key[]): number {
  const words = cook(recipe, TRIED_TUPLES);
  const fullest = keys.map((key) => {
    const cells = new Int32Array(1 << TRIED_CELLS_BITS);
    for (let i = 0; i < TRIED_TUPLES; i++) {
      cells[hashOf(words, i, key) >>> (32 - TRIED_CELLS_BITS)]!++;
    }
    return Math.max(...cells);
  });
  return Math.min(...fullest);
}

/** Hill climbing: changes a bit of the best recipe, and keeps it if it fills a place of its own tables more. */
function adapted({ packets, random }: Target): TupleWords {
  const anyWords = () => [randomWord(random), randomWord(random), randomWord(random)];
  const keys = Array.from({ length: OWN_KEYS }, (): Key => [randomWord(random), randomWord(random)]);
  let best: Recipe = { start: anyWords(), step: anyWords() };
  let most = success(best, keys);
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const next = { start: [...best.start], step: [...best.step] };
    const of = random() < 0.5 ? next.start : next.step;
    of[Math.floor(random() * 3)]! ^= 1 << Math.floor(random() * 32);
    const reached = success(next, keys);
    if (reached >= most) {
      [best, most] = [next, reached];
    }
  }
  return cook(best, Math.max(MAX_BATCH, packets));
}

const KNOWN_BUCKETS_BITS = 4;
const KNOWN_LOW_BITS = 10;

function flood(description: string, tuples: (target: Target) => TupleWords, mostPackets?: number): Attack {
  return {
    description,
    tableOf: ({ packets }: AttackOptions) => ({ maxConnections: packets + 2 * ESTABLISHED + SPARE }),
    ordinary: randomConnections,
    attack: (target) => packetsOf(target, tuples(target)),
    bounds: ({ after }) => [searchBound(after), bucketBound(after)],
    ...(mostPackets === undefined ? {} : { mostPackets }),
  };
}

export const HASH_FLOODS = {
  'hash-other-key': flood(
    'tuples that collide under another key: in one bucket, in a quarter of its lines',
    ({ packets, random }) => {
      const key: Key = [randomWord(random), randomWord(random)];
      return tuplesUnder(key, Math.max(MAX_BATCH, packets), OTHER_BITS.high, OTHER_BITS.low, random);
    },
    20_000,
  ),
  'hash-structured': flood('patterns, swapped ends, and differences that cancel where ends are combined', structured),
  'hash-adapted': flood('tuples grown on tables of other keys until they fill a bucket of all of these', adapted),
  'hash-known-key': {
    ...flood(
      'the attacker knows the key: all tuples have one home line',
      ({ packets, random, conntrack }) =>
        tuplesUnder(conntrack.memory.hashKey, Math.max(MAX_BATCH, packets), KNOWN_BUCKETS_BITS, KNOWN_LOW_BITS, random),
      2016,
    ),
    tableOf: ({ packets }) => ({
      buckets: 1 << KNOWN_BUCKETS_BITS,
      maxConnections: packets + 2 * ESTABLISHED + SPARE,
    }),
    bounds: ({ packets, after, ordinary }) => [
      { what: 'lines of the longest search', value: after.longestSearch, limit: Math.ceil(packets / 7) + 40 },
      { what: 'memory of the index, bytes', value: after.lineBytes, limit: 4 * ordinary.lineBytes },
    ],
  },
} as const satisfies Record<string, Attack>;
