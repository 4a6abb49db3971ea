/**
 * The mutex of a profiled process (CT_PROFILE=n): as mutex.ts, and written down in the thread's block of the profile
 * (lock-profile.ts). Every acquisition is counted, every wait is timed, one hold of n is timed.
 *
 * A wait is charged to whoever held the lock when it began; one that goes on while the lock changes hands is charged in
 * parts, to the holder that was seen last before each time the thread looked again.
 */

import { compareExchange, exchange, notify, pause, peek, poke, type Words } from './access.ts';
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
import { LOCK_SITES, MAX_LOCK_SITES } from './lock-sites.ts';
import { LINE_WORDS } from './cache-line.ts';
import { patienceEnd, sleepOnLock } from './lock-timeout.ts';
import type { LockClass } from './lockdep.ts';
import type { LockOwner } from './mutex.ts';

const FREE = 0;
const WAITERS = 1;

const SIDE_LINE = 1;
const SIDE_TABLE = 2;
const SIDE_SAMPLED = 3;
const SIDE_KIND = new Uint8Array(MAX_LOCK_SITES).fill(SIDE_TABLE);
for (const [site, { side }] of LOCK_SITES.entries()) {
  SIDE_KIND[site] = side === 'line' ? SIDE_LINE : side === 'table' ? SIDE_TABLE : SIDE_SAMPLED;
}

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
let depth = 0;

/* The last acquisitions, more than can be held at once: where a lock was taken that has to notify somebody. */
const RECENT = 8;
const recentIndexes = new Int32Array(RECENT);
const recentSites = new Int32Array(RECENT);
let recent = 0;
let lastRecorder: LockRecorder | undefined;

/* Of all clocks that resolve nanoseconds the cheapest in Node (about 40 ns), and it allocates nothing once compiled. */
function nowNs(): number {
  return performance.now() * 1e6;
}

/** As `lock` of mutex.ts. */
export function lockProfiled(
  words: Words,
  index: number,
  owner: LockOwner,
  recorder: LockRecorder,
  lockClass: LockClass,
  site: number,
  maxSpins: number,
): void {
  const seen = compareExchange(words, index, FREE, owner.lockTag);
  if (seen !== FREE) {
    lockContended(words, index, owner, lockClass, recorder, site, maxSpins, holderOf(seen));
  }
  noteAcquired(words, index, recorder, lockClass, site);
}

/** As `tryLock` of mutex.ts. */
export function tryLockProfiled(
  words: Words,
  index: number,
  owner: LockOwner,
  recorder: LockRecorder,
  lockClass: LockClass,
  site: number,
): boolean {
  if (compareExchange(words, index, FREE, owner.lockTag) !== FREE) {
    const at = recorder.sites + site * SITE_FLOATS;
    recorder.floats[at + SiteFloat.LOCK_CLASS] = lockClass;
    recorder.floats[at + SiteFloat.TRIES_FAILED]! += 1;
    return false;
  }
  noteAcquired(words, index, recorder, lockClass, site);
  return true;
}

function noteAcquired(words: Words, index: number, recorder: LockRecorder, lockClass: LockClass, site: number): void {
  const floats = recorder.floats;
  const at = recorder.sites + site * SITE_FLOATS;
  floats[at + SiteFloat.LOCK_CLASS] = lockClass;
  floats[at + SiteFloat.ACQUISITIONS]! += 1;
  const kind = SIDE_KIND[site]!;
  if (kind === SIDE_LINE) {
    words[index + LockLineWord.ACQUISITIONS]! += 1;
    notePredecessor(recorder, at, words, index + LockLineWord.HOLDER, 0, site);
  } else {
    noteInTable(recorder, at, index, kind, site);
  }
  recent = (recent + 1) & (RECENT - 1);
  recentIndexes[recent] = index;
  recentSites[recent] = site;
  lastRecorder = recorder;
  if (--recorder.countdown <= 0) {
    startTiming(words, index, recorder, site);
  }
}

function startTiming(words: Words, index: number, recorder: LockRecorder, site: number): void {
  recorder.nextInterval();
  if (depth < MAX_HELD) {
    const top = held[depth++]!;
    top.words = words;
    top.index = index;
    top.recorder = recorder;
    top.site = site;
    top.sinceNs = nowNs();
  }
}

/** Where the table of sides keeps a lock: a mixed index, of which the high bits are the tag. */
function mixed(index: number): number {
  return Math.imul(index, 0x9e3779b1);
}

function hasSide(hash: number, kind: number): boolean {
  return kind === SIDE_TABLE || (hash & (LOCKS_PER_SIDE - 1)) === 0;
}

function sideWord(hash: number): number {
  return LINE_WORDS + ((hash >>> 6) & (SIDE_WORDS - 1));
}

function noteInTable(recorder: LockRecorder, at: number, index: number, kind: number, site: number): void {
  const hash = mixed(index);
  if (hasSide(hash, kind)) {
    notePredecessor(recorder, at, recorder.words, sideWord(hash), hash >>> 16, site);
  }
}

/** Who held this lock before, and that it is this thread now. */
function notePredecessor(
  recorder: LockRecorder,
  at: number,
  sides: Words,
  word: number,
  tag: number,
  site: number,
): void {
  const floats = recorder.floats;
  const before = peek(sides, word);
  if (before !== 0 && before >>> 16 === tag) {
    floats[at + SiteFloat.PREDECESSORS]! += 1;
    if (threadOfSide(before) !== recorder.thread) {
      floats[at + SiteFloat.BOUNCES]! += 1;
    }
  }
  poke(sides, word, sideOf(tag, recorder.thread, site));
}

/** The site at which `holder` took the lock that it holds, 0 if that is not known. A hint. */
function siteOfHolder(words: Words, index: number, recorder: LockRecorder, kind: number, holder: number): number {
  let side = 0;
  if (kind === SIDE_LINE) {
    side = peek(words, index + LockLineWord.HOLDER);
  } else {
    const hash = mixed(index);
    if (hasSide(hash, kind)) {
      const found = peek(recorder.words, sideWord(hash));
      side = found >>> 16 === hash >>> 16 ? found : 0;
    }
  }
  return side !== 0 && threadOfSide(side) === holder ? siteOfSide(side) : 0;
}

function holderOf(word: number): number {
  return (word >>> 1) - 1;
}

/* As lockContended of mutex.ts, whose comments hold here; spins, parks and times are written down besides. */
function lockContended(
  words: Words,
  index: number,
  owner: LockOwner,
  lockClass: LockClass,
  recorder: LockRecorder,
  site: number,
  maxSpins: number,
  firstHolder: number,
): void {
  const startNs = nowNs();
  let partNs = startNs;
  let holder = firstHolder;
  let holderSite = siteOfHolder(words, index, recorder, SIDE_KIND[site]!, holder);
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
      holderSite = siteOfHolder(words, index, recorder, SIDE_KIND[site]!, holder);
    }
    const contended = seen | WAITERS;
    if (seen === contended || compareExchange(words, index, seen, contended) === seen) {
      parks++;
      sleepOnLock(words, index, contended, owner, lockClass, deadline);
    }
  }

  const endNs = nowNs();
  charge(recorder, site, holder, holderSite, endNs - partNs);
  noteWait(recorder, site, endNs - startNs, spins, parks);
  if (SIDE_KIND[site] === SIDE_LINE) {
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

function noteWait(recorder: LockRecorder, site: number, ns: number, spins: number, parks: number): void {
  const floats = recorder.floats;
  const at = recorder.sites + site * SITE_FLOATS;
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

/** As `unlock` of mutex.ts, for locks of any owner. */
export function unlockProfiled(words: Words, index: number): void {
  const hadWaiters = (exchange(words, index, FREE) & WAITERS) !== 0;
  if (depth !== 0) {
    endTiming(words, index);
  }
  if (hadWaiters) {
    noteNotify(index);
    notify(words, index, 1);
  }
}

/** The lock may be one that is timed. */
function endTiming(words: Words, index: number): void {
  let position = depth - 1;
  while (position >= 0 && !(held[position]!.index === index && held[position]!.words === words)) {
    position--;
  }
  if (position < 0) {
    return;
  }
  const entry = held[position]!;
  noteHold(entry.recorder!, entry.site, entry.sinceNs, nowNs());
  depth--;
  for (; position < depth; position++) {
    const above = held[position + 1]!;
    const entryBelow = held[position]!;
    entryBelow.words = above.words;
    entryBelow.index = above.index;
    entryBelow.recorder = above.recorder;
    entryBelow.site = above.site;
    entryBelow.sinceNs = above.sinceNs;
  }
}

function noteNotify(index: number): void {
  for (let back = 0; back < RECENT; back++) {
    const at = (recent - back) & (RECENT - 1);
    if (recentIndexes[at] === index && lastRecorder !== undefined) {
      lastRecorder.floats[lastRecorder.sites + recentSites[at]! * SITE_FLOATS + SiteFloat.NOTIFIES]! += 1;
      return;
    }
  }
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
