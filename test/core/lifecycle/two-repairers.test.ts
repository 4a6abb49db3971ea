/** Two threads repair the same participant at once: only one of them acts at a time. */

import { afterEach, describe, expect, it, vi } from 'vitest';
import { Conntrack } from '../../../src/core/conntrack.ts';
import { Claim, claimOf } from '../../../src/shared/memory/participant-slots.ts';
import { ParticipantWord } from '../../../src/shared/memory/participant.ts';
import { QuotaPools } from '../../../src/shared/quota/quota-pool.ts';
import { pretendDead } from '../../support/participant-slots.ts';

afterEach(() => void vi.restoreAllMocks());

function table() {
  const a = new Conntrack({ buckets: 1, maxConnections: 10, maxParticipants: 4 });
  const [b, dead] = [Conntrack.attach(a.memory), Conntrack.attach(a.memory)];
  pretendDead(dead);
  return { a, b, dead };
}

/** Calls this once in the middle of the next repair. */
function amidRepair(call: () => void): void {
  vi.spyOn(QuotaPools.prototype, 'repairPrefetched').mockImplementationOnce(() => {
    call();
    return 0;
  });
}

function turnAt({ tracker }: Conntrack): number {
  return tracker.participant.base + ParticipantWord.REPAIRER;
}

describe('a repair', () => {
  it('is refused while another living thread does it', () => {
    const { a, b, dead } = table();
    let problem: unknown;
    amidRepair(() => {
      try {
        b.repair(dead.participant);
      } catch (error) {
        problem = error;
      }
    });
    const { isComplete, token } = a.repair(dead.participant);
    expect(isComplete).toBe(true);
    expect(String(problem)).toMatch(/participant 2 is being repaired by another thread: let that thread finish$/);
    expect(Conntrack.attach(a.memory, { participant: dead.participant, token }).participant).toBe(dead.participant);
  });

  it('makes a second one wait, which then finds it done', () => {
    const { a, b, dead } = table();
    const words = a.memory.words;
    words[turnAt(dead)] = a.participant + 1;
    const wait = vi.spyOn(Atomics, 'wait').mockImplementation(() => {
      a.repair(dead.participant);
      return 'timed-out';
    });
    const repairs = vi.spyOn(QuotaPools.prototype, 'repairPrefetched');
    expect(b.repair(dead.participant)).toMatchObject({ isComplete: true, participant: dead.participant });
    expect(wait).toHaveBeenCalledTimes(1);
    expect(repairs).toHaveBeenCalledTimes(1);
    expect(claimOf(a.tracker.participants, dead.participant)).toBe(Claim.vacant);
    expect(words[turnAt(dead)]).toBe(0);
  });

  it('whose thread died is done by the next', () => {
    const { a, b, dead } = table();
    a.memory.words[turnAt(dead)] = b.participant + 1;
    pretendDead(b);
    expect(a.repair(dead.participant).isComplete).toBe(true);
  });

  it('whose thread died, and whose slot is another thread’s by now, is done by the next', () => {
    const { a, b, dead } = table();
    a.memory.words[turnAt(dead)] = b.participant + 1;
    pretendDead(b);
    const { participant, token } = a.repair(b.participant);
    Conntrack.attach(a.memory, { participant, token });
    expect(a.repair(dead.participant).isComplete).toBe(true);
  });

  it('that threw may be repeated by any thread', () => {
    const { a, b, dead } = table();
    amidRepair(() => {
      throw new Error('broken');
    });
    expect(() => a.repair(dead.participant)).toThrow('broken');
    expect(b.repair(dead.participant).isComplete).toBe(true);
  });
});
