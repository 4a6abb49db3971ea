/**
 * What the lock profiler records, and where. profiled-mutex.ts writes it, bench/profile/ reads it.
 *
 * One region of shared words for each tracker of a profiled process:
 *
 *   header line     ProfileWord
 *   predecessors    PREDECESSOR_WORDS: who held a lock last, for locks that have no line of their own
 *   blocks          one per participant, which only that participant writes; read when it is done
 *
 * A block: a line of BlockWord; then for each site SITE_FLOATS 64-bit floats (SiteFloat), the histograms of its waits and
 * its holds (HISTOGRAM_BINS words each, see binOf), and what it waited for: for each holding thread and for each holding
 * site HELD_FLOATS floats (HeldFloat). Reserved at once, committed page by page, so that it costs what is used.
 *
 * Times are nanoseconds. Each thread's are differences of its own clock, so no two clocks are ever compared; only the window
 * of a site's activity (FIRST_MS, LAST_MS) is taken from the system's clock, for rates.
 */

import { allocateWords, type Words } from '../access.ts';
import { LINE_WORDS, wholeLines } from '../memory/cache-line.ts';
import { MAX_LOCK_SITES } from './lock-sites.ts';

/** CT_PROFILE=n in the environment of the process: profile, and look at one acquisition of n. */
function samplingOf(text: string | undefined): number {
  const every = Number(text ?? 0);
  return Number.isInteger(every) && every >= 1 && every <= MAX_SAMPLE_EVERY ? every : 0;
}

export const MAX_SAMPLE_EVERY = 1_000_000;

/** One acquisition of so many is looked at, 0 in a process that is not profiled. In small letters: the build writes capitals out as numbers. */
const sampleEvery: number = samplingOf(process.env['CT_PROFILE']);

/** True in a process started with CT_PROFILE=n: the locks of its trackers are profiled. */
export const PROFILED: boolean = sampleEvery > 0;

/**
 * Behind a lock that has a cache line of its own: offsets from the lock's word. Written under the lock, in a profiled
 * process; the lock's line is this core's at that moment, so it costs nothing. Read as hints.
 */
export const LockLineWord = {
  /** The tag of who holds it, or held it last. */
  HOLDER: 4,
  ACQUISITIONS: 5,
  CONTENDED: 6,
  /** Waits of all together in ns, in units of 1 and of 2^30. */
  WAIT_LOW: 7,
  WAIT_HIGH: 8,
} as const;
export const WAIT_HIGH_SHIFT = 30;

export const ProfileWord = { SAMPLE_EVERY: 0, PARTICIPANTS: 1 } as const;

/** A power of two. A word: high half of a lock's mixed index, tag of who holds it or held it last. */
export const PREDECESSOR_WORDS = 1 << 14;
/** Of the connections' locks, of which there are millions, one of so many is noted there. A power of two. */
export const LOCKS_PER_PREDECESSOR = 256;

/** Who a thread is, for those who read a profile. */
export const ThreadRole = { unused: 0, thread: 1, pmd: 2, sweeper: 3 } as const;
export type ThreadRole = (typeof ThreadRole)[keyof typeof ThreadRole];

export const BlockWord = {
  /** A ThreadRole. */
  ROLE: 0,
} as const;
const BLOCK_HEADER = LINE_WORDS;

export const SiteFloat = {
  LOCK_CLASS: 0,
  /** Those that were looked at, each for all since the last that was. What is said of waits is exact. */
  ACQUISITIONS: 1,
  /** Acquisitions that had to wait. */
  CONTENDED: 2,
  /** tryLock that found it taken. */
  TRIES_FAILED: 3,
  /** Looks at a taken lock before sleeping. */
  SPINS: 4,
  PARKS: 5,
  NOTIFIES: 6,
  /** Acquisitions of which was noted who held the lock before, and those of these where it was another thread. */
  PREDECESSORS: 7,
  BOUNCES: 8,
  WAIT_TOTAL: 9,
  WAIT_MIN: 10,
  WAIT_MAX: 11,
  LONG_WAITS: 12,
  /** The holds that were timed. */
  HOLDS: 13,
  HOLD_TOTAL: 14,
  HOLD_MIN: 15,
  HOLD_MAX: 16,
  LONG_HOLDS: 17,
  /** When the first and the last timed hold ended: ms of the system's clock. */
  FIRST_MS: 18,
  LAST_MS: 19,
} as const;
export const SITE_FLOATS = 24;

/** What a site waited while one thread, or one site, held the lock. */
export const HeldFloat = { WAITS: 0, NS: 1, LONG: 2, LONG_NS: 3 } as const;
export const HELD_FLOATS = 4;

/** A wait or a hold from this on is long: a holder of critical sections of microseconds was not running. */
export const LONG_NS = 1_000_000;

/** Bins of a power of two are 8: a bin is at most 1/8 wide, its middle at most 1/16 wrong. */
const BIN_BITS = 3;
/** Up to 2^31 ns; what is longer goes to the last bin. */
const MAX_BIN_NS = 0x7fffffff;
export const HISTOGRAM_BINS = 240;

/** Bin of a time in ns. */
export function binOf(ns: number): number {
  const value = ns >= MAX_BIN_NS ? MAX_BIN_NS : ns | 0;
  if (value < 1 << BIN_BITS) {
    return value < 0 ? 0 : value;
  }
  const exponent = 31 - Math.clz32(value);
  return ((exponent - BIN_BITS) << BIN_BITS) + (value >>> (exponent - BIN_BITS));
}

/** The shortest time in ns that falls into a bin. */
export function binStart(bin: number): number {
  if (bin < 2 << BIN_BITS) {
    return bin;
  }
  const exponent = (bin >> BIN_BITS) - 1;
  return ((1 << BIN_BITS) + (bin & ((1 << BIN_BITS) - 1))) * 2 ** exponent;
}

/** Where the parts of a block lie, as word offsets from its start. */
export interface BlockLayout {
  sites: number;
  waitBins: number;
  holdBins: number;
  byThread: number;
  bySite: number;
  words: number;
}

export function blockLayout(participants: number): BlockLayout {
  const sites = BLOCK_HEADER;
  const waitBins = sites + MAX_LOCK_SITES * SITE_FLOATS * 2;
  const holdBins = waitBins + MAX_LOCK_SITES * HISTOGRAM_BINS;
  const byThread = holdBins + MAX_LOCK_SITES * HISTOGRAM_BINS;
  const bySite = byThread + MAX_LOCK_SITES * participants * HELD_FLOATS * 2;
  const words = wholeLines(bySite + MAX_LOCK_SITES * MAX_LOCK_SITES * HELD_FLOATS * 2);
  return { sites, waitBins, holdBins, byThread, bySite, words };
}

/** Word index of a participant's block. */
export function blockStart(participant: number, participants: number): number {
  return LINE_WORDS + PREDECESSOR_WORDS + participant * blockLayout(participants).words;
}

/** The region of a tracker with so many participants; undefined in a process that is not profiled. */
export function allocateProfile(participants: number): Words | undefined {
  if (!PROFILED) {
    return undefined;
  }
  const words = allocateWords(blockStart(participants, participants));
  words[ProfileWord.SAMPLE_EVERY] = sampleEvery;
  words[ProfileWord.PARTICIPANTS] = participants;
  return words;
}

/** A thread's hand on its block of a region. */
export class LockRecorder {
  readonly thread: number;
  readonly words: Words;
  readonly floats: Float64Array;
  /** Word index of the block. */
  readonly block: number;
  /** Indexes into `floats` of the first site's. */
  readonly sites: number;
  readonly byThread: number;
  readonly bySite: number;
  /** Indexes into `words`. */
  readonly waitBins: number;
  readonly holdBins: number;
  readonly participants: number;
  readonly sampleEvery: number;
  /** What this thread's clock counts from, in ms of the system's clock. */
  readonly originMs: number = performance.timeOrigin;
  /** Of the intervals between them. Never 0. */
  randomState: number;

  constructor(words: Words, thread: number) {
    const participants = words[ProfileWord.PARTICIPANTS]!;
    const layout = blockLayout(participants);
    this.thread = thread;
    this.words = words;
    this.floats = new Float64Array(words.buffer);
    this.block = blockStart(thread, participants);
    this.sites = (this.block + layout.sites) / 2;
    this.waitBins = this.block + layout.waitBins;
    this.holdBins = this.block + layout.holdBins;
    this.byThread = (this.block + layout.byThread) / 2;
    this.bySite = (this.block + layout.bySite) / 2;
    this.participants = participants;
    this.sampleEvery = words[ProfileWord.SAMPLE_EVERY]!;
    this.randomState = Math.imul(thread + 1, 0x9e3779b1) | 1;
    if (words[this.block + BlockWord.ROLE] === ThreadRole.unused) {
      words[this.block + BlockWord.ROLE] = ThreadRole.thread;
    }
  }

  /**
   * How many acquisitions until the next that is looked at. Random, from 1 to 2n - 1: an interval that never changes would
   * beat with what a packet does in turn.
   */
  nextInterval(): number {
    let x = this.randomState;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.randomState = x;
    return 1 + ((x >>> 1) % (2 * this.sampleEvery - 1));
  }
}

/** Says what the calling thread is, for those who read the profile. */
export function nameThread(recorder: LockRecorder | undefined, role: ThreadRole): void {
  if (recorder !== undefined) {
    recorder.words[recorder.block + BlockWord.ROLE] = role;
  }
}
