/**
 * The memory of a tracker: one region of shared words, and what lies where in it.
 *
 *   settings        two lines, see SettingWord
 *   epochs, slab, arena, room, timeouts, participants      a few KiB each
 *   directories     one word per bucket                            (table/bucket-layout.ts)
 *   buckets         one cache line per bucket                      (table/bucket-layout.ts)
 *   zones           zone limits                                    (zone-limits.ts)
 *   helperNames, expectations                                      (alg/)
 *   zone policies   one word per zone                              (zone-policies.ts)
 *   arena links     one word per index line                        (table/line-arena.ts)
 *   lines           the buckets' indexes                           (table/line-arena.ts)
 *   records         the connections                                (table/conn.ts)
 *
 * The region is reserved at once and committed by the system page by page as it is touched. It is one region, mapped by
 * one typed array, because each further array costs the packet path several loads and checks after every call.
 * Records, lines and all else are named by word indexes into it (or line and unit numbers counted from its start), so
 * no base has to be added anywhere.
 *
 * A TrackerMemory goes to other threads by postMessage or workerData; each maps it with `new Tracker(memory)`.
 */

import { randomBytes } from 'node:crypto';
import { allocateWords, load, type Words } from '../../shared/access.ts';
import { LINE_WORDS, wholeLines } from '../../shared/memory/cache-line.ts';
import { EPOCH_WORDS } from '../../shared/memory/epoch.ts';
import { allocateProfile } from '../../shared/sync/lock-profile.ts';
import { PARTICIPANT_WORDS } from '../../shared/memory/participant.ts';
import { QuotaPools } from '../../shared/quota/quota-pool.ts';
import { Slab, SLAB_WORDS } from '../../shared/memory/slab.ts';
import { allocateLedger } from '../table/reference-checks.ts';
import { expectObject, expectWhole, shown, UsageError } from '../errors.ts';
import { expectOptions, type OptionNames } from '../options/option-names.ts';
import { Expectations } from '../alg/expectations.ts';
import { HelperNames } from '../alg/helper-names.ts';
import { eventsWords } from '../events/event-layout.ts';
import { allocateFragments, FRAGMENTS_WORDS } from '../fragments/region.ts';
import type { EngineName } from '../engines/engine.ts';
import { engineKind } from '../engines/registry.ts';
import { checkMemorySize, type MemorySizes, orTooMuch } from './memory-limits.ts';
import { BUCKET_WORDS, indexLinesFor } from '../table/bucket-layout.ts';
import { UNIT_WORDS } from '../table/conn.ts';
import { ARENA_WORDS } from '../table/line-arena.ts';
import { TIMEOUT_POLICIES_WORDS } from '../expiry/timeouts.ts';
import { ZoneLimits } from '../zones/zone-limits.ts';
import { ZONE_POLICIES_WORDS } from '../zones/zone-policies.ts';

/** What a packet does with a stale entry that it meets; see ConntrackOptions.reclaim. */
export type Reclaim = 'lookup-and-sweep' | 'sweep';

/** What becomes of a new connection for which there is no room; see ConntrackOptions.tableFull. */
export type TableFull = 'refuse' | 'early-drop';

export interface ConntrackOptions {
  /** Which of the review's three tables: see engines/engine.ts; default 'ct-bucket'. */
  engine?: EngineName;
  /** A power of two from 1 to 65536; default 1024. The other engines have one. */
  buckets?: number;
  /** The table is made for this many connections and refuses more; default 3,000,000. */
  maxConnections?: number;
  /** Commit memory for this many IPv4 connections, and size the index for them, before the start; default 0. */
  prefaultConnections?: number;
  /**
   * 'lookup-and-sweep' (default): a packet removes the stale entries that its search meets. 'sweep': it skips them,
   * and they occupy their place until the sweeper comes by, as in Open vSwitch; the default of the other engines.
   */
  reclaim?: Reclaim;
  /**
   * 'refuse' (default): a full table refuses new connections, as in Open vSwitch. 'early-drop': each takes the place
   * of one that is stale or was never answered (TCP: is not established); refused if none is found (evict.ts).
   */
  tableFull?: TableFull;
  /** Two 32-bit numbers as the key of the hash; default random. Give it for repeatable runs only. */
  hashSeed?: readonly [number, number];
  /** Threads that may work on the table at the same time (PMDs, sweeper, dumps); default 32. */
  maxParticipants?: number;
  /** Events that each thread can write before somebody has to read them; a power of two, default 16384. */
  eventCapacity?: number;
}

/** The names of the options above. */
export const CONNTRACK_OPTIONS: OptionNames<ConntrackOptions> = {
  engine: true,
  buckets: true,
  maxConnections: true,
  prefaultConnections: true,
  reclaim: true,
  tableFull: true,
  hashSeed: true,
  maxParticipants: true,
  eventCapacity: true,
};

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

/** Words of the settings: one line that is only read on the packet path, and one for the clock and the sweeper. */
export const SettingWord = {
  /** 1: check TCP sequence numbers. atomic: written from outside, read by every thread. */
  TCP_SEQ_CHK: 0,
  /** As TCP_SEQ_CHK, read by the sweeper. */
  SWEEP_INTERVAL_MS: 1,
  /** As TCP_SEQ_CHK. 1: a full table evicts (evict.ts), 0: it refuses. */
  EARLY_DROP: 8,
  /** memoryMark of the table that the words are of. Written once, before any other thread maps them. */
  MARK: 9,
  /** 1: somebody reads events. As TCP_SEQ_CHK; written by the reader of events. */
  EVENTS: 2,

  /** Mutex of the clock (clock.ts). */
  CLOCK_MUTEX: LINE_WORDS,
  /** Float64 (two words): the clock's mark. */
  CLOCK_MARK: LINE_WORDS + 2,
  /** The sweeper sleeps on it. atomic: 1 while a thread that was refused room wants it to come at once. */
  PRESSURE: LINE_WORDS + 4,
} as const;
const SETTINGS_WORDS: number = 2 * LINE_WORDS;

/** Word index at which each part starts. */
export interface MemoryLayout {
  settings: number;
  epochs: number;
  slab: number;
  arena: number;
  room: number;
  timeouts: number;
  participants: number;
  directories: number;
  buckets: number;
  zones: number;
  zonePolicies: number;
  helperNames: number;
  expectations: number;
  arenaLinks: number;
  lines: number;
  lineCount: number;
  records: number;
  /** Words in all. */
  end: number;
}

/** Up to the next pair of cache lines: processors fetch them in pairs. */
function evenLines(words: number): number {
  return Math.ceil(words / (2 * LINE_WORDS)) * 2 * LINE_WORDS;
}

export function memoryLayout(memory: MemorySizes): MemoryLayout {
  const { bucketBits, maxConnections, maxParticipants } = memory;
  const lineCount = indexLinesFor(maxConnections * 2, bucketBits);
  const settings = 0;
  const epochs = settings + SETTINGS_WORDS;
  const slab = epochs + EPOCH_WORDS;
  const arena = slab + SLAB_WORDS;
  const room = evenLines(arena + ARENA_WORDS);
  const timeouts = room + QuotaPools.wordsFor(maxParticipants);
  const participants = evenLines(timeouts + TIMEOUT_POLICIES_WORDS);
  const directories = evenLines(participants + maxParticipants * PARTICIPANT_WORDS);
  const buckets = evenLines(directories + (1 << bucketBits));
  const zones = buckets + (BUCKET_WORDS << bucketBits);
  const zonePolicies = zones + ZoneLimits.wordsFor(maxParticipants);
  const helperNames = zonePolicies + ZONE_POLICIES_WORDS;
  const expectations = evenLines(helperNames + HelperNames.WORDS);
  const arenaLinks = evenLines(expectations + Expectations.WORDS);
  const lines = arenaLinks + wholeLines(lineCount);
  const records = Math.ceil((lines + lineCount * LINE_WORDS) / (2 * UNIT_WORDS)) * 2 * UNIT_WORDS;
  const end = records + Slab.unitsFor(maxConnections, maxParticipants) * UNIT_WORDS;
  return {
    settings,
    epochs,
    slab,
    arena,
    room,
    timeouts,
    participants,
    directories,
    buckets,
    zones,
    zonePolicies,
    helperNames,
    expectations,
    arenaLinks,
    lines,
    lineCount,
    records,
    end,
  };
}

const MAX_BUCKETS = 65536;
/** With the default of 32 participants so many fit one table, whatever its buckets; with more, checkMemorySize decides. */
const MAX_CONNECTIONS = 7_000_000;
export const MAX_PARTICIPANTS = 256;
const MAX_EVENT_CAPACITY = 1 << 16;

function powerOfTwo(what: string, value: number, max: number): void {
  expectWhole(what, value, 1, max);
  if ((value & (value - 1)) !== 0) {
    throw new UsageError(`${what} must be a power of two, not ${shown(value)}`);
  }
}

function checkReclaim(reclaim: Reclaim): void {
  if (reclaim !== 'lookup-and-sweep' && reclaim !== 'sweep') {
    throw new UsageError(`reclaim must be 'lookup-and-sweep' or 'sweep', not ${shown(reclaim)}`);
  }
}

function isSeed(seed: unknown): seed is [number, number] {
  const isWord = (value: unknown) => Number.isInteger(value) && Math.abs(value as number) <= 0xffffffff;
  return Array.isArray(seed) && seed.length === 2 && seed.every(isWord);
}

/** @throws UsageError if it is no TableFull. */
export function checkTableFull(tableFull: TableFull): TableFull {
  if (tableFull !== 'refuse' && tableFull !== 'early-drop') {
    throw new UsageError(`tableFull must be 'refuse' or 'early-drop', not ${shown(tableFull)}`);
  }
  return tableFull;
}

/** Reserves the region. @throws UsageError on an option out of range, and on sizes that do not fit together. */
export function allocateMemory(given: ConntrackOptions): TrackerMemory {
  const options = expectOptions('the options of a table', given, CONNTRACK_OPTIONS);
  const { engine = 'ct-bucket', tableFull = 'refuse', prefaultConnections = 0 } = options;
  const kind = engineKind(engine);
  const { buckets = 1024, maxConnections = 3_000_000, maxParticipants = 32, eventCapacity = 16_384 } = options;
  powerOfTwo('buckets', buckets, MAX_BUCKETS);
  expectWhole('maxConnections', maxConnections, 1, MAX_CONNECTIONS);
  expectWhole('maxParticipants', maxParticipants, 1, MAX_PARTICIPANTS);
  powerOfTwo('eventCapacity', eventCapacity, MAX_EVENT_CAPACITY);
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
  powerOfTwo('eventCapacity', memory.eventCapacity, MAX_EVENT_CAPACITY);
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
