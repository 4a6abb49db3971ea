/**
 * One thread's tracker: its handle of the table, and everything else that tracking packets needs. Each thread creates it once. Each
 * field is an object of the room that owns it. The operations are functions of a tracker, a file each: execute, lookup, create,
 * remove, sweep.
 */

import { store } from '../shared/access.ts';
import { Alg } from './alg/helper-tables.ts';
import { EventRing } from './events/event-ring.ts';
import { Eviction } from './lifecycle/eviction-search.ts';
import type { ExpiryStrategy } from './engines/expiry.ts';
import { engineKind } from './engines/registry.ts';
import { FragmentStore } from './fragments/store.ts';
import { derivedKey, type HashKeys, hashKeys } from './path/key-hash.ts';
import { memoryMark, type TrackerMemory } from './memory/memory.ts';
import { SettingWord } from './memory/memory-layout.ts';
import { PortRandom } from './nat/random.ts';
import { BatchScratch, SCRATCH_BLOCK_WORDS } from './packet/batch-scratch.ts';
import type { BatchModule } from './path/batch-module.ts';
import { SearchNotes } from './path/search-notes.ts';
import { indexLinesAtOnce } from './table/bucket-layout.ts';
import { UNIT_WORDS } from './table/conn.ts';
import { type KeptSlot, TableHandle } from './memory/table-handle.ts';
import { TimeoutPolicies } from './expiry/timeouts.ts';
import { ZoneLimits } from './zones/zone-limits.ts';
import { ZonePolicies } from './zones/zone-policies.ts';

/** Index lines per connection to prefault: after its growth an index is between 3/8 and 3/4 full. */
const LINES_PER_CONNECTION = 1 / (7 * 0.375);

/**
 * Default time between the starts of two sweeps: the sweeper removes an expired connection within about half a second.
 */
const DEFAULT_SWEEP_INTERVAL_MS = 500;

/** Purpose number for derivedKey: the first random number of each participant. */
const RANDOM_PURPOSE = 2;

export class Tracker extends TableHandle {
  readonly keys: HashKeys;
  readonly timeouts: TimeoutPolicies;
  readonly zoneLimits: ZoneLimits;
  readonly zonePolicies: ZonePolicies;
  /** The calling thread's own. */
  readonly eventRing: EventRing;
  /** Held fragments. */
  readonly fragments: FragmentStore;
  /** The engine: how the table finds expired connections. */
  readonly expiry: ExpiryStrategy;
  /** Helpers: names, expectations, and the calling thread's scratch memory. */
  readonly alg: Alg;
  /** The clock's mark (clock.ts). */
  readonly clock: Float64Array;
  /** The thread's last valid time, in ms (clock.ts); NaN before. Events carry it. */
  readonly time: Float64Array = new Float64Array([Number.NaN]);
  /** Do packets remove the stale entries that their searches find? */
  readonly reclaimsAtLookup: boolean;

  /** Scratch memory of the current batch. */
  readonly scratch: BatchScratch;
  /** Results of the last search under a lock. */
  readonly search: SearchNotes = new SearchNotes();
  /** The search for connections to evict from a full table. */
  readonly eviction: Eviction;
  readonly random: PortRandom;
  /** The packet path as WebAssembly, if this table can use it. undefined: not looked for yet (path/packet-module.ts) */
  packetModule: BatchModule | null | undefined = undefined;

  /**
   * Maps the memory of a tracker for the calling thread and claims a participant slot.
   * @param slot as in TableHandle
   * @throws RangeError when all maxParticipants slots are claimed, or the slot is not reserved for this token
   */
  constructor(given: TrackerMemory, slot?: KeptSlot | number) {
    super(given, slot);
    const { memory, words, layout, participant } = this;
    const { hashKey, maxParticipants } = memory;
    this.scratch = new BatchScratch(words, layout.scratch + participant.id * SCRATCH_BLOCK_WORDS);
    const { keysOf = hashKeys } = engineKind(memory.engine);
    this.keys = keysOf(hashKey, memory.bucketBits);
    this.timeouts = new TimeoutPolicies(words, layout.timeouts);
    this.zoneLimits = new ZoneLimits(words, layout.zones, maxParticipants);
    this.zonePolicies = new ZonePolicies(words, layout.zonePolicies);
    this.eventRing = new EventRing(memory.events, memory.eventCapacity, participant.id);
    this.fragments = new FragmentStore({
      words: memory.fragments,
      participant,
      keys: this.keys,
      parsed: this.scratch.parsed,
    });
    const { table, timeouts, counters, checks } = this;
    const firstUnit = layout.records / UNIT_WORDS;
    const region = memory.lists;
    const parts = { words, region, firstUnit, participant, maxParticipants, table, timeouts, counters, checks };
    this.expiry = engineKind(memory.engine).strategyOf(parts);
    this.alg = new Alg(words, layout.helperNames, layout.expectations);
    this.clock = new Float64Array(words.buffer, (layout.settings + SettingWord.CLOCK_MARK) * 4, 1);
    this.random = new PortRandom(derivedKey(hashKey, RANDOM_PURPOSE + participant.id));
    this.eviction = new Eviction(maxParticipants, participant.id, this.table.bucketCount);
    this.reclaimsAtLookup = memory.reclaim === 'lookup-and-sweep';
  }

  /** The thread that allocated the memory calls this once, before any other thread maps it. */
  initialise(prefaultConnections: number): void {
    this.epochs.initialise();
    this.slab.initialise();
    this.arena.initialise();
    this.zoneLists.initialise();
    if (prefaultConnections > 0) {
      const { bucketBits } = this.memory;
      const { entriesAtOnce } = this.layout;
      const linesAtOnce = entriesAtOnce === 0 ? 0 : indexLinesAtOnce(entriesAtOnce, bucketBits);
      const lines = Math.ceil(prefaultConnections * LINES_PER_CONNECTION) + (2 << bucketBits);
      this.arena.prefault(Math.max(lines, linesAtOnce));
      this.slab.prefault(prefaultConnections + prefaultConnections / 64);
    }
    this.table.initialise(this.participant, Math.max(prefaultConnections, this.layout.entriesAtOnce));
    this.quota.pools.setLimit(this.quota.pool, this.memory.maxConnections);
    this.timeouts.initialise();
    this.expiry.initialise(prefaultConnections);
    this.clock[0] = Number.NaN;
    store(this.words, this.settings + SettingWord.MARK, memoryMark(this.memory));
    store(this.words, this.settings + SettingWord.TCP_SEQ_CHK, 1);
    store(this.words, this.settings + SettingWord.SWEEP_INTERVAL_MS, DEFAULT_SWEEP_INTERVAL_MS);
  }
}
