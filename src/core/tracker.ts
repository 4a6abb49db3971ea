/**
 * One thread's view of a tracker: everything a thread needs to work on the shared table, made once per thread.
 * The operations are functions over it, a file each: execute, lookup, lifecycle (create, remove), sweep, dump, flush.
 */

import { store, type Words } from '../shared/access.ts';
import { LINE_WORDS } from '../shared/cache-line.ts';
import { countersOf } from '../shared/counters.ts';
import { CheckedEpochs, CheckedSlab } from '../shared/checked-memory.ts';
import { Epochs } from '../shared/epoch.ts';
import {
  adoptParticipant,
  claimParticipant,
  NO_THREAD,
  participantAt,
  ParticipantWord,
  releaseParticipant,
  type Participant,
  type ParticipantRegion,
} from '../shared/participant.ts';
import { RoomPools } from '../shared/room-pool.ts';
import { Slab } from '../shared/slab.ts';
import { Checks } from './checks.ts';
import { Eviction } from './evict.ts';
import { EventRing } from './events.ts';
import { Alg } from './alg/state.ts';
import { Engine, engineNumber } from './engines/engine.ts';
import { EngineIntent, ExpirationLists, MAX_SWEEP_FOUND } from './engines/lists.ts';
import { initialiseQueues } from './engines/queue.ts';
import { UsageError } from './errors.ts';
import { FragmentStore } from './fragments/store.ts';
import { derivedKey } from './key-hash.ts';
import { memoryLayout, memoryMark, SettingWord, type TrackerMemory } from './memory.ts';
import { MAX_BATCH } from './packet/batch.ts';
import { PARSED_WORDS } from './packet/key.ts';
import { BucketTable } from './table/bucket-table.ts';
import { CheckedBucketTable, CheckedLineArena } from './table/checked-table.ts';
import { ConnWord, UNIT_WORDS } from './table/conn.ts';
import { LineArena } from './table/line-arena.ts';
import { markThread } from './thread-mark.ts';
import { TimeoutPolicies } from './timeouts.ts';
import { ZoneLimits } from './zone-limits.ts';
import { ZonePolicies } from './zone-policies.ts';

/** Index lines per connection that prefaulting commits: an index grows to between 3/8 and 3/4 full. */
const LINES_PER_CONNECTION = 1 / (7 * 0.375);

/** Stale records that one search under a lock remembers for removal afterwards. */
const MAX_STALE = 8;

/** Default time between the starts of two sweeps: an expired connection goes about half a second later at the latest. */
const DEFAULT_SWEEP_INTERVAL_MS = 500;

/** Where in `Tracker.parsed` a key stands that was not read from a packet: behind those of the batch. */
export const SCRATCH_AT: number = MAX_BATCH * PARSED_WORDS;

/** A place at the table that is kept for the calling thread. */
export interface KeptPlace {
  participant: number;
  /** From the repair, or from whoever has reserved the place. */
  token: number;
}

export class Tracker {
  readonly memory: TrackerMemory;
  /** An Engine. */
  readonly engine: number;
  readonly participants: ParticipantRegion;
  /** The calling thread's own. */
  readonly participant: Participant;
  readonly epochs: Epochs;
  readonly slab: Slab;
  readonly arena: LineArena;
  readonly table: BucketTable;
  /** Of a checked process. */
  readonly checks: Checks | undefined;
  readonly rooms: RoomPools;
  /** The pool of `rooms` for all connections. */
  readonly room: number;
  readonly zoneLimits: ZoneLimits;
  readonly timeouts: TimeoutPolicies;
  readonly zonePolicies: ZonePolicies;
  /** The calling thread's own. */
  readonly eventRing: EventRing;
  readonly fragments: FragmentStore;
  /** Not used by ct-bucket. */
  readonly lists: ExpirationLists;
  /** Helpers: names, expectations, and the calling thread's own scratch memory. */
  readonly alg: Alg;
  /** The shared memory (memory.ts). */
  readonly words: Words;
  /** Word index of the settings (SettingWord). */
  readonly settings: number;
  readonly counters: Float64Array;
  readonly clock: Float64Array;
  /** What this thread was told last, in ms (clock.ts); NaN before. For events. */
  readonly time: Float64Array = new Float64Array([Number.NaN]);
  readonly hashKey0: number;
  readonly hashKey1: number;
  /** The key of choices that others see: translated ports and addresses. */
  readonly natKey0: number;
  readonly natKey1: number;
  /** Packets remove stale entries that they meet. */
  readonly reclaimsAtLookup: boolean;

  /** Parse results of the current batch (packet/key.ts), and one more at SCRATCH_AT. */
  readonly parsed: Int32Array = new Int32Array((MAX_BATCH + 1) * PARSED_WORDS);
  /** Stale records that a search under a lock has met. */
  readonly stale: Int32Array = new Int32Array(MAX_STALE);
  staleCount = 0;
  /** Connections of other keys, not dead, that the last search under a lock has met under the hash. */
  othersMet = 0;
  /** Stale records that a sweep of lists has found. */
  readonly sweepFound: Int32Array;
  /** The search for connections to evict from a full table. */
  readonly eviction: Eviction;
  /** State of the thread's random numbers (nat/tuple.ts). Never 0. */
  randomState: number;
  /** Keeps reads alive that only pull lines into the cache. */
  sink = 0;
  /** The place at the table was given up: it may be another thread's by now. */
  isClosed = false;

  /**
   * Maps the memory of a tracker for the calling thread and claims a participant.
   * @param place the participant to take over instead of claiming one (adoptParticipant); or the number of one to repair after,
   *   which stays its own
   * @throws RangeError when maxParticipants threads have already done so, or the place is not kept for this token
   */
  constructor(memory: TrackerMemory, place?: KeptPlace | number) {
    const { words, maxParticipants } = memory;
    const layout = memoryLayout(memory);
    const participants: ParticipantRegion = {
      words,
      base: layout.participants,
      maxParticipants,
      profile: memory.profile,
    };
    this.memory = memory;
    this.engine = engineNumber(memory.engine);
    this.words = words;
    this.participants = participants;
    if (typeof place === 'number') {
      this.participant = participantAt(participants, place);
      this.participant.wakeUp();
    } else {
      this.participant =
        place === undefined
          ? claimParticipant(participants)
          : adoptParticipant(participants, place.participant, place.token);
      markThread(this.participant);
    }
    const checks = Checks.of(memory, layout, participants, this.participant);
    this.checks = checks;
    this.epochs =
      checks === undefined
        ? new Epochs(words, layout.epochs, participants)
        : new CheckedEpochs(words, layout.epochs, participants, checks.readers, () => checks.quiescent());
    const slab = {
      words,
      base: layout.slab,
      records: words,
      unitWords: UNIT_WORDS,
      firstUnit: layout.records / UNIT_WORDS,
      endUnit: layout.end / UNIT_WORDS,
      linkWord: ConnWord.LINK,
      tagWord: ConnWord.TAG,
    };
    this.slab = checks === undefined ? new Slab(slab) : new CheckedSlab(slab, checks.records);
    const arena = {
      words,
      base: layout.arena,
      links: layout.arenaLinks,
      firstLine: layout.lines / LINE_WORDS,
      endLine: layout.lines / LINE_WORDS + layout.lineCount,
    };
    this.arena = checks === undefined ? new LineArena(arena) : new CheckedLineArena(arena, checks);
    const table = {
      bucketBits: memory.bucketBits,
      words,
      base: layout.buckets,
      directories: layout.directories,
      arena: this.arena,
      epochs: this.epochs,
    };
    this.table = checks === undefined ? new BucketTable(table) : new CheckedBucketTable(table, checks);
    this.rooms = new RoomPools({ words, maxParticipants });
    this.room = layout.room;
    this.zoneLimits = new ZoneLimits(words, layout.zones, maxParticipants);
    this.timeouts = new TimeoutPolicies(words, layout.timeouts);
    this.zonePolicies = new ZonePolicies(words, layout.zonePolicies);
    this.eventRing = new EventRing(memory.events, memory.eventCapacity, this.participant.id);
    this.fragments = new FragmentStore(memory.fragments);
    this.lists = new ExpirationLists(memory.lists, layout.records / UNIT_WORDS, this.participant);
    const found = this.lists.intentBase + EngineIntent.SWEEP_FOUND;
    this.sweepFound = words.subarray(found, found + MAX_SWEEP_FOUND);
    this.alg = new Alg(words, layout.helperNames, layout.expectations);
    this.settings = layout.settings;
    this.counters = countersOf(participants, this.participant.id);
    this.clock = new Float64Array(words.buffer, (layout.settings + SettingWord.CLOCK_MARK) * 4, 1);
    this.hashKey0 = memory.hashKey[0];
    this.hashKey1 = memory.hashKey[1];
    this.natKey0 = derivedKey(memory.hashKey, 0);
    this.natKey1 = derivedKey(memory.hashKey, 1);
    this.randomState = derivedKey(memory.hashKey, 2 + this.participant.id) | 1;
    this.eviction = new Eviction(maxParticipants, this.participant.id, this.table.bucketCount);
    this.reclaimsAtLookup = memory.reclaim === 'lookup-and-sweep';
  }

  /** Once, by whoever allocated the memory, before any other thread maps it. */
  initialise(prefaultConnections: number): void {
    this.epochs.initialise();
    this.slab.initialise();
    this.arena.initialise();
    if (prefaultConnections > 0) {
      this.arena.prefault(Math.ceil(prefaultConnections * LINES_PER_CONNECTION) + (2 << this.memory.bucketBits));
      this.slab.prefault(prefaultConnections + prefaultConnections / 64);
    }
    this.table.initialise(this.participant, prefaultConnections);
    this.rooms.setLimit(this.room, this.memory.maxConnections);
    this.timeouts.initialise();
    if (this.engine === Engine.SCALE) {
      initialiseQueues(this.lists);
    }
    this.clock[0] = Number.NaN;
    store(this.words, this.settings + SettingWord.MARK, memoryMark(this.memory));
    store(this.words, this.settings + SettingWord.TCP_SEQ_CHK, 1);
    store(this.words, this.settings + SettingWord.SWEEP_INTERVAL_MS, DEFAULT_SWEEP_INTERVAL_MS);
  }

  /** The calling thread may hold references into the table from here on. */
  enter(): void {
    this.assertOpen();
    this.epochs.enter(this.participant);
  }

  /** The calling thread holds no reference now; memory that it retired is freed when its time has come. */
  quiesce(): void {
    this.assertOpen();
    this.epochs.quiesce(this.participant);
    if (this.slab.retiredCount(this.participant) > 0 || this.arena.retiredCount(this.participant) > 0) {
      this.reclaim();
    }
  }

  /** Frees what this thread retired and nobody can see any more. */
  reclaim(): void {
    this.assertOpen();
    const oldest = this.epochs.advance();
    this.slab.reclaim(this.participant, oldest);
    this.arena.reclaim(this.participant, oldest);
  }

  /** The calling thread holds no reference and will not before it enters again. */
  leave(): void {
    this.assertOpen();
    this.epochs.leave(this.participant);
  }

  /** @throws UsageError when the place at the table was given up */
  assertOpen(): void {
    if (this.isClosed) {
      throw closedError();
    }
  }

  /**
   * Gives the participant back; the tracker is not to be used afterwards.
   * @param keepsPlace the place stays claimed: for whoever has claimed it for this thread
   */
  close(keepsPlace = false): void {
    this.leave();
    this.reclaim();
    this.rooms.returnAll(this.room, this.participant);
    this.isClosed = true;
    if (keepsPlace) {
      store(this.words, this.participant.base + ParticipantWord.THREAD, NO_THREAD);
    } else {
      releaseParticipant(this.participant);
    }
  }
}

function closedError(): UsageError {
  return new UsageError('this handle is closed: attach to the memory of the table for another one');
}
