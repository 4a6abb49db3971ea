/** Imports the locks anew, as a profiled process has them: from the sources (test/support/compiled.ts). */

import { describe, expect, it, vi } from 'vitest';
import { LockSite, MAX_LOCK_SITES } from '../../../src/shared/sync/lock-sites.ts';
import { LockClass } from '../../../src/shared/sync/lockdep.ts';

describe('what a thread of a profiled process waits for in vain', () => {
  it('is recorded, and charged to the thread that holds the lock', async () => {
    vi.stubEnv('CT_PROFILE', '1');
    vi.resetModules();
    const { lock } = await import('../../../src/shared/sync/mutex.ts');
    const { allocateProfile, HELD_FLOATS, HeldFloat, LockRecorder, SiteFloat, SITE_FLOATS } = await import(
      '../../../src/shared/sync/lock-profile.ts'
    );
    const { lockTagOf, SITE_SHIFT } = await import('../../../src/shared/sync/lock-word.ts');
    const words = new Int32Array(new SharedArrayBuffer(64));
    const held = lockTagOf(1) | (LockSite.remove << SITE_SHIFT);
    words[1] = held;
    const recorder = new LockRecorder(allocateProfile(2)!, 0);
    const owner = { lockTag: lockTagOf(0), spinEstimate: 0, timeoutMs: 5, recorder };
    expect(() => lock(words, 1, owner, LockClass.connection, LockSite.update)).toThrow(
      /held for 0.005 s, now by participant 1/,
    );
    expect(words[1]! & ~1).toBe(held);
    const { floats } = recorder;
    const at = recorder.sites + LockSite.update * SITE_FLOATS;
    expect(floats[at + SiteFloat.CONTENDED]).toBe(1);
    expect(floats[at + SiteFloat.ACQUISITIONS]).toBe(0);
    expect(floats[at + SiteFloat.WAIT_TOTAL]).toBeGreaterThanOrEqual(5e6);
    const holder = recorder.byThread + (LockSite.update * 2 + 1) * HELD_FLOATS;
    expect(floats[holder + HeldFloat.NS]).toBe(floats[at + SiteFloat.WAIT_TOTAL]);
    const site = recorder.bySite + (LockSite.update * MAX_LOCK_SITES + LockSite.remove) * HELD_FLOATS;
    expect(floats[site + HeldFloat.NS]).toBe(floats[at + SiteFloat.WAIT_TOTAL]);
    vi.unstubAllEnvs();
  });
});
