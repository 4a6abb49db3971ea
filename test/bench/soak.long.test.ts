/** A soak of a few minutes that terminates workers all the time. */

import { describe, expect, it } from 'vitest';
import { Soak } from '../../bench/soak/soak.ts';

describe('a soak that terminates workers', () => {
  it('loses no packet of pinned connections, and its accounting holds', async () => {
    const soak = await Soak.start({ seed: 2, threads: 2, connections: 5000, minutes: 1.5, interval: 5, kills: 200 });
    const verdict = await soak.run(() => {});
    expect(verdict.reasons).toEqual([]);
    expect(verdict.lost).toBe(0);
    expect(verdict.killed).toBeGreaterThan(20);
  }, 300_000);
});
