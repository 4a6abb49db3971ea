/**
 * The watch thread of a soak. If the main thread hangs, it prints the holder of each held lock and ends the process. It writes to
 * the file descriptor directly, because console output of a worker goes through the main thread.
 */

import { writeSync } from 'node:fs';
import { workerData } from 'node:worker_threads';
import { FragmentsWord } from '../../src/core/fragments/region.ts';
import type { TrackerMemory } from '../../src/core/memory/memory.ts';
import { memoryLayout, SettingWord } from '../../src/core/memory/memory-layout.ts';
import { BUCKET_WORDS, BucketWord } from '../../src/core/table/bucket-layout.ts';
import { LINE_WORDS } from '../../src/shared/memory/cache-line.ts';
import { ownerOf } from '../../src/shared/sync/mutex.ts';
import { PARTICIPANT_WORDS, ParticipantWord } from '../../src/shared/memory/participant.ts';
import { QuotaLayout } from '../../src/shared/quota/quota-pool.ts';
import { load, wait } from '../../src/shared/access.ts';
import { zoneListsLayout } from '../../src/core/zones/zone-lists-layout.ts';
import { Command, SideWord, SideWords } from './side-words.ts';

export interface WatchTask {
  memory: TrackerMemory;
  shared: SharedArrayBuffer;
  /** The main thread hangs if its heartbeat has not changed for this long, ms. */
  stallMs: number;
}

const { memory, shared, stallMs } = workerData as WatchTask;
const side = new SideWords(shared);
const STDERR = 2;
const CHECK_MS = 1000;

function heldLocks(): string[] {
  const { words, fragments, maxParticipants, bucketBits } = memory;
  const layout = memoryLayout(memory);
  const locks: [name: string, region: Int32Array<SharedArrayBuffer>, index: number][] = [
    ['slab', words, layout.slab],
    ['line arena', words, layout.arena],
    ['connection quota', words, layout.quota + QuotaLayout.MUTEX],
    ['timeout policies', words, layout.timeouts],
    ['zone limits', words, layout.zones + 1],
    ['helper names', words, layout.helperNames],
    ['expectations', words, layout.expectations],
    ['clock', words, layout.settings + SettingWord.CLOCK_MUTEX],
    ['fragments', fragments, FragmentsWord.MUTEX],
  ];
  const zoneLocks = zoneListsLayout(memory).locks;
  for (let id = 0; id < maxParticipants; id++) {
    locks.push([`zone lists of participant ${id}`, memory.zoneLists, zoneLocks + id * LINE_WORDS]);
  }
  for (let bucket = 0; bucket < 1 << bucketBits; bucket++) {
    locks.push([`bucket ${bucket}`, words, layout.buckets + bucket * BUCKET_WORDS + BucketWord.LOCK]);
  }
  const held = locks
    .filter(([, region, index]) => load(region, index) !== 0)
    .map(([name, region, index]) => `${name} by participant ${ownerOf(region, index)}`);
  for (let id = 0; id < maxParticipants; id++) {
    const base = layout.participants + id * PARTICIPANT_WORDS;
    const lines = Array.from(words.subarray(base, base + 2 * LINE_WORDS), (word) => word >>> 0).join(' ');
    if (load(words, base + ParticipantWord.CLAIMED) !== 0) {
      held.push(`participant ${id}: ${lines}`);
    }
  }
  return held;
}

let seen = side.beat;
let seenMs = performance.now();
while (load(side.words, SideWord.COMMAND) !== Command.end) {
  wait(side.words, SideWord.WATCH, 0, CHECK_MS);
  if (side.beat !== seen) {
    seen = side.beat;
    seenMs = performance.now();
  } else if (performance.now() - seenMs > stallMs) {
    const lines = [
      `ct-bucket: the main thread of the soak has hung for ${stallMs / 1000} s; held locks:`,
      ...heldLocks(),
    ];
    writeSync(STDERR, `${lines.join('\n  ')}\n`);
    process.kill(process.pid, 'SIGKILL');
  }
}
