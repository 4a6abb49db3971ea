/**
 * The places in the code that take a lock, by number. A profile (lock-profile.ts) has figures for each of them.
 *
 * Each call of `lock` passes its site as a constant. Append new sites at the end. A profile that is written to a file
 * contains the names, so old files stay readable.
 */

export const LockSite = {
  unnamed: 0,
  create: 1,
  createTranslated: 2,
  remove: 3,
  update: 4,
  mark: 5,
  label: 6,
  helperExpect: 7,
  sequenceShift: 8,
  sequenceAdjustment: 9,
  slabRefill: 10,
  slabReturn: 11,
  linesAllocate: 12,
  linesRetire: 13,
  quota: 14,
  clockMove: 15,
  clockSwept: 16,
  timeoutsSet: 17,
  timeoutsDelete: 18,
  expectationFind: 19,
  expectationAdd: 20,
  expectationClean: 21,
  expectationVisit: 22,
  helperName: 23,
  zoneLimitCreate: 24,
  zoneLimitDelete: 25,
  fragmentHold: 26,
  fragmentFinish: 27,
  fragmentRelease: 28,
  fragmentPurge: 29,
  fragmentDump: 30,
  globalLock: 31,
  globalLists: 32,
  zoneLimitSet: 33,
  zoneListExtend: 34,
  zoneListShorten: 35,
  wheel: 36,
} as const;
export type LockSite = (typeof LockSite)[keyof typeof LockSite];

/** A profile's region has space for so many sites. */
export const MAX_LOCK_SITES = 48;

export interface LockSiteInfo {
  name: string;
  /** The lock's name. Finer than its lock class: the class `leaf` contains different locks. */
  lock: string;
}

const TABLE: Record<keyof typeof LockSite, [name: string, lock: string]> = {
  unnamed: ['unnamed', 'other'],
  create: ['create connection', 'bucket'],
  createTranslated: ['create with NAT', 'bucket'],
  remove: ['remove connection', 'bucket'],
  update: ['update state', 'connection'],
  mark: ['set mark', 'connection'],
  label: ['set label', 'connection'],
  helperExpect: ['helper expects', 'connection'],
  sequenceShift: ['shift sequence numbers', 'connection'],
  sequenceAdjustment: ['note seq_adj', 'connection'],
  slabRefill: ['refill records', 'slab'],
  slabReturn: ['return records', 'slab'],
  linesAllocate: ['allocate lines', 'line arena'],
  linesRetire: ['free lines', 'line arena'],
  quota: ['take or release quota', 'quota pool'],
  clockMove: ['move clock', 'clock'],
  clockSwept: ['note sweep', 'clock'],
  timeoutsSet: ['set timeout policy', 'timeout policies'],
  timeoutsDelete: ['delete timeout policy', 'timeout policies'],
  expectationFind: ['find expectation', 'expectations'],
  expectationAdd: ['add expectation', 'expectations'],
  expectationClean: ['clean expectations', 'expectations'],
  expectationVisit: ['visit expectations', 'expectations'],
  helperName: ['add helper name', 'helper names'],
  zoneLimitCreate: ['create zone limit', 'zone limits'],
  zoneLimitDelete: ['delete zone limit', 'zone limits'],
  fragmentHold: ['hold fragment', 'fragments'],
  fragmentFinish: ['finish datagram', 'fragments'],
  fragmentRelease: ['release datagrams', 'fragments'],
  fragmentPurge: ['purge fragments', 'fragments'],
  fragmentDump: ['dump fragments', 'fragments'],
  /* The baseline has one lock for all buckets: its bucket sites take this lock too. */
  globalLock: ['move expiration', 'bucket'],
  globalLists: ['take from lists', 'expiration lists'],
  zoneLimitSet: ['set zone limit', 'zone limits'],
  zoneListExtend: ['extend zone list', 'zone lists'],
  zoneListShorten: ['shorten zone list', 'zone lists'],
  wheel: ['turn the wheel', 'timer wheel'],
};

/** By site number. */
export const LOCK_SITES: readonly LockSiteInfo[] = Object.values(TABLE).map(([name, lock]) => ({ name, lock }));
