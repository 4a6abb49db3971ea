/** Options of a new table, and the checks of their values. */

import type { EngineName } from '../engines/engine.ts';
import { expectWhole, shown, UsageError } from '../errors.ts';
import type { OptionNames } from '../options/option-names.ts';

/** What a packet does with a stale entry that its search finds; see ConntrackOptions.reclaim. */
export type Reclaim = 'lookup-and-sweep' | 'sweep';

/** What a full table does with a new connection; see ConntrackOptions.tableFull. */
export type TableFull = 'refuse' | 'early-drop';

export interface ConntrackOptions {
  /** Table implementation (engines/engine.ts); default 'ct-bucket'. */
  engine?: EngineName;
  /**
   * Number of buckets, a power of two from 1 to 65536; default 1024. The engines 'baseline' and 'ct-scale' always have
   * one, 'zones' one for each zone. In 'shards' it is the number of shards; default 4, and in a Datapath as its threads
   * need.
   */
  buckets?: number;
  /** Capacity of the table, in connections, at most 50,000,000; it refuses more. Default 3,000,000. */
  maxConnections?: number;
  /** Commit memory for this many IPv4 connections before the start, and size the index for them; default 0. */
  prefaultConnections?: number;
  /**
   * 'lookup-and-sweep' (default): a packet removes the stale entries that its search finds. 'sweep': it skips them, and
   * they stay until the sweeper removes them, as in Open vSwitch. That is the default of the other engines.
   */
  reclaim?: Reclaim;
  /**
   * 'refuse' (default): a full table refuses new connections, as in Open vSwitch. 'early-drop': a new connection evicts
   * one that is stale or has seen no reply (TCP: is not established). The table refuses it if the search finds none
   * (evict.ts).
   */
  tableFull?: TableFull;
  /** Two 32-bit numbers as the key of the hash; default random. Set it only to make runs repeatable. */
  hashSeed?: readonly [number, number];
  /** Threads that may use the table at the same time (PMDs, sweeper, dumps); default 32. */
  maxParticipants?: number;
  /** Capacity of each thread's event ring, in events; a power of two, default 16384. */
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

export const DEFAULT_CONNECTIONS = 3_000_000;
export const MAX_BUCKETS = 65536;
/**
 * This many fit with the default of 32 participants, whatever the buckets. With more participants checkMemorySize
 * decides. Of so many, all can be IPv4 connections without translation (memory-shares.ts).
 */
export const MAX_CONNECTIONS = 50_000_000;
/** With 32 participants the packet module can use a table of so many, if not of more (module-memory.ts). */
export const MAX_MODULE_CONNECTIONS = 6_000_000;
export const MAX_PARTICIPANTS = 256;
export const MAX_EVENT_CAPACITY = 1 << 16;

export function expectPowerOfTwo(what: string, value: number, max: number): void {
  expectWhole(what, value, 1, max);
  if ((value & (value - 1)) !== 0) {
    throw new UsageError(`${what} must be a power of two, not ${shown(value)}`);
  }
}

export function checkReclaim(reclaim: Reclaim): void {
  if (reclaim !== 'lookup-and-sweep' && reclaim !== 'sweep') {
    throw new UsageError(`reclaim must be 'lookup-and-sweep' or 'sweep', not ${shown(reclaim)}`);
  }
}

export function isSeed(seed: unknown): seed is [number, number] {
  const isWord = (value: unknown) => Number.isInteger(value) && Math.abs(value as number) <= 0xffffffff;
  return Array.isArray(seed) && seed.length === 2 && seed.every(isWord);
}

/** @throws UsageError unless it is 'refuse' or 'early-drop' */
export function checkTableFull(tableFull: TableFull): TableFull {
  if (tableFull !== 'refuse' && tableFull !== 'early-drop') {
    throw new UsageError(`tableFull must be 'refuse' or 'early-drop', not ${shown(tableFull)}`);
  }
  return tableFull;
}
