/**
 * The layout of a tracker's memory: one region of shared words.
 *
 *   settings        two lines, see SettingWord
 *   epochs, slab, arena, quota, timeouts, participants     a few KiB each
 *   directories     one word per bucket                            (table/bucket-layout.ts)
 *   buckets         one cache line per bucket                      (table/bucket-layout.ts)
 *   zones           zone limits                                    (zones/zone-limits.ts)
 *   helperNames, expectations                                      (alg/)
 *   zonePolicies    one word per zone                              (zones/zone-policies.ts)
 *   scratch         one block per participant                      (packet/batch-scratch.ts)
 *   arenaLinks      one word per index line                        (table/line-arena.ts)
 *   lines           the buckets' indexes                           (table/line-arena.ts)
 *   records         the connections                                (table/conn.ts)
 *
 * The process reserves the whole region at once. The system commits each page when a thread first touches it. One typed array maps
 * all of it, because every further array costs the packet path several loads and checks after each call. Records and lines are
 * named by word indexes into the region, or by numbers counted from its start, so no base has to be added.
 *
 * A TrackerMemory goes to other threads by postMessage or workerData; each maps it with `new Tracker(memory)`.
 */

import { evenLines, LINE_WORDS, wholeLines } from '../../shared/memory/cache-line.ts';
import { EPOCH_WORDS } from '../../shared/memory/epoch.ts';
import { PARTICIPANT_WORDS } from '../../shared/memory/participant.ts';
import { QuotaPools } from '../../shared/quota/quota-pool.ts';
import { SLAB_WORDS } from '../../shared/memory/slab.ts';
import { Expectations } from '../alg/expectations.ts';
import { HelperNames } from '../alg/helper-names.ts';
import { MAX_MEMORY_WORDS, type MemorySizes } from './memory-limits.ts';
import { tableShares } from './memory-shares.ts';
import { SCRATCH_BLOCK_WORDS } from '../packet/batch-scratch.ts';
import { BUCKET_WORDS } from '../table/bucket-layout.ts';
import { UNIT_WORDS } from '../table/conn.ts';
import { ARENA_WORDS } from '../table/line-arena.ts';
import { TIMEOUT_POLICIES_WORDS } from '../expiry/timeouts.ts';
import { ZoneLimits } from '../zones/zone-limits.ts';
import { ZONE_POLICIES_WORDS } from '../zones/zone-policies.ts';

/** Words of the settings: one line that the packet path only reads, and one line for the clock and the sweeper. */
export const SettingWord = {
  /** 1: check TCP sequence numbers. atomic: any thread with a handle writes it, every thread reads it. */
  TCP_SEQ_CHK: 0,
  /** Atomic as TCP_SEQ_CHK. The sweeper reads it. */
  SWEEP_INTERVAL_MS: 1,
  /** Atomic as TCP_SEQ_CHK. 1: a full table evicts (evict.ts), 0: it refuses. */
  EARLY_DROP: 8,
  /** memoryMark of the table. Written once, before any other thread maps the region. */
  MARK: 9,
  /** Atomic as TCP_SEQ_CHK. 1: a thread reads events. That thread writes it. */
  EVENTS: 2,

  /** Mutex of the clock (clock.ts). */
  CLOCK_MUTEX: LINE_WORDS,
  /** Float64 (two words): the clock's mark (clock.ts). */
  CLOCK_MARK: LINE_WORDS + 2,
  /** The sweeper sleeps on this word. atomic: 1 while a thread that was refused a connection wants a sweep at once. */
  PRESSURE: LINE_WORDS + 4,
} as const;
const SETTINGS_WORDS: number = 2 * LINE_WORDS;

/** Word index at which each part starts. */
export interface MemoryLayout {
  settings: number;
  epochs: number;
  slab: number;
  arena: number;
  quota: number;
  timeouts: number;
  participants: number;
  directories: number;
  buckets: number;
  zones: number;
  zonePolicies: number;
  helperNames: number;
  expectations: number;
  scratch: number;
  arenaLinks: number;
  lines: number;
  lineCount: number;
  records: number;
  recordUnits: number;
  /** Entries for which the index has its size from the start. 0: each bucket grows as it fills (memory-shares.ts). */
  entriesAtOnce: number;
  /** Words in all. */
  end: number;
}

export function memoryLayout(memory: MemorySizes): MemoryLayout {
  const { bucketBits, maxConnections, maxParticipants } = memory;
  const settings = 0;
  const epochs = settings + SETTINGS_WORDS;
  const slab = epochs + EPOCH_WORDS;
  const arena = slab + SLAB_WORDS;
  const quota = evenLines(arena + ARENA_WORDS);
  const timeouts = quota + QuotaPools.wordsFor(maxParticipants);
  const participants = evenLines(timeouts + TIMEOUT_POLICIES_WORDS);
  const directories = evenLines(participants + maxParticipants * PARTICIPANT_WORDS);
  const buckets = evenLines(directories + (1 << bucketBits));
  const zones = buckets + (BUCKET_WORDS << bucketBits);
  const zonePolicies = zones + ZoneLimits.wordsFor(maxParticipants);
  const helperNames = zonePolicies + ZONE_POLICIES_WORDS;
  const expectations = evenLines(helperNames + HelperNames.WORDS);
  const scratch = evenLines(expectations + Expectations.WORDS);
  const arenaLinks = evenLines(scratch + maxParticipants * SCRATCH_BLOCK_WORDS);
  const { lineCount, recordUnits, isWhole } = tableShares(memory, MAX_MEMORY_WORDS - arenaLinks);
  const lines = arenaLinks + wholeLines(lineCount);
  const records = Math.ceil((lines + lineCount * LINE_WORDS) / (2 * UNIT_WORDS)) * 2 * UNIT_WORDS;
  const end = records + recordUnits * UNIT_WORDS;
  return {
    settings,
    epochs,
    slab,
    arena,
    quota,
    timeouts,
    participants,
    directories,
    buckets,
    zones,
    zonePolicies,
    helperNames,
    expectations,
    scratch,
    arenaLinks,
    lines,
    lineCount,
    records,
    recordUnits,
    entriesAtOnce: isWhole ? 0 : maxConnections,
    end,
  };
}
