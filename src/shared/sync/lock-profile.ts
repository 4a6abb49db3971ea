/**
 * The records of the lock profiler, and where they lie. profiled-mutex.ts and profiled-wait.ts write them, bench/profile/
 * reads them.
 *
 * Each tracker of a profiled process has one region of shared words:
 *
 *   header line     ProfileWord
 *   predecessors    PREDECESSOR_WORDS: the last holder of locks that have no line of their own
 *   blocks          one for each participant. Only that participant writes it. Read when the participant is done.
 *
 * A block begins with a line of BlockWord. Then each site has:
 *
 *   SITE_FLOATS 64-bit floats (SiteFloat)
 *   two histograms, of its waits and its holds, of HISTOGRAM_BINS words each (binOf)
 *   HELD_FLOATS floats (HeldFloat) for each thread, and for each site, that held the lock while it waited
 *
 * The system commits the region page by page, so unused blocks cost no memory.
 *
 * Times are in nanoseconds. Each is a difference of one thread's clock, so no two clocks are compared. Only FIRST_MS and
 * LAST_MS come from the system's clock; rates are computed from them.
 */

import { allocateWords, type Words } from '../access.ts';
import { LINE_WORDS, wholeLines } from '../memory/cache-line.ts';
import { MAX_LOCK_SITES } from './lock-sites.ts';

/** The n of CT_PROFILE=n in the environment: one acquisition in n is sampled. 0: the process is not profiled. */
function samplingOf(text: string | undefined): number {
  const every = Number(text ?? 0);
  return Number.isInteger(every) && every >= 1 && every <= MAX_SAMPLE_EVERY ? every : 0;
}

export const MAX_SAMPLE_EVERY = 1_000_000;

/* The name is not in capitals, because the build replaces capitals by their values. */
const sampleEvery: number = samplingOf(process.env['CT_PROFILE']);

/** True in a process that was started with CT_PROFILE=n: the locks of its trackers are profiled. */
export const PROFILED: boolean = sampleEvery > 0;

/**
 * Words that follow a lock with a cache line of its own, as offsets from the lock's word. In a profiled process the holder
 * writes them. It owns the cache line then, so the stores cost little. Others read them as hints.
 */
export const LockLineWord = {
  /** The tag of the owner that holds the lock, or held it last. */
  HOLDER: 4,
  ACQUISITIONS: 5,
  CONTENDED: 6,
  /** Sum of all waits in ns: WAIT_LOW + WAIT_HIGH * 2^30. */
  WAIT_LOW: 7,
  WAIT_HIGH: 8,
} as const;
export const WAIT_HIGH_SHIFT = 30;

export const ProfileWord = { SAMPLE_EVERY: 0, PARTICIPANTS: 1 } as const;

/** A power of two. Each word: the high half of a lock's mixed index, and the tag of its last holder. */
export const PREDECESSOR_WORDS = 1 << 14;
/** One connection lock in so many is noted there: there are millions of them. A power of two. */
export const LOCKS_PER_PREDECESSOR = 256;

/** The kind of a thread, for readers of a profile. */
export const ThreadRole = { unused: 0, thread: 1, pmd: 2, sweeper: 3 } as const;
export type ThreadRole = (typeof ThreadRole)[keyof typeof ThreadRole];

export const BlockWord = {
  /** A ThreadRole. */
  ROLE: 0,
} as const;
const BLOCK_HEADER = LINE_WORDS;

export const SiteFloat = {
  LOCK_CLASS: 0,
  /** Estimated from samples: each sample stands for all acquisitions since the last one. Figures of waits are exact. */
  ACQUISITIONS: 1,
  /** Acquisitions that had to wait. */
  CONTENDED: 2,
  /** Calls of tryLock that found the lock taken. */
  TRIES_FAILED: 3,
  /** Looks at a taken lock before sleeping. */
  SPINS: 4,
  PARKS: 5,
  NOTIFIES: 6,
  /** Acquisitions whose previous holder is known; and those of them whose previous holder was another thread. */
  PREDECESSORS: 7,
  BOUNCES: 8,
  WAIT_TOTAL: 9,
  WAIT_MIN: 10,
  WAIT_MAX: 11,
  LONG_WAITS: 12,
  /** Timed holds. */
  HOLDS: 13,
  HOLD_TOTAL: 14,
  HOLD_MIN: 15,
  HOLD_MAX: 16,
  LONG_HOLDS: 17,
  /** End of the first and of the last timed hold, in ms of the system's clock. */
  FIRST_MS: 18,
  LAST_MS: 19,
} as const;
export const SITE_FLOATS = 24;

/** A site's waits for one holding thread, or for one holding site. */
export const HeldFloat = { WAITS: 0, NS: 1, LONG: 2, LONG_NS: 3 } as const;
export const HELD_FLOATS = 4;

/** A wait or hold of at least this is long. Critical sections take microseconds, so the holder was not running. */
export const LONG_NS = 1_000_000;

/** Each power of two has 8 bins. So a bin is at most 1/8 of its value wide, and its middle is wrong by 1/16 at most. */
const BIN_BITS = 3;
/** Longer times go to the last bin. */
const MAX_BIN_NS = 0x7fffffff;
export const HISTOGRAM_BINS = 240;

/** The bin of a time in ns. */
export function binOf(ns: number): number {
  const value = ns >= MAX_BIN_NS ? MAX_BIN_NS : ns | 0;
  if (value < 1 << BIN_BITS) {
    return value < 0 ? 0 : value;
  }
  const exponent = 31 - Math.clz32(value);
  return ((exponent - BIN_BITS) << BIN_BITS) + (value >>> (exponent - BIN_BITS));
}

/** The shortest time in a bin, in ns. */
export function binStart(bin: number): number {
  if (bin < 2 << BIN_BITS) {
    return bin;
  }
  const exponent = (bin >> BIN_BITS) - 1;
  return ((1 << BIN_BITS) + (bin & ((1 << BIN_BITS) - 1))) * 2 ** exponent;
}

/** The parts of a block, as word offsets from its start. */
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

/** Allocates a tracker's region; undefined in a process that is not profiled. */
export function allocateProfile(participants: number): Words | undefined {
  if (!PROFILED) {
    return undefined;
  }
  const words = allocateWords(blockStart(participants, participants));
  words[ProfileWord.SAMPLE_EVERY] = sampleEvery;
  words[ProfileWord.PARTICIPANTS] = participants;
  return words;
}

/** A thread's view of its own block. */
export class LockRecorder {
  readonly thread: number;
  readonly words: Words;
  readonly floats: Float64Array;
  /** Word index of the block. */
  readonly block: number;
  /** Index into `floats` of the first site's floats. */
  readonly sites: number;
  /** Indexes into `floats` of the waits by holding thread, and by holding site. */
  readonly byThread: number;
  readonly bySite: number;
  /** Indexes into `words` of the histograms. */
  readonly waitBins: number;
  readonly holdBins: number;
  readonly participants: number;
  readonly sampleEvery: number;
  /** Zero of this thread's clock, in ms of the system's clock. */
  readonly originMs: number = performance.timeOrigin;
  /** State of the generator of sampling intervals. Never 0. */
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
   * Acquisitions until the next sample. Random, from 1 to 2n - 1: a packet takes its locks in a fixed order, and a constant
   * interval would always sample the same ones.
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

/** A thread's clock, in ns. The cheapest in Node that resolves nanoseconds (about 40 ns). Compiled, it allocates nothing. */
export function nowNs(): number {
  return performance.now() * 1e6;
}

/** Records the kind of the calling thread, for readers of the profile. */
export function nameThread(recorder: LockRecorder | undefined, role: ThreadRole): void {
  if (recorder !== undefined) {
    recorder.words[recorder.block + BlockWord.ROLE] = role;
  }
}
