/**
 * What the mutex of a profiled process (CT_PROFILE=n) does besides, written down in the thread's block of the profile
 * (lock-profile.ts). Every wait is timed. One acquisition of n stands for all since the last one that did, and its hold is timed.
 *
 * Between a lock's two atomic operations everything is in their way: stores must have arrived before the second. So all
 * but one acquisition of n do no more than count down, and say in the lock's word where they are (lock-word.ts). A bucket's
 * are counted, in the line of its lock; of one connection's lock in 256, and of the rare ones, it is noted who held them last.
 *
 * A wait is charged to whoever held the lock when it began; one that goes on while the lock changes hands is charged in
 * parts, to the holder that was seen last before each time the thread looked again.
 */

import { compareExchange, notify, pause, peek, poke, type Words } from '../access.ts';
import {
  binOf,
  HELD_FLOATS,
  HeldFloat,
  HISTOGRAM_BINS,
  LockLineWord,
  type LockRecorder,
  LOCKS_PER_PREDECESSOR,
  LONG_NS,
  PREDECESSOR_WORDS,
  SITE_FLOATS,
  SiteFloat,
  WAIT_HIGH_SHIFT,
} from './lock-profile.ts';
import type { LockOwner } from './lock-owner.ts';
import { LockSite, MAX_LOCK_SITES } from './lock-sites.ts';
import { LINE_WORDS } from '../memory/cache-line.ts';
import { lockDeadline, sleepOnLock } from './lock-timeout.ts';
import { FREE, holderIn, SITE_SHIFT, siteIn, tagIn, TIMED, WAITERS } from './lock-word.ts';
import { LockClass } from './lockdep.ts';

/** This thread's: a constant object of small numbers, at which V8 gets without looking for it. */
export const sampling = {
  /** Acquisitions until the next that stands for all since the last, and how many these will be. */
  countdown: 1,
  interval: 1,
};

/*
 * The locks that this thread holds and times, last one last: one of n. Deeper than the lock order allows; what does not fit is
 * not timed.
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

/* Of the last acquisition that was looked at: for whoever releases a lock, and knows no owner. */
let lastRecorder: LockRecorder | undefined;

/* The high bits of a mixed index are zero for one connection's lock of so many; the low ones are the same for all records. */
const HASH_SHIFT = Math.clz32(LOCKS_PER_PREDECESSOR - 1);

/* Of all clocks that resolve nanoseconds the cheapest in Node (about 40 ns), and it allocates nothing once compiled. */
function nowNs(): number {
  return performance.now() * 1e6;
}

/** `owner` has taken the lock at `index`. Small, so that it is inlined; `lockClass` is a constant of the call. */
export function noteHolder(words: Words, index: number, owner: LockOwner, lockClass: LockClass, site: LockSite): void {
  if (lockClass === LockClass.bucket) {
    words[index + LockLineWord.ACQUISITIONS]! += 1;
    words[index + LockLineWord.HOLDER] = owner.lockTag;
  } else if (lockClass !== LockClass.connection || mixed(index) >>> HASH_SHIFT === 0) {
    noteInTable(index, owner, site);
  }
}

/** What the lock's word shall say when an acquisition has it that stands for all since the last that did. */
export function wordOfSample(owner: LockOwner, site: LockSite): number {
  const isTimed = owner.recorder !== undefined && timed < MAX_TIMED;
  return owner.lockTag | (site << SITE_SHIFT) | (isTimed ? TIMED : 0);
}

/** A `tryLock` found the lock taken. */
export function noteTryFailed(owner: LockOwner, lockClass: LockClass, site: LockSite): void {
  if (owner.recorder !== undefined) {
    const { floats, sites } = owner.recorder;
    floats[sites + site * SITE_FLOATS + SiteFloat.LOCK_CLASS] = lockClass;
    floats[sites + site * SITE_FLOATS + SiteFloat.TRIES_FAILED]! += 1;
  }
}

/**
 * A sample has the lock. Before noteHolder, which writes the line's words anew.
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

/** Locks by a mixed index, of which the high half tells apart those that share a word of the table. */
function mixed(index: number): number {
  return Math.imul(index, 0x9e3779b1);
}

/** Who held this lock before, and that it is `owner` now. */
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

/** @param tag of who held the lock before; 0: nobody did */
function notePredecessor(recorder: LockRecorder, at: number, tag: number): void {
  if (tag !== 0) {
    recorder.floats[at + SiteFloat.PREDECESSORS]! += 1;
    if (holderIn(tag) !== recorder.thread) {
      recorder.floats[at + SiteFloat.BOUNCES]! += 1;
    }
  }
}

/**
 * As waitForLock of mutex.ts, whose comments hold here; spins, parks and times are written down besides.
 * @param word what it shall say when it is held; @param firstSeen what it said when it was not free
 */
export function waitForLockProfiled(
  words: Words,
  index: number,
  owner: LockOwner,
  lockClass: LockClass,
  recorder: LockRecorder,
  word: number,
  firstSeen: number,
  maxSpins: number,
): void {
  const site = siteIn(word);
  const startNs = nowNs();
  let partNs = startNs;
  let holder = holderIn(firstSeen);
  let holderSite = siteIn(firstSeen);
  let parks = 0;
  let isWaiting = true;

  const bound = Math.min(maxSpins, owner.spinEstimate * 2 + 10);
  let spins = 0;
  while (spins < bound) {
    spins++;
    if (peek(words, index) === FREE && compareExchange(words, index, FREE, word) === FREE) {
      isWaiting = false;
      break;
    }
    pause();
  }
  owner.spinEstimate += (spins - owner.spinEstimate) >> 3;

  const deadline = isWaiting ? lockDeadline(owner) : 0;
  try {
    while (isWaiting) {
      const seen = compareExchange(words, index, FREE, word | WAITERS);
      if (seen === FREE) {
        isWaiting = false;
        continue;
      }
      const next = holderIn(seen);
      if (next !== holder) {
        const atNs = nowNs();
        charge(recorder, site, holder, holderSite, atNs - partNs);
        partNs = atNs;
        holder = next;
        holderSite = siteIn(seen);
      }
      const contended = seen | WAITERS;
      if (seen === contended || compareExchange(words, index, seen, contended) === seen) {
        parks++;
        sleepOnLock(words, index, contended, owner, lockClass, deadline);
      }
    }
  } finally {
    /* Also a wait that ends because the owner's patience does. */
    const endNs = nowNs();
    charge(recorder, site, holder, holderSite, endNs - partNs);
    noteWait(recorder, lockClass, site, endNs - startNs, spins, parks);
    if (lockClass === LockClass.bucket && !isWaiting) {
      noteWaitOfLine(words, index, endNs - startNs);
    }
  }
}

/** This thread waited `ns` at `site` while `holder` held the lock, taken at `holderSite`. */
function charge(recorder: LockRecorder, site: number, holder: number, holderSite: number, ns: number): void {
  /* Only a damaged word names somebody else. */
  if (holder >= 0 && holder < recorder.participants && holderSite < MAX_LOCK_SITES) {
    addHeld(recorder.floats, recorder.byThread + (site * recorder.participants + holder) * HELD_FLOATS, ns);
    addHeld(recorder.floats, recorder.bySite + (site * MAX_LOCK_SITES + holderSite) * HELD_FLOATS, ns);
  }
}

function addHeld(floats: Float64Array, at: number, ns: number): void {
  floats[at + HeldFloat.WAITS]! += 1;
  floats[at + HeldFloat.NS]! += ns;
  if (ns >= LONG_NS) {
    floats[at + HeldFloat.LONG]! += 1;
    floats[at + HeldFloat.LONG_NS]! += ns;
  }
}

function noteWait(
  recorder: LockRecorder,
  lockClass: LockClass,
  site: number,
  ns: number,
  spins: number,
  parks: number,
): void {
  const floats = recorder.floats;
  const at = recorder.sites + site * SITE_FLOATS;
  floats[at + SiteFloat.LOCK_CLASS] = lockClass;
  if (floats[at + SiteFloat.CONTENDED] === 0 || ns < floats[at + SiteFloat.WAIT_MIN]!) {
    floats[at + SiteFloat.WAIT_MIN] = ns;
  }
  if (ns > floats[at + SiteFloat.WAIT_MAX]!) {
    floats[at + SiteFloat.WAIT_MAX] = ns;
  }
  floats[at + SiteFloat.CONTENDED]! += 1;
  floats[at + SiteFloat.SPINS]! += spins;
  floats[at + SiteFloat.PARKS]! += parks;
  floats[at + SiteFloat.WAIT_TOTAL]! += ns;
  if (ns >= LONG_NS) {
    floats[at + SiteFloat.LONG_WAITS]! += 1;
  }
  recorder.words[recorder.waitBins + site * HISTOGRAM_BINS + binOf(ns)]! += 1;
}

/** Under the lock. */
function noteWaitOfLine(words: Words, index: number, ns: number): void {
  words[index + LockLineWord.CONTENDED]! += 1;
  const low = words[index + LockLineWord.WAIT_LOW]! + Math.round(ns);
  words[index + LockLineWord.WAIT_HIGH]! += Math.floor(low / 2 ** WAIT_HIGH_SHIFT);
  words[index + LockLineWord.WAIT_LOW] = low % 2 ** WAIT_HIGH_SHIFT;
}

/** The lock that the calling thread has released said `word`: somebody may sleep, or its hold was timed. */
export function releaseNoted(words: Words, index: number, word: number): void {
  /* The lock is free by now: waking somebody is no part of the hold. */
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
    /* A lock that was taken over from a dead thread. */
    return;
  }
  const ended = holds[position]!;
  noteHold(ended.recorder!, ended.site, ended.sinceNs, endNs);
  /* The others move down; the objects are used again. */
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
