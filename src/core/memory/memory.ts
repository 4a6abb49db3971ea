/** Allocates the shared memory of a table, and checks memory that another thread hands over. */

import { randomBytes } from 'node:crypto';
import { allocateWords, load, type Words } from '../../shared/access.ts';
import { allocateProfile } from '../../shared/sync/lock-profile.ts';
import { allocateLedger } from '../table/reference-checks.ts';
import { expectObject, expectWhole, shown, UsageError } from '../errors.ts';
import { expectOptions } from '../options/option-names.ts';
import { eventsWords } from '../events/event-layout.ts';
import { allocateFragments, FRAGMENTS_WORDS } from '../fragments/region.ts';
import type { EngineName } from '../engines/engine.ts';
import { engineKind } from '../engines/registry.ts';
import { checkMemorySize, orTooMuch } from './memory-limits.ts';
import { memoryLayout, SettingWord } from './memory-layout.ts';
import {
  checkReclaim,
  checkTableFull,
  CONNTRACK_OPTIONS,
  type ConntrackOptions,
  expectPowerOfTwo,
  isSeed,
  MAX_BUCKETS,
  MAX_CONNECTIONS,
  MAX_EVENT_CAPACITY,
  MAX_PARTICIPANTS,
  type Reclaim,
} from './table-options.ts';

/** The memory of a tracker and what must be known to map it. Structured-cloneable. */
export interface TrackerMemory {
  readonly engine: EngineName;
  readonly bucketBits: number;
  readonly maxConnections: number;
  readonly maxParticipants: number;
  readonly reclaim: Reclaim;
  readonly hashKey: readonly [number, number];
  readonly words: Words;
  /** Rings of events (event-layout.ts), apart since nothing of them is on the path of a packet without events. */
  readonly events: Words;
  readonly eventCapacity: number;
  /** Held fragments (fragments/region.ts). */
  readonly fragments: Words;
  /** In a profiled process: what its threads record about locks (shared/lock-profile.ts). */
  readonly profile?: Words | undefined;
  /** In a checked process: what became of each record (checks.ts). Only checked threads may map such a table. */
  readonly ledger?: Words | undefined;
  /** The engine's own region (engines/registry.ts): expiration lists; of ct-bucket, which has none, a few words. */
  readonly lists: Words;
}

/** Reserves the region. @throws UsageError on an option out of range, and on sizes that do not fit together. */
export function allocateMemory(given: ConntrackOptions): TrackerMemory {
  const options = expectOptions('the options of a table', given, CONNTRACK_OPTIONS);
  const { engine = 'ct-bucket', tableFull = 'refuse', prefaultConnections = 0 } = options;
  const kind = engineKind(engine);
  const { buckets = 1024, maxConnections = 3_000_000, maxParticipants = 32, eventCapacity = 16_384 } = options;
  expectPowerOfTwo('buckets', buckets, MAX_BUCKETS);
  expectWhole('maxConnections', maxConnections, 1, MAX_CONNECTIONS);
  expectWhole('maxParticipants', maxParticipants, 1, MAX_PARTICIPANTS);
  expectPowerOfTwo('eventCapacity', eventCapacity, MAX_EVENT_CAPACITY);
  expectWhole('prefaultConnections', prefaultConnections, 0, maxConnections);
  const { reclaim = kind.reclaim } = options;
  checkReclaim(reclaim);
  checkTableFull(tableFull);
  const random = randomBytes(8);
  const { hashSeed = [random.readInt32LE(0), random.readInt32LE(4)] } = options;
  const seed: unknown = hashSeed;
  if (!isSeed(seed)) {
    throw new UsageError(`hashSeed must be two 32-bit whole numbers, not ${shown(seed)}`);
  }
  const [k0, k1] = seed;
  const sizes = { bucketBits: kind.hasBuckets ? Math.log2(buckets) : 0, maxConnections, maxParticipants };
  checkMemorySize(sizes, (each) => memoryLayout(each).end);
  const { end } = memoryLayout(sizes);
  const eventWords = eventsWords(maxParticipants, eventCapacity);
  const listWords = kind.regionWords(sizes);
  const inAll = end + eventWords + FRAGMENTS_WORDS + listWords;
  return orTooMuch('a table of this size', 'maxConnections, maxParticipants, eventCapacity', inAll, () => ({
    engine,
    ...sizes,
    reclaim,
    hashKey: [k0 | 0, k1 | 0],
    words: allocateWords(end),
    events: allocateWords(eventWords),
    eventCapacity,
    fragments: allocateFragments(),
    profile: allocateProfile(maxParticipants),
    ledger: allocateLedger(memoryLayout(sizes), maxParticipants),
    lists: allocateWords(listWords),
  }));
}

/** A number that two tables, or one table described in two ways, do not share. Never 0. */
export function memoryMark(memory: Omit<TrackerMemory, 'words' | 'events' | 'fragments' | 'lists'>): number {
  const { engine, bucketBits, maxConnections, maxParticipants, reclaim, hashKey, eventCapacity } = memory;
  const isReclaimedBySweep = reclaim === 'sweep' ? 1 : 0;
  const sizes = [bucketBits, maxConnections, maxParticipants, eventCapacity];
  return (
    [engineKind(engine).number, isReclaimedBySweep, ...sizes, ...hashKey].reduce(
      (hash, word) => Math.imul(hash ^ word ^ (hash >>> 15), 0x01000193),
      0x811c9dc5 | 0,
    ) | 1
  );
}

function expectRegion(what: string, words: unknown, length: number): void {
  const isShared = words instanceof Int32Array && words.buffer instanceof SharedArrayBuffer;
  if (!isShared || words.length !== length || words.byteOffset !== 0) {
    throw new UsageError(
      `the ${what} of a table's memory must be ${length} words of shared memory: hand over the memory of a Conntrack as it is, ` +
        'by workerData or postMessage (a copy as JSON, or with other sizes, is none)',
    );
  }
}

/**
 * Refuses what is not the memory of a table: an attachment to it would be a new table, or work on words of something else.
 * @throws UsageError
 */
export function checkMemory(memory: TrackerMemory): void {
  expectObject("a table's memory", memory);
  if (memory.words === undefined || memory.engine === undefined) {
    throw new UsageError(
      "what is attached to must be a table's memory: the `memory` of a Conntrack, not a handle or options",
    );
  }
  const kind = engineKind(memory.engine);
  expectWhole('bucketBits', memory.bucketBits, 0, kind.hasBuckets ? Math.log2(MAX_BUCKETS) : 0);
  expectWhole('maxConnections', memory.maxConnections, 1, MAX_CONNECTIONS);
  expectWhole('maxParticipants', memory.maxParticipants, 1, MAX_PARTICIPANTS);
  expectPowerOfTwo('eventCapacity', memory.eventCapacity, MAX_EVENT_CAPACITY);
  checkReclaim(memory.reclaim);
  if (!isSeed(memory.hashKey)) {
    throw new UsageError(
      `the hashKey of a table's memory must be two 32-bit whole numbers, not ${shown(memory.hashKey)}`,
    );
  }
  expectRegion('words', memory.words, memoryLayout(memory).end);
  expectRegion('events', memory.events, eventsWords(memory.maxParticipants, memory.eventCapacity));
  expectRegion('fragments', memory.fragments, FRAGMENTS_WORDS);
  expectRegion('lists', memory.lists, kind.regionWords(memory));
  if (load(memory.words, SettingWord.MARK) !== memoryMark(memory)) {
    throw new UsageError(
      "a table's memory must be as its Conntrack gave it: these words are another table's, or its settings were changed",
    );
  }
}
