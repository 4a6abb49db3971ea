/**
 * What the mutex of a profiled process (CT_PROFILE=n) does besides, written down in the thread's block of the profile
 * (lock-profile.ts). Every wait is timed. One acquisition of n stands for all since the last one that did, and its hold is timed.
 *
 * Between a lock's two atomic operations everything is in their way: stores must have happened before the second. So all
 * but one acquisition of n do no more than count down, and say where they are for others to see.
 *
 * A wait is charged to whoever held the lock when it began; one that goes on while the lock changes hands is charged in
 * parts, to the holder that was seen last before each time the thread looked again.
 */

import { compareExchange, pause, peek, poke, type Words } from './access.ts';
import {
  binOf,
  HELD_FLOATS,
  HeldFloat,
  HISTOGRAM_BINS,
  LockLineWord,
  type LockRecorder,
  LOCKS_PER_SIDE,
  LONG_NS,
  SIDE_WORDS,
  sideOf,
  SITE_FLOATS,
  SiteFloat,
  siteOfSide,
  threadOfSide,
  WAIT_HIGH_SHIFT,
} from './lock-profile.ts';
import { LockSite, MAX_LOCK_SITES } from './lock-sites.ts';
import { LINE_WORDS } from './cache-line.ts';
import { patienceEnd, sleepOnLock } from './lock-timeout.ts';
import { LockClass } from './lockdep.ts';
import type { LockOwner } from './mutex.ts';

const FREE = 0;
const WAITERS = 1;

/*
 * The locks that this thread holds and times, last one last: one of n. Deeper than the lock order allows; what does not fit is
 * not timed.
 */
const MAX_HELD = 8;
interface Held {
  words: Words;
  index: number;
  recorder: LockRecorder | undefined;
  site: number;
  sinceNs: number;
}
const NO_WORDS = new Int32Array(new SharedArrayBuffer(0));
const held: Held[] = Array.from({ length: MAX_HELD }, () => ({
  words: NO_WORDS,
  index: 0,
  recorder: undefined,
  site: 0,
  sinceNs: 0,
}));

/** This thread's: a constant object of small numbers, at which V8 gets without looking for it. */
export const timing = {
  /** Locks that are held and timed. */
  depth: 0,
  /** Acquisitions until the next that stands for all since the last, and how many these will be. */
  countdown: 1,
  interval: 1,
  /** The connection that was locked last, and where; where a bucket was. For whoever notifies. */
  connection: 0,
  connectionSite: 0,
  bucketSite: 0,
};

/* The last acquisitions of rarer locks, more than can be held at once: where a lock was taken that has to notify somebody. */
const RECENT = 8;
const recentIndexes = new Int32Array(RECENT);
const recentSites = new Int32Array(RECENT);
let recent = 0;
let lastRecorder: LockRecorder | undefined;

/* Of all clocks that resolve nanoseconds the cheapest in Node (about 40 ns), and it allocates nothing once compiled. */
function nowNs(): number {
  return performance.now() * 1e6;
}

/** `owner` has taken the lock at `index`. Small, so that it is inlined; `lockClass` is a constant of the call. */
export function noteAcquired(
  words: Words,
  index: number,
  owner: LockOwner,
  lockClass: LockClass,
  site: number = LockSite.unnamed,
): void {
  if (--timing.countdown <= 0) {
    noteSample(words, index, owner.recorder, lockClass, site);
  }
  if (lockClass === LockClass.bucket) {
    words[index + LockLineWord.ACQUISITIONS]! += 1;
    words[index + LockLineWord.HOLDER] = sideOf(0, holderOf(owner.lockTag), site);
    timing.bucketSite = site;
  } else if (lockClass === LockClass.connection) {
    timing.connection = index;
    timing.connectionSite = site;
    if ((mixed(index) & (LOCKS_PER_SIDE - 1)) === 0) {
      noteInTable(owner.recorder, index, site);
    }
  } else {
    noteRare(owner.recorder, index, site);
  }
}

/** A `tryLock` found the lock taken. */
export function noteTryFailed(owner: LockOwner, lockClass: LockClass, site: number = LockSite.unnamed): void {
  if (owner.recorder !== undefined) {
    const { floats, sites } = owner.recorder;
    floats[sites + site * SITE_FLOATS + SiteFloat.LOCK_CLASS] = lockClass;
    floats[sites + site * SITE_FLOATS + SiteFloat.TRIES_FAILED]! += 1;
  }
}

/** This acquisition stands for all since the last that did. Before the line's words are written anew. */
function noteSample(
  words: Words,
  index: number,
  recorder: LockRecorder | undefined,
  lockClass: LockClass,
  site: number,
): void {
  const acquisitions = timing.interval;
  if (recorder === undefined) {
    timing.countdown = acquisitions;
    return;
  }
  const { floats } = recorder;
  const at = recorder.sites + site * SITE_FLOATS;
  timing.interval = recorder.nextInterval();
  timing.countdown = timing.interval;
  lastRecorder = recorder;
  floats[at + SiteFloat.LOCK_CLASS] = lockClass;
  floats[at + SiteFloat.ACQUISITIONS]! += acquisitions;
  if (lockClass === LockClass.bucket) {
    notePredecessor(recorder, at, peek(words, index + LockLineWord.HOLDER));
  }
  if (timing.depth < MAX_HELD) {
    const top = held[timing.depth++]!;
    top.words = words;
    top.index = index;
    top.recorder = recorder;
    top.site = site;
    top.sinceNs = nowNs();
  }
}

function noteRare(recorder: LockRecorder | undefined, index: number, site: number): void {
  recent = (recent + 1) & (RECENT - 1);
  recentIndexes[recent] = index;
  recentSites[recent] = site;
  noteInTable(recorder, index, site);
}

/** Where the table of sides keeps a lock: a mixed index, of which the high bits are the tag. */
function mixed(index: number): number {
  return Math.imul(index, 0x9e3779b1);
}

function sideWord(hash: number): number {
  return LINE_WORDS + ((hash >>> 6) & (SIDE_WORDS - 1));
}

/** Who held this lock before, and that it is this thread now. */
function noteInTable(recorder: LockRecorder | undefined, index: number, site: number): void {
  if (recorder !== undefined) {
    const hash = mixed(index);
    const before = peek(recorder.words, sideWord(hash));
    if (before >>> 16 === hash >>> 16) {
      notePredecessor(recorder, recorder.sites + site * SITE_FLOATS, before);
    }
    poke(recorder.words, sideWord(hash), sideOf(hash >>> 16, recorder.thread, site));
  }
}

/** @param before the side word of who held the lock before; 0: nobody did */
function notePredecessor(recorder: LockRecorder, at: number, before: number): void {
  if (before !== 0) {
    recorder.floats[at + SiteFloat.PREDECESSORS]! += 1;
    if (threadOfSide(before) !== recorder.thread) {
      recorder.floats[at + SiteFloat.BOUNCES]! += 1;
    }
  }
}

/** The site at which `holder` took the lock that it holds, 0 if that is not known. A hint. */
function siteOfHolder(
  words: Words,
  index: number,
  recorder: LockRecorder,
  lockClass: LockClass,
  holder: number,
): number {
  let side: number;
  if (lockClass === LockClass.bucket) {
    side = peek(words, index + LockLineWord.HOLDER);
  } else {
    const hash = mixed(index);
    const found = peek(recorder.words, sideWord(hash));
    side = found >>> 16 === hash >>> 16 ? found : 0;
  }
  return side !== 0 && threadOfSide(side) === holder ? siteOfSide(side) : 0;
}

function holderOf(word: number): number {
  return (word >>> 1) - 1;
}

/**
 * As waitForLock of mutex.ts, whose comments hold here; spins, parks and times are written down besides.
 * @param firstSeen what the word said when it was not free
 */
export function lockContendedProfiled(
  words: Words,
  index: number,
  owner: LockOwner,
  lockClass: LockClass,
  recorder: LockRecorder,
  site: number = LockSite.unnamed,
  maxSpins: number,
  firstSeen: number,
): void {
  const startNs = nowNs();
  let partNs = startNs;
  let holder = holderOf(firstSeen);
  let holderSite = siteOfHolder(words, index, recorder, lockClass, holder);
  let parks = 0;
  let isWaiting = true;

  const bound = Math.min(maxSpins, owner.spinEstimate * 2 + 10);
  let spins = 0;
  while (spins < bound) {
    spins++;
    if (peek(words, index) === FREE && compareExchange(words, index, FREE, owner.lockTag) === FREE) {
      isWaiting = false;
      break;
    }
    pause();
  }
  owner.spinEstimate += (spins - owner.spinEstimate) >> 3;

  const deadline = isWaiting ? patienceEnd(owner) : 0;
  while (isWaiting) {
    const seen = compareExchange(words, index, FREE, owner.lockTag | WAITERS);
    if (seen === FREE) {
      isWaiting = false;
      continue;
    }
    const next = holderOf(seen);
    if (next !== holder) {
      const atNs = nowNs();
      charge(recorder, site, holder, holderSite, atNs - partNs);
      partNs = atNs;
      holder = next;
      holderSite = siteOfHolder(words, index, recorder, lockClass, holder);
    }
    const contended = seen | WAITERS;
    if (seen === contended || compareExchange(words, index, seen, contended) === seen) {
      parks++;
      sleepOnLock(words, index, contended, owner, lockClass, deadline);
    }
  }

  const endNs = nowNs();
  charge(recorder, site, holder, holderSite, endNs - partNs);
  noteWait(recorder, lockClass, site, endNs - startNs, spins, parks);
  if (lockClass === LockClass.bucket) {
    noteWaitOfLine(words, index, endNs - startNs);
  }
}

/** This thread waited `ns` at `site` while `holder` held the lock, taken at `holderSite`. */
function charge(recorder: LockRecorder, site: number, holder: number, holderSite: number, ns: number): void {
  /* Only a damaged word names somebody else. */
  if (holder >= 0 && holder < recorder.participants) {
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

/** The lock may be one that is timed. */
export function endTiming(words: Words, index: number): void {
  let position = timing.depth - 1;
  while (position >= 0 && !(held[position]!.index === index && held[position]!.words === words)) {
    position--;
  }
  if (position < 0) {
    return;
  }
  const entry = held[position]!;
  noteHold(entry.recorder!, entry.site, entry.sinceNs, nowNs());
  timing.depth--;
  for (; position < timing.depth; position++) {
    const above = held[position + 1]!;
    const entryBelow = held[position]!;
    entryBelow.words = above.words;
    entryBelow.index = above.index;
    entryBelow.recorder = above.recorder;
    entryBelow.site = above.site;
    entryBelow.sinceNs = above.sinceNs;
  }
}

/** Releasing the lock at `index`, this thread wakes somebody. */
export function noteNotify(index: number): void {
  if (lastRecorder !== undefined) {
    lastRecorder.floats[lastRecorder.sites + siteOfOwn(index) * SITE_FLOATS + SiteFloat.NOTIFIES]! += 1;
  }
}

/** Where this thread took a lock that it holds. */
function siteOfOwn(index: number): number {
  if (timing.connection === index) {
    return timing.connectionSite;
  }
  for (let back = 0; back < RECENT; back++) {
    const at = (recent - back) & (RECENT - 1);
    if (recentIndexes[at] === index) {
      return recentSites[at]!;
    }
  }
  /* Both buckets of a pair are locked at one place. */
  return timing.bucketSite;
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
