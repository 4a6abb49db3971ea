/**
 * Waiting for a mutex in a profiled process. Each wait is timed and written into the waiting thread's block of the profile
 * (lock-profile.ts).
 *
 * A wait is charged to the thread that held the lock when the wait began. If the lock changes hands meanwhile, the wait is
 * charged in parts: each part to the holder that the waiting thread saw last.
 */

import type { Words } from '../access.ts';
import {
  binOf,
  HELD_FLOATS,
  HeldFloat,
  HISTOGRAM_BINS,
  LockLineWord,
  type LockRecorder,
  LONG_NS,
  nowNs,
  SITE_FLOATS,
  SiteFloat,
  WAIT_HIGH_SHIFT,
} from './lock-profile.ts';
import type { LockOwner } from './lock-owner.ts';
import { MAX_LOCK_SITES } from './lock-sites.ts';
import { sleepForLock, spinForLock, type WaitObserver } from './lock-wait.ts';
import { holderIn, siteIn } from './lock-word.ts';
import { LockClass } from './lockdep.ts';

/** Splits a wait among the holders of the lock. */
class WaitParts implements WaitObserver {
  parkCount = 0;
  #recorder: LockRecorder | undefined;
  #site = 0;
  #holder = 0;
  #holderSite = 0;
  #partNs = 0;

  /** @param firstSeen the lock's word when the wait began */
  begin(recorder: LockRecorder, site: number, firstSeen: number, startNs: number): void {
    this.parkCount = 0;
    this.#recorder = recorder;
    this.#site = site;
    this.#holder = holderIn(firstSeen);
    this.#holderSite = siteIn(firstSeen);
    this.#partNs = startNs;
  }

  sees(word: number): void {
    if (holderIn(word) !== this.#holder) {
      this.charge(nowNs());
      this.#holder = holderIn(word);
      this.#holderSite = siteIn(word);
    }
  }

  parks(): void {
    this.parkCount++;
  }

  /** Charges the time since the last part to the present holder. */
  charge(atNs: number): void {
    chargeHolder(this.#recorder!, this.#site, this.#holder, this.#holderSite, atNs - this.#partNs);
    this.#partNs = atNs;
  }
}

/* A thread waits for one lock at a time, so one object is enough, and a wait allocates nothing. */
const parts = new WaitParts();

/**
 * As waitForLock, and records the wait.
 * @param word the lock's word while this owner holds it
 * @param firstSeen the lock's word when it was not free
 * @throws LockTimeoutError when the owner's timeout is exceeded
 */
export function waitForLockProfiled(
  words: Words,
  index: number,
  owner: LockOwner,
  lockClass: LockClass,
  recorder: LockRecorder,
  word: number,
  firstSeen: number,
): void {
  const site = siteIn(word);
  const startNs = nowNs();
  parts.begin(recorder, site, firstSeen, startNs);
  const looks = spinForLock(words, index, owner, word);
  let isHeld = looks >= 0;
  try {
    if (!isHeld) {
      sleepForLock(words, index, owner, lockClass, word, parts);
      isHeld = true;
    }
  } finally {
    /* A wait that ends with a LockTimeoutError is recorded too. */
    const endNs = nowNs();
    parts.charge(endNs);
    noteWait(recorder, lockClass, site, endNs - startNs, looks < 0 ? ~looks : looks, parts.parkCount);
    if (lockClass === LockClass.bucket && isHeld) {
      noteWaitOfLine(words, index, endNs - startNs);
    }
  }
}

/** This thread waited `ns` at `site` while `holder` held the lock, taken at `holderSite`. */
function chargeHolder(recorder: LockRecorder, site: number, holder: number, holderSite: number, ns: number): void {
  /* Only a damaged lock word fails this test. */
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

/** Call with the lock held: the words lie in the lock's line. */
function noteWaitOfLine(words: Words, index: number, ns: number): void {
  words[index + LockLineWord.CONTENDED]! += 1;
  const low = words[index + LockLineWord.WAIT_LOW]! + Math.round(ns);
  words[index + LockLineWord.WAIT_HIGH]! += Math.floor(low / 2 ** WAIT_HIGH_SHIFT);
  words[index + LockLineWord.WAIT_LOW] = low % 2 ** WAIT_HIGH_SHIFT;
}
