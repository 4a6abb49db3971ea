/**
 * The engine `baseline`: after a change of a timeout policy the sweeper still finds every connection, even if the
 * change gives up waiting for a lock.
 */

import { afterEach, describe, expect, it, vi } from 'vitest';
import { Conntrack } from '../../../src/core/conntrack.ts';
import { LockTimeoutError } from '../../../src/shared/sync/lock-timeout.ts';
import { udp } from '../../support/frames.ts';
import { send } from '../../support/tracking.ts';

const LONG_LIVED = { src: '10.0.0.1', dst: '10.0.0.2', sport: 1, dport: 53 };
const SHORT_LIVED = { ...LONG_LIVED, sport: 2 };

afterEach(() => void vi.restoreAllMocks());

describe.each([0, 7])('timeout policy %i', (id) => {
  /** Another thread can hold the lock of all lists. */
  function table() {
    const ct = new Conntrack({ engine: 'baseline', maxConnections: 10, maxParticipants: 4 });
    ct.lockTimeoutMs = 5;
    const holder = Conntrack.attach(ct.memory).tracker;
    const hold = () => holder.table.lockBucket(0, holder.participant);
    const letGo = () => holder.table.unlockBucket(0);
    return { ct, hold, letGo };
  }

  it('stays as it was if the lists cannot be marked before', () => {
    const { ct, hold, letGo } = table();
    const before = ct.timeoutPolicy(id);
    hold();
    expect(() => ct.setTimeoutPolicy(id, { udp_first: 3 })).toThrow(LockTimeoutError);
    letGo();
    expect(ct.timeoutPolicy(id)).toEqual(before);
  });

  it('has its connections removed in time if the lists cannot be marked after', () => {
    const { ct, hold, letGo } = table();
    const options = { commit: true, ...(id === 0 ? {} : { timeoutPolicy: id }) };
    send(ct, udp(LONG_LIVED), 0, options);
    const { timeouts } = ct.tracker;
    const set = timeouts.set.bind(timeouts);
    vi.spyOn(timeouts, 'set').mockImplementation((...change) => {
      set(...change);
      hold();
    });
    try {
      ct.setTimeoutPolicy(id, { udp_first: 3 });
    } catch (error) {
      expect(error).toBeInstanceOf(LockTimeoutError);
    }
    letGo();
    expect(ct.timeoutPolicy(id)).toMatchObject({ udp_first: 3 });
    send(ct, udp(SHORT_LIVED), 1, options);
    for (let nowMs = 1; nowMs < 4; nowMs++) {
      expect(ct.sweep(nowMs)).toBe(0);
    }
    expect(ct.sweep(3001)).toBe(1);
  });

  it.each([0, 5])('has a connection removed in time that begins %i sweeps after the change', (sweeps) => {
    const { ct } = table();
    const options = { commit: true, ...(id === 0 ? {} : { timeoutPolicy: id }) };
    send(ct, udp(LONG_LIVED), 0, options);
    ct.setTimeoutPolicy(id, { udp_first: 3 });
    for (let n = 0; n < sweeps; n++) {
      expect(ct.sweep(n)).toBe(0);
    }
    send(ct, udp(SHORT_LIVED), 1000, options);
    expect(ct.sweep(3999)).toBe(0);
    expect(ct.sweep(4000)).toBe(1);
    expect(ct.sweep(60_000)).toBe(1);
  });

  it('is refused if its times are wrong, and may be set after that', () => {
    const { ct } = table();
    const before = ct.timeoutPolicy(id);
    expect(() => ct.setTimeoutPolicy(id, { udp_first: 0.5 })).toThrow(/^timeout udp_first must be /);
    expect(ct.timeoutPolicy(id)).toEqual(before);
    ct.setTimeoutPolicy(id, { udp_first: 3 });
    expect(ct.timeoutPolicy(id)).toMatchObject({ udp_first: 3 });
  });
});
