/** The implementation behind each engine name. */

import { LINE_WORDS } from '../../shared/memory/cache-line.ts';
import { shown, UsageError } from '../errors.ts';
import type { HashKeys } from '../path/key-hash.ts';
import type { BucketTable, BucketTableOptions } from '../table/bucket-table.ts';
import type { Checks } from '../table/reference-checks.ts';
import { MAX_ZONE } from '../zones/zone.ts';
import { BucketSweep } from './bucket-sweep/bucket-sweep.ts';
import { ENGINES, type EngineName } from './engine.ts';
import type { ExpiryParts, ExpiryStrategy } from './expiry.ts';
import { ListsByExpiry } from './expiration-lists/expiration-lists.ts';
import { listsWords, type TableSize } from './lists.ts';
import { ListsByQueues } from './queues/queues.ts';
import { TimerWheel } from './wheel/timer-wheel.ts';
import { wheelWords } from './wheel/wheel-layout.ts';
import { ShardKeys, shardsFor } from './shards/shard-keys.ts';
import { zoneTable } from './zones/zone-table.ts';

export interface EngineKind {
  /** Part of memoryMark; unique to the engine. */
  readonly number: number;
  /** True: ConntrackOptions.buckets says how many buckets the table has. */
  readonly hasBuckets: boolean;
  /** Otherwise: how many it has, or that there are some for each PMD (bucketsFor). Default: one, whose lock is the global one. */
  readonly buckets?: number | 'of each PMD';
  /** The rule which bucket a key belongs to. undefined: its hash decides. */
  readonly tableOf?: (options: BucketTableOptions, checks: Checks | undefined) => BucketTable;
  /** How keys are hashed. undefined: every bit of a hash depends on the whole key. */
  readonly keysOf?: (hashKey: readonly [number, number], bucketBits: number) => HashKeys;
  /** The default of ConntrackOptions.reclaim. */
  readonly reclaim: 'lookup-and-sweep' | 'sweep';
  /** Words of the engine's own shared region. */
  readonly regionWords: (size: TableSize) => number;
  /** A thread's strategy. */
  readonly strategyOf: (parts: ExpiryParts) => ExpiryStrategy;
}

const KINDS_BY_NAME: Readonly<Record<EngineName, EngineKind>> = {
  'ct-bucket': {
    number: 0,
    hasBuckets: true,
    reclaim: 'lookup-and-sweep',
    /* Unused. */
    regionWords: () => LINE_WORDS,
    strategyOf: (parts) => new BucketSweep(parts),
  },
  baseline: {
    number: 1,
    hasBuckets: false,
    reclaim: 'sweep',
    regionWords: listsWords,
    strategyOf: (parts) => new ListsByExpiry(parts),
  },
  'ct-scale': {
    number: 2,
    hasBuckets: false,
    reclaim: 'sweep',
    regionWords: listsWords,
    strategyOf: (parts) => new ListsByQueues(parts),
  },
  wheel: {
    number: 3,
    hasBuckets: true,
    reclaim: 'lookup-and-sweep',
    regionWords: wheelWords,
    strategyOf: (parts) => new TimerWheel(parts),
  },
  zones: {
    number: 4,
    hasBuckets: false,
    buckets: MAX_ZONE + 1,
    reclaim: 'lookup-and-sweep',
    regionWords: () => LINE_WORDS,
    tableOf: zoneTable,
    strategyOf: (parts) => new BucketSweep(parts),
  },
  shards: {
    number: 5,
    hasBuckets: false,
    buckets: 'of each PMD',
    reclaim: 'lookup-and-sweep',
    regionWords: () => LINE_WORDS,
    keysOf: (hashKey, bucketBits) => new ShardKeys(hashKey, bucketBits),
    strategyOf: (parts) => new BucketSweep(parts),
  },
};

/** Buckets of a table if ConntrackOptions.buckets does not say: of the engine `shards`, and of the others. */
const DEFAULT_SHARDS = 4;
const DEFAULT_BUCKETS = 1024;

/** log2 of the buckets of a table. @param asked ConntrackOptions.buckets */
export function bucketBitsOf(kind: EngineKind, asked = defaultBucketsOf(kind)): number {
  const { hasBuckets, buckets = 1 } = kind;
  return Math.log2(hasBuckets || buckets === 'of each PMD' ? asked : buckets);
}

function defaultBucketsOf({ buckets }: EngineKind): number {
  return buckets === 'of each PMD' ? DEFAULT_SHARDS : DEFAULT_BUCKETS;
}

/** The buckets of a table for so many PMDs: of the engine `shards` as the PMDs need, of the others as the caller wants. */
export function bucketsFor<Wanted extends number | undefined>(
  engine: EngineName,
  { threads, buckets }: { threads: number; buckets?: Wanted },
): number | Wanted {
  return engineKind(engine).buckets === 'of each PMD' ? shardsFor(threads) : (buckets as Wanted);
}

/** @throws UsageError if there is no engine of that name */
export function engineKind(name: EngineName): EngineKind {
  if (!ENGINES.includes(name)) {
    throw new UsageError(`engine must be one of ${ENGINES.join(', ')}, not ${shown(name)}`);
  }
  return KINDS_BY_NAME[name];
}
