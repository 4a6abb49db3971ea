/** A new table as its options describe it: checked options, and the words of each region. Nothing is allocated yet. */

import { randomBytes } from 'node:crypto';
import type { EngineName } from '../engines/engine.ts';
import { bucketBitsOf, engineKind } from '../engines/registry.ts';
import { expectWhole, shown, UsageError } from '../errors.ts';
import { eventsWords } from '../events/event-layout.ts';
import { FRAGMENTS_WORDS } from '../fragments/region.ts';
import { expectOptions } from '../options/option-names.ts';
import { zoneListsLayout } from '../zones/zone-lists-layout.ts';
import { type MemoryLayout, memoryLayout } from './memory-layout.ts';
import { checkMemorySize, type MemorySizes } from './memory-limits.ts';
import {
  checkReclaim,
  checkTableFull,
  CONNTRACK_OPTIONS,
  type ConntrackOptions,
  DEFAULT_CONNECTIONS,
  expectPowerOfTwo,
  isSeed,
  MAX_BUCKETS,
  MAX_CONNECTIONS,
  MAX_EVENT_CAPACITY,
  MAX_PARTICIPANTS,
  type Reclaim,
} from './table-options.ts';

export interface TablePlan {
  engine: EngineName;
  sizes: MemorySizes;
  /** Did the user choose maxConnections? */
  isChosen: boolean;
  prefaultConnections: number;
  reclaim: Reclaim;
  hashKey: readonly [number, number];
  eventCapacity: number;
  layout: MemoryLayout;
  eventWords: number;
  /** Words of the engine's own region. */
  listWords: number;
  zoneListWords: number;
  /** Words of all regions. */
  wordsInAll: number;
}

/** @throws UsageError on an option out of range, and on sizes that do not fit together */
export function tablePlan(given: ConntrackOptions): TablePlan {
  const options = expectOptions('the options of a table', given, CONNTRACK_OPTIONS);
  const { engine = 'ct-bucket', tableFull = 'refuse', prefaultConnections = 0 } = options;
  const kind = engineKind(engine);
  const { buckets, maxParticipants = 32, eventCapacity = 16_384 } = options;
  const { maxConnections = DEFAULT_CONNECTIONS, reclaim = kind.reclaim } = options;
  if (buckets !== undefined) {
    expectPowerOfTwo('buckets', buckets, MAX_BUCKETS);
  }
  expectWhole('maxConnections', maxConnections, 1, MAX_CONNECTIONS);
  expectWhole('maxParticipants', maxParticipants, 1, MAX_PARTICIPANTS);
  expectPowerOfTwo('eventCapacity', eventCapacity, MAX_EVENT_CAPACITY);
  expectWhole('prefaultConnections', prefaultConnections, 0, maxConnections);
  checkReclaim(reclaim);
  checkTableFull(tableFull);
  const hashKey = hashKeyOf(options);
  const sizes = { bucketBits: bucketBitsOf(kind, buckets), maxConnections, maxParticipants };
  checkMemorySize(sizes, (each) => memoryLayout(each).end);
  const layout = memoryLayout(sizes);
  const eventWords = eventsWords(maxParticipants, eventCapacity);
  const listWords = kind.regionWords({ ...sizes, recordUnits: layout.recordUnits });
  const zoneListWords = zoneListsLayout(sizes).end;
  return {
    engine,
    sizes,
    isChosen: options.maxConnections !== undefined,
    prefaultConnections,
    reclaim,
    hashKey,
    eventCapacity,
    layout,
    eventWords,
    listWords,
    zoneListWords,
    wordsInAll: layout.end + eventWords + FRAGMENTS_WORDS + listWords + zoneListWords,
  };
}

function hashKeyOf({ hashSeed }: ConntrackOptions): readonly [number, number] {
  const random = randomBytes(8);
  const seed: unknown = hashSeed ?? [random.readInt32LE(0), random.readInt32LE(4)];
  if (!isSeed(seed)) {
    throw new UsageError(`hashSeed must be two 32-bit whole numbers, not ${shown(seed)}`);
  }
  return [seed[0] | 0, seed[1] | 0];
}
