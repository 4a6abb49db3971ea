/** Imports the locks anew, as a profiled process has them: from the sources (test/support/compiled.ts). */

import { afterEach, describe, expect, it, vi } from 'vitest';
import { LockSite, MAX_LOCK_SITES } from '../../../src/shared/sync/lock-sites.ts';
import { LockClass } from '../../../src/shared/sync/lockdep.ts';

const LOCK = 1;
const TIMEOUT_MS = 5;

/** A lock that participant 1 holds, taken at LockSite.remove, and participant 0, which waits for it in vain. */
async function waiter() {
  vi.stubEnv('CT_PROFILE', '1');
  vi.resetModules();
  const { lock } = await import('../../../src/shared/sync/mutex.ts');
  const profile = await import('../../../src/shared/sync/lock-profile.ts');
  const { lockTagOf, SITE_SHIFT, WAITERS } = await import('../../../src/shared/sync/lock-word.ts');
  const words = new Int32Array(new SharedArrayBuffer(64));
  const heldBy = (participant: number) => lockTagOf(participant) | (LockSite.remove << SITE_SHIFT);
  words[LOCK] = heldBy(1);
  const recorder = new profile.LockRecorder(profile.allocateProfile(3)!, 0);
  const owner = { lockTag: lockTagOf(0), spinEstimate: 0, timeoutMs: TIMEOUT_MS, recorder };
  const { floats } = recorder;
  const at = recorder.sites + LockSite.update * profile.SITE_FLOATS;
  return {
    words,
    owner,
    WAITERS,
    heldBy,
    profile,
    waitInVain: (lockClass: LockClass) => lock(words, LOCK, owner, lockClass, LockSite.update),
    ofSite: (float: number) => floats[at + float]!,
    waitedForThread: (id: number) =>
      floats[recorder.byThread + (LockSite.update * 3 + id) * profile.HELD_FLOATS + profile.HeldFloat.NS]!,
    waitedForSite: (site: number) =>
      floats[recorder.bySite + (LockSite.update * MAX_LOCK_SITES + site) * profile.HELD_FLOATS + profile.HeldFloat.NS]!,
  };
}

describe('what a thread of a profiled process waits for in vain', () => {
  afterEach(() => {
    vi.unstubAllEnvs();
  });

  it('is recorded, and charged to the thread that holds the lock', async () => {
    const { words, heldBy, profile, waitInVain, ofSite, waitedForThread, waitedForSite } = await waiter();
    const { SiteFloat } = profile;
    expect(() => waitInVain(LockClass.connection)).toThrow(/held for 0.005 s, now by participant 1/);
    expect(words[LOCK]! & ~1).toBe(heldBy(1));
    expect(ofSite(SiteFloat.CONTENDED)).toBe(1);
    expect(ofSite(SiteFloat.ACQUISITIONS)).toBe(0);
    expect(ofSite(SiteFloat.WAIT_TOTAL)).toBeGreaterThanOrEqual(5e6);
    expect(waitedForThread(1)).toBe(ofSite(SiteFloat.WAIT_TOTAL));
    expect(waitedForSite(LockSite.remove)).toBe(ofSite(SiteFloat.WAIT_TOTAL));
  });

  it('is charged in parts if the lock changes hands', async () => {
    const { words, owner, WAITERS, heldBy, profile, waitInVain, ofSite, waitedForThread } = await waiter();
    /* Before the thread sleeps, participant 2 has the lock: the thread looks again, and sleeps for the rest of its time. */
    const changesHands = { fallAsleep: () => void (words[LOCK] = heldBy(2) | WAITERS), wakeUp: () => {} };
    Object.assign(owner, changesHands);
    expect(() => waitInVain(LockClass.connection)).toThrow(/now by participant 2/);
    expect(waitedForThread(1)).toBeGreaterThan(0);
    expect(waitedForThread(2)).toBeGreaterThan(0);
    const sum = waitedForThread(1) + waitedForThread(2);
    expect(Math.abs(sum - ofSite(profile.SiteFloat.WAIT_TOTAL))).toBeLessThan(1);
  });

  it('is counted for each wait anew', async () => {
    const { profile, waitInVain, ofSite } = await waiter();
    const { SiteFloat } = profile;
    const parks = [0, 1, 2].map(() => {
      const before = ofSite(SiteFloat.PARKS);
      expect(() => waitInVain(LockClass.connection)).toThrow(/now by participant 1/);
      return ofSite(SiteFloat.PARKS) - before;
    });
    /* Each parks at least twice: until the timeout, and when it sees that the time has come. A sleep may end a little early. */
    expect(Math.min(...parks)).toBeGreaterThanOrEqual(2);
    expect(parks[2]).toBeLessThan(parks[0]! + 4);
    expect(ofSite(SiteFloat.CONTENDED)).toBe(3);
  });

  it('is not noted in the line of a bucket, which only its holder writes', async () => {
    const { words, waitInVain } = await waiter();
    expect(() => waitInVain(LockClass.bucket)).toThrow(/now by participant 1/);
    expect([...words.subarray(LOCK + 1)].every((word) => word === 0)).toBe(true);
  });
});
