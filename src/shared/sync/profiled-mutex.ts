/**
 * The mutex of a profiled process (CT_PROFILE=n). It records acquisitions and holds in the thread's block of the profile
 * (lock-profile.ts); profiled-wait.ts records the waits. One acquisition in n is a sample: it stands for all acquisitions
 * since the last sample, and its hold is timed.
 *
 * The unlock's atomic operation waits for every store since the lock's. So an acquisition that is not a sample only
 * decrements a counter, and writes its site into the lock's word (lock-word.ts). Besides:
 *   a bucket's acquisitions are counted in the line of its lock;
 *   the last holder is noted for bucket locks, for one connection lock in 256, and for all rare locks.
 */

import { notify, peek, poke, type Words } from '../access.ts';
import {
  binOf,
  HISTOGRAM_BINS,
  LockLineWord,
  type LockRecorder,
  LOCKS_PER_PREDECESSOR,
  LONG_NS,
  nowNs,
  PREDECESSOR_WORDS,
  SITE_FLOATS,
  SiteFloat,
} from './lock-profile.ts';
import type { LockOwner } from './lock-owner.ts';
import { LockSite, MAX_LOCK_SITES } from './lock-sites.ts';
import { LINE_WORDS } from '../memory/cache-line.ts';
import { holderIn, SITE_SHIFT, siteIn, tagIn, TIMED, WAITERS } from './lock-word.ts';
import { LockClass } from './lockdep.ts';

/** This thread's sampling. A constant object of small integers: V8 knows its address. */
export const sampling = {
  /** Acquisitions until the next sample; and how many of them that sample will stand for. */
  countdown: 1,
  interval: 1,
};

/*
 * The locks that this thread holds and times, the last one last. The lock order allows fewer at once. A hold that does not
 * fit is not timed.
 */
const MAX_TIMED = 8;
interface TimedHold {
  words: Words;
  index: number;
  recorder: LockRecorder | undefined;
  site: number;
  sinceNs: number;
}
const NO_WORDS = new Int32Array(new SharedArrayBuffer(0));
const holds: TimedHold[] = Array.from({ length: MAX_TIMED }, () => ({
  words: NO_WORDS,
  index: 0,
  recorder: undefined,
  site: 0,
  sinceNs: 0,
}));

let timed = 0;

/* The recorder of the last sample. The unlock needs it, because it does not know the owner. */
let lastRecorder: LockRecorder | undefined;

/* These high bits of a mixed index are zero for one lock in so many. The low bits of an index are the same for all records. */
const HASH_SHIFT = Math.clz32(LOCKS_PER_PREDECESSOR - 1);

/** Records that `owner` has taken the lock at `index`. Small, so that V8 inlines it; `lockClass` is a constant of the call. */
export function noteHolder(words: Words, index: number, owner: LockOwner, lockClass: LockClass, site: LockSite): void {
  if (lockClass === LockClass.bucket) {
    words[index + LockLineWord.ACQUISITIONS]! += 1;
    words[index + LockLineWord.HOLDER] = owner.lockTag;
  } else if (lockClass !== LockClass.connection || mixed(index) >>> HASH_SHIFT === 0) {
    noteInTable(index, owner, site);
  }
}

/** The lock's word while a sample holds the lock. */
export function wordOfSample(owner: LockOwner, site: LockSite): number {
  const isTimed = owner.recorder !== undefined && timed < MAX_TIMED;
  return owner.lockTag | (site << SITE_SHIFT) | (isTimed ? TIMED : 0);
}

/** Records that a `tryLock` found the lock taken. */
export function noteTryFailed(owner: LockOwner, lockClass: LockClass, site: LockSite): void {
  if (owner.recorder !== undefined) {
    const { floats, sites } = owner.recorder;
    floats[sites + site * SITE_FLOATS + SiteFloat.LOCK_CLASS] = lockClass;
    floats[sites + site * SITE_FLOATS + SiteFloat.TRIES_FAILED]! += 1;
  }
}

/**
 * Records a sample, which holds the lock. Call it before noteHolder, which overwrites the last holder.
 * @param word of wordOfSample
 */
export function noteSample(
  words: Words,
  index: number,
  recorder: LockRecorder | undefined,
  lockClass: LockClass,
  word: number,
): void {
  const acquisitions = sampling.interval;
  if (recorder === undefined) {
    sampling.countdown = acquisitions;
    return;
  }
  const { floats } = recorder;
  const site = siteIn(word);
  const at = recorder.sites + site * SITE_FLOATS;
  sampling.interval = recorder.nextInterval();
  sampling.countdown = sampling.interval;
  lastRecorder = recorder;
  floats[at + SiteFloat.LOCK_CLASS] = lockClass;
  floats[at + SiteFloat.ACQUISITIONS]! += acquisitions;
  if (lockClass === LockClass.bucket) {
    notePredecessor(recorder, at, peek(words, index + LockLineWord.HOLDER));
  }
  if ((word & TIMED) !== 0) {
    const hold = holds[timed++]!;
    hold.words = words;
    hold.index = index;
    hold.recorder = recorder;
    hold.site = site;
    hold.sinceNs = nowNs();
  }
}

/** Mixes a lock's index. The high half of the result distinguishes locks that share a word of the predecessor table. */
function mixed(index: number): number {
  return Math.imul(index, 0x9e3779b1);
}

/** Counts the previous holder of the lock, and notes `owner` as the new one. */
function noteInTable(index: number, { recorder, lockTag }: LockOwner, site: LockSite): void {
  if (recorder !== undefined) {
    const hash = mixed(index);
    const at = LINE_WORDS + ((hash >>> 6) & (PREDECESSOR_WORDS - 1));
    const before = peek(recorder.words, at);
    if (before >>> 16 === hash >>> 16) {
      notePredecessor(recorder, recorder.sites + site * SITE_FLOATS, tagIn(before));
    }
    poke(recorder.words, at, (hash & 0xffff0000) | lockTag);
  }
}

/** Counts a previous holder. @param tag the previous holder's; 0: unknown */
function notePredecessor(recorder: LockRecorder, at: number, tag: number): void {
  if (tag !== 0) {
    recorder.floats[at + SiteFloat.PREDECESSORS]! += 1;
    if (holderIn(tag) !== recorder.thread) {
      recorder.floats[at + SiteFloat.BOUNCES]! += 1;
    }
  }
}

/** The slow part of an unlock. @param word the released lock's word, which has WAITERS or TIMED set */
export function releaseNoted(words: Words, index: number, word: number): void {
  /* Taken first: the lock is free already, and the notify below is not part of the hold. */
  const endNs = (word & TIMED) === 0 ? 0 : nowNs();
  if ((word & WAITERS) !== 0) {
    if (lastRecorder !== undefined && siteIn(word) < MAX_LOCK_SITES) {
      lastRecorder.floats[lastRecorder.sites + siteIn(word) * SITE_FLOATS + SiteFloat.NOTIFIES]! += 1;
    }
    notify(words, index, 1);
  }
  if ((word & TIMED) !== 0) {
    endTiming(words, index, endNs);
  }
}

function endTiming(words: Words, index: number, endNs: number): void {
  let position = timed - 1;
  while (position >= 0 && !(holds[position]!.index === index && holds[position]!.words === words)) {
    position--;
  }
  if (position < 0) {
    /* The lock was taken over from a dead thread. */
    return;
  }
  const ended = holds[position]!;
  noteHold(ended.recorder!, ended.site, ended.sinceNs, endNs);
  /* The later holds move down. The objects are used again, so nothing is allocated. */
  timed--;
  holds.copyWithin(position, position + 1, timed + 1);
  holds[timed] = ended;
}

function noteHold(recorder: LockRecorder, site: number, sinceNs: number, endNs: number): void {
  const ns = endNs - sinceNs;
  const floats = recorder.floats;
  const at = recorder.sites + site * SITE_FLOATS;
  if (floats[at + SiteFloat.HOLDS] === 0 || ns < floats[at + SiteFloat.HOLD_MIN]!) {
    floats[at + SiteFloat.HOLD_MIN] = ns;
  }
  if (ns > floats[at + SiteFloat.HOLD_MAX]!) {
    floats[at + SiteFloat.HOLD_MAX] = ns;
  }
  floats[at + SiteFloat.HOLDS]! += 1;
  floats[at + SiteFloat.HOLD_TOTAL]! += ns;
  if (ns >= LONG_NS) {
    floats[at + SiteFloat.LONG_HOLDS]! += 1;
  }
  recorder.words[recorder.holdBins + site * HISTOGRAM_BINS + binOf(ns)]! += 1;
  const endMs = recorder.originMs + endNs / 1e6;
  if (floats[at + SiteFloat.FIRST_MS] === 0) {
    floats[at + SiteFloat.FIRST_MS] = endMs;
  }
  floats[at + SiteFloat.LAST_MS] = endMs;
}
