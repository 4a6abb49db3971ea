/** Allocates the shared memory of a table, and checks memory that another thread hands over. */

import { allocateWords, load, type Words } from '../../shared/access.ts';
import { allocateProfile } from '../../shared/sync/lock-profile.ts';
import { allocateLedger } from '../table/reference-checks.ts';
import { expectObject, expectWhole, shown, UsageError } from '../errors.ts';
import { eventsWords } from '../events/event-layout.ts';
import { allocateFragments, FRAGMENTS_WORDS } from '../fragments/region.ts';
import type { EngineName } from '../engines/engine.ts';
import { bucketBitsOf, engineKind } from '../engines/registry.ts';
import { zoneListsLayout } from '../zones/zone-lists-layout.ts';
import { withWholeArrays } from './large-arrays.ts';
import { orTooMuch } from './memory-limits.ts';
import { memoryLayout, SettingWord } from './memory-layout.ts';
import { allocateTable, type ModuleMemory, zoneListsByte } from './module-memory.ts';
import {
  checkReclaim,
  expectPowerOfTwo,
  isSeed,
  MAX_BUCKETS,
  MAX_CONNECTIONS,
  MAX_EVENT_CAPACITY,
  MAX_PARTICIPANTS,
  type Reclaim,
} from './table-options.ts';
import type { TablePlan } from './table-plan.ts';

/**
 * The memory of a tracker, and the figures that a thread needs to map it. A thread passes it to other threads by
 * postMessage or workerData; each maps it with `new Tracker(memory)`.
 */
export interface TrackerMemory {
  readonly engine: EngineName;
  readonly bucketBits: number;
  readonly maxConnections: number;
  readonly maxParticipants: number;
  readonly reclaim: Reclaim;
  readonly hashKey: readonly [number, number];
  readonly words: Words;
  /** What the packet module needs beside the words; undefined if they do not lie in WebAssembly memory. */
  readonly module?: ModuleMemory | undefined;
  /**
   * Rings of events (event-layout.ts). A region of their own, because a packet never touches it while nobody reads
   * events.
   */
  readonly events: Words;
  readonly eventCapacity: number;
  /** Held fragments (fragments/region.ts). */
  readonly fragments: Words;
  /** The connections of each zone (zones/zone-lists-layout.ts). */
  readonly zoneLists: Words;
  /** In a profiled process: the lock statistics of its threads (shared/sync/lock-profile.ts). */
  readonly profile?: Words | undefined;
  /**
   * In a checked process: the state of each record and index block (table/reference-checks.ts). Only checked threads
   * may map such a table.
   */
  readonly ledger?: Words | undefined;
  /**
   * The engine's own region (engines/registry.ts): expiration lists, or a wheel. ct-bucket has neither, and a region of a few
   * words.
   */
  readonly lists: Words;
}

/** Reserves the regions of a new table. @throws UsageError if the system refuses so much memory */
export function allocateMemory(plan: TablePlan): TrackerMemory {
  const { engine, sizes, reclaim, hashKey, eventCapacity, layout } = plan;
  const { maxParticipants } = sizes;
  return orTooMuch('a table of this size', 'maxConnections, maxParticipants or eventCapacity', plan.wordsInAll, () => ({
    engine,
    ...sizes,
    reclaim,
    hashKey,
    events: allocateWords(plan.eventWords),
    eventCapacity,
    fragments: allocateFragments(),
    profile: allocateProfile(maxParticipants),
    ledger: allocateLedger(layout, maxParticipants),
    lists: allocateWords(plan.listWords),
    /* Last: the table may take all the address space that is left, or do without, but the others need theirs. */
    ...allocateTable(layout.end, plan.zoneListWords),
  }));
}

/** A hash of a table's settings. It shows that memory and settings belong together. Never 0. */
export function memoryMark(
  memory: Omit<TrackerMemory, 'words' | 'events' | 'fragments' | 'zoneLists' | 'lists'>,
): number {
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

function expectRegion(what: string, words: unknown, length: number, firstByte = 0): void {
  const isShared = words instanceof Int32Array && words.buffer instanceof SharedArrayBuffer;
  if (!isShared || words.length !== length || words.byteOffset !== firstByte) {
    throw new UsageError(
      `the ${what} of a table's memory must be ${length} words of shared memory: pass the memory of a Conntrack unchanged, ` +
        'by workerData or postMessage (not as a JSON copy)',
    );
  }
}

/**
 * Checks that a value is the memory of a table. Without the check an attachment could create a new table, or overwrite
 * other words.
 * @throws UsageError
 */
export function checkMemory(given: TrackerMemory): void {
  expectObject("a table's memory", given);
  const memory = withWholeArrays(given);
  if (memory.words === undefined || memory.engine === undefined) {
    throw new UsageError("a table's memory must be the `memory` of a Conntrack, not a handle or options");
  }
  const kind = engineKind(memory.engine);
  expectWhole('bucketBits', memory.bucketBits, bucketBitsOf(kind, 1), bucketBitsOf(kind, MAX_BUCKETS));
  expectWhole('maxConnections', memory.maxConnections, 1, MAX_CONNECTIONS);
  expectWhole('maxParticipants', memory.maxParticipants, 1, MAX_PARTICIPANTS);
  expectPowerOfTwo('eventCapacity', memory.eventCapacity, MAX_EVENT_CAPACITY);
  checkReclaim(memory.reclaim);
  if (!isSeed(memory.hashKey)) {
    throw new UsageError(
      `the hashKey of a table's memory must be two 32-bit whole numbers, not ${shown(memory.hashKey)}`,
    );
  }
  const { end, recordUnits } = memoryLayout(memory);
  expectRegion('words', memory.words, end);
  expectRegion('events', memory.events, eventsWords(memory.maxParticipants, memory.eventCapacity));
  expectRegion('fragments', memory.fragments, FRAGMENTS_WORDS);
  const zoneListsFrom = memory.module === undefined ? 0 : zoneListsByte(end);
  expectRegion('zone lists', memory.zoneLists, zoneListsLayout(memory).end, zoneListsFrom);
  expectRegion('lists', memory.lists, kind.regionWords({ ...memory, recordUnits }));
  if (load(memory.words, SettingWord.MARK) !== memoryMark(memory)) {
    throw new UsageError(
      "the words and the settings of a table's memory must belong together: pass the memory of a Conntrack unchanged",
    );
  }
}
