/**
 * A process started with CT_PROFILE=1 and a table of 4 buckets. Two pairs of threads, ROUNDS times each: one thread holds a
 * bucket until the other has slept on it for some milliseconds; that one sends a packet that opens a connection in it, always
 * the same tuple. One pair after the other: the holder of the second holds five times as long as the first was kept waiting,
 * however long threads of a busy machine wait for processors.
 * Prints the profile, who is who, and how long the waiters slept: at least, by the holders' clocks, and at most, by their own.
 */

import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { profileOf } from '../../src/core/inspect/lock-records.ts';
import { CtAction } from '../../src/core/action.ts';
import { Conntrack } from '../../src/core/conntrack.ts';
import type { TrackerMemory } from '../../src/core/memory/memory.ts';
import { memoryLayout } from '../../src/core/memory/memory-layout.ts';
import { PacketBatch } from '../../src/core/packet/batch.ts';
import { ParsedWord } from '../../src/core/packet/key.ts';
import { BUCKET_WORDS, BucketWord } from '../../src/core/table/bucket-layout.ts';
import { allocateWords, load, notify, store, wait, type Words } from '../../src/shared/access.ts';
import { arriveAndWait, BARRIER_WORDS } from '../../src/shared/sync/barrier.ts';
import { LockSite } from '../../src/shared/sync/lock-sites.ts';
import { WAITERS } from '../../src/shared/sync/lock-word.ts';
import { workerEntry } from '../../src/workers/threads/entry.ts';
import { udp } from '../support/frames.ts';

/** The first pair begins when the second has done. */
const PAIRS = [
  { bucket: 2, holdMs: 5 },
  { bucket: 0, holdMs: 1 },
] as const;
const LAST: number = PAIRS.length - 1;
/** The first pair's waiting is so many times the second's. */
const MORE = 5;
const ROUNDS = 20;
const NOW_MS = 1000;

/** Words of a pair: the round in which the holder has the lock, the round that the waiter has done, their participants. */
const HELD = 0;
const DONE = 1;
const HOLDER = 2;
const WAITER = 3;
const PAIR_WORDS = 4;
/** Behind the pairs: all threads have their places at the table before one gives its own back. */
const BARRIER: number = PAIRS.length * PAIR_WORDS;

interface Task {
  memory: TrackerMemory;
  words: Words;
  pair: number;
  role: typeof HOLDER | typeof WAITER;
  heldMs: Float64Array<SharedArrayBuffer>;
  waitedMs: Float64Array<SharedArrayBuffer>;
}

function awaitRound(words: Words, word: number, round: number): void {
  for (let seen = load(words, word); seen !== round; seen = load(words, word)) {
    wait(words, word, seen);
  }
}

function tell(words: Words, word: number, round: number): void {
  store(words, word, round);
  notify(words, word, PAIRS.length);
}

if (isMainThread) {
  main();
} else {
  const task = workerData as Task;
  const ct = Conntrack.attach(task.memory);
  store(task.words, task.pair * PAIR_WORDS + task.role, ct.tracker.participant.id);
  arriveAndWait(task.words, BARRIER, 2 * PAIRS.length);
  if (task.role === HOLDER) {
    hold(ct, task);
  } else {
    open(ct, task);
  }
  /* A thread that closes takes the quota's lock, for which a thread of the other pair might wait. */
  arriveAndWait(task.words, BARRIER, 2 * PAIRS.length);
  ct.close();
}

function main(): void {
  const ct = new Conntrack({ buckets: 4, maxConnections: 1000, maxParticipants: 8 });
  /* Sets the table's clock. Otherwise the threads, all at once, take its lock to do so, and may wait there. */
  ct.sweep(NOW_MS);
  const words = allocateWords(BARRIER + BARRIER_WORDS);
  const heldMs = new Float64Array(new SharedArrayBuffer(PAIRS.length * 8));
  const waitedMs = new Float64Array(new SharedArrayBuffer(PAIRS.length * 8));
  const entry = workerEntry('profile-contention', import.meta.url);
  const tasks = PAIRS.flatMap((_, pair) =>
    ([HOLDER, WAITER] as const).map((role): Task => ({ memory: ct.memory, words, pair, role, heldMs, waitedMs })),
  );
  let running = tasks.length;
  for (const task of tasks) {
    const worker = new Worker(entry.filename, { execArgv: entry.execArgv, workerData: task });
    worker.on('error', (error) => {
      throw error;
    });
    worker.on('exit', () => {
      if (--running === 0) {
        const pairs = PAIRS.map(({ bucket }, pair) => ({
          bucket,
          holder: words[pair * PAIR_WORDS + HOLDER],
          waiter: words[pair * PAIR_WORDS + WAITER],
          heldMs: heldMs[pair],
          waitedMs: waitedMs[pair],
        }));
        console.log(JSON.stringify({ pairs, ...profileOf(ct) }));
      }
    });
  }
}

function hold({ memory, tracker: { table, participant } }: Conntrack, task: Task): void {
  const { words, pair, heldMs, waitedMs } = task;
  const { bucket } = PAIRS[pair]!;
  if (pair !== LAST) {
    awaitRound(words, LAST * PAIR_WORDS + DONE, ROUNDS);
  }
  const holdMs = Math.max(PAIRS[pair]!.holdMs, pair === LAST ? 0 : (MORE * waitedMs[LAST]!) / ROUNDS);
  const lockWord = memoryLayout(memory).buckets + bucket * BUCKET_WORDS + BucketWord.LOCK;
  for (let round = 1; round <= ROUNDS; round++) {
    table.lockBucket(bucket, participant, LockSite.remove);
    tell(words, pair * PAIR_WORDS + HELD, round);
    while ((load(memory.words, lockWord) & WAITERS) === 0) {
      /* The other thread does not sleep yet. */
    }
    const from = performance.now();
    let now = from;
    while (now < from + holdMs) {
      /* The other thread waits. */
      now = performance.now();
    }
    heldMs[pair]! += now - from;
    table.unlockBucket(bucket);
    awaitRound(words, pair * PAIR_WORDS + DONE, round);
  }
}

function open(ct: Conntrack, { words, pair, waitedMs }: Task): void {
  const ends = hotTuple(ct, PAIRS[pair]!.bucket);
  const frame = udp(ends);
  const { sport, dport, ...addresses } = ends;
  const tuple = { ...addresses, proto: 17, sport, dport };
  const action = new CtAction({ commit: true });
  for (let round = 1; round <= ROUNDS; round++) {
    const batch = PacketBatch.allocate();
    batch.add(frame);
    awaitRound(words, pair * PAIR_WORDS + HELD, round);
    const from = performance.now();
    ct.execute(batch, action, NOW_MS);
    waitedMs[pair]! += performance.now() - from;
    ct.flushTuple(tuple, { nowMs: NOW_MS });
    tell(words, pair * PAIR_WORDS + DONE, round);
  }
}

/** Ends of a connection that stands in the bucket. */
function hotTuple(ct: Conntrack, bucket: number): Parameters<typeof udp>[0] {
  for (let sport = 1; ; sport++) {
    const ends = { src: '10.0.0.1', dst: '10.0.0.2', sport, dport: 53 };
    const batch = PacketBatch.allocate();
    batch.add(udp(ends));
    ct.execute(batch, new CtAction({}), NOW_MS);
    const { parsed } = ct.tracker.scratch;
    if (ct.tracker.table.bucketOf(parsed[ParsedWord.HASH]!, parsed, ParsedWord.META) === bucket) {
      return ends;
    }
  }
}
