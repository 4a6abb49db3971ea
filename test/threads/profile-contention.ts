/**
 * A process started with CT_PROFILE=1: one thread holds bucket 2 of 4 for HOLD_MS after the other has begun to wait for it,
 * ROUNDS times. Prints the profile and how long the waiter was held up by its own clock.
 */

import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { profileOf } from '../../bench/profile/in-sample.ts';
import { Conntrack } from '../../src/core/conntrack.ts';
import type { TrackerMemory } from '../../src/core/memory.ts';
import { allocateWords, load, notify, store, wait, type Words } from '../../src/shared/access.ts';
import { LockSite } from '../../src/shared/lock-sites.ts';
import { workerEntry } from '../../src/workers/entry.ts';

const BUCKET = 2;
const ROUNDS = 20;
const HOLD_MS = 5;
/** Words: 0 the round in which the holder has the lock, 1 the round that the waiter has done. */
const HELD = 0;
const DONE = 1;

function awaitRound(words: Words, word: number, round: number): void {
  for (let seen = load(words, word); seen !== round; seen = load(words, word)) {
    wait(words, word, seen);
  }
}

function tell(words: Words, word: number, round: number): void {
  store(words, word, round);
  notify(words, word, 1);
}

if (isMainThread) {
  const ct = new Conntrack({ buckets: 4, maxConnections: 1000, maxParticipants: 2 });
  const words = allocateWords(2);
  const entry = workerEntry('profile-contention', import.meta.url);
  const worker = new Worker(entry.filename, { execArgv: entry.execArgv, workerData: { memory: ct.memory, words } });
  worker.on('error', (error) => {
    throw error;
  });
  const { table, participant } = ct.tracker;
  let waitedMs = 0;
  for (let round = 1; round <= ROUNDS; round++) {
    awaitRound(words, HELD, round);
    const from = performance.now();
    table.lockBucket(BUCKET, participant, LockSite.remove);
    waitedMs += performance.now() - from;
    table.unlockBucket(BUCKET);
    tell(words, DONE, round);
  }
  worker.on('exit', () => console.log(JSON.stringify({ waitedMs, ...profileOf(ct) })));
} else {
  const { memory, words } = workerData as { memory: TrackerMemory; words: Words };
  const ct = Conntrack.attach(memory);
  const { table, participant } = ct.tracker;
  for (let round = 1; round <= ROUNDS; round++) {
    table.lockBucket(BUCKET, participant, LockSite.create);
    tell(words, HELD, round);
    const end = performance.now() + HOLD_MS;
    while (performance.now() < end) {
      /* The other thread waits. */
    }
    table.unlockBucket(BUCKET);
    awaitRound(words, DONE, round);
  }
  ct.close();
}
