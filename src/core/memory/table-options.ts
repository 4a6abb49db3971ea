/** Options of a new table, and which values are refused. */

import type { EngineName } from '../engines/engine.ts';
import { expectWhole, shown, UsageError } from '../errors.ts';
import type { OptionNames } from '../options/option-names.ts';

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

export const MAX_BUCKETS = 65536;
/** With the default of 32 participants so many fit one table, whatever its buckets; with more, checkMemorySize decides. */
export const MAX_CONNECTIONS = 7_000_000;
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

/** @throws UsageError if it is no TableFull. */
export function checkTableFull(tableFull: TableFull): TableFull {
  if (tableFull !== 'refuse' && tableFull !== 'early-drop') {
    throw new UsageError(`tableFull must be 'refuse' or 'early-drop', not ${shown(tableFull)}`);
  }
  return tableFull;
}
