/** A participant slot belongs to one thread at every step in which it is taken or released. */

import { afterEach, describe, expect, it, vi } from 'vitest';
import { Conntrack } from '../../../src/core/conntrack.ts';
import { markThread } from '../../../src/core/repair/thread-mark.ts';
import {
  adoptParticipant,
  Claim,
  claimOf,
  claimParticipant,
  isClaimed,
  keepForToken,
  releaseParticipant,
  reserveParticipant,
} from '../../../src/shared/memory/participant-slots.ts';
import type { Participant, ParticipantRegion } from '../../../src/shared/memory/participant.ts';
import { ParticipantWord } from '../../../src/shared/memory/participant.ts';

afterEach(() => void vi.restoreAllMocks());

function table(): Conntrack {
  return new Conntrack({ buckets: 1, maxConnections: 10, maxParticipants: 4 });
}

/** The same slots, for a thread that dies as soon as it has this one. */
function fatal(region: ParticipantRegion, id: number): ParticipantRegion {
  return {
    get words() {
      if (claimOf(region, id) === Claim.claimed) {
        throw new Error('dead');
      }
      return region.words;
    },
    base: region.base,
    maxParticipants: region.maxParticipants,
  };
}

/** The slot, and its Claim at each access to its words. */
function watched(region: ParticipantRegion, participant: Participant): { participant: Participant; claims: number[] } {
  const claims: number[] = [];
  const slot = {
    get words() {
      claims.push(claimOf(region, participant.id));
      return participant.words;
    },
    base: participant.base,
  };
  return { participant: slot as unknown as Participant, claims };
}

describe('a participant slot', () => {
  it('that is released or kept is not written after the store with which another thread can take it', () => {
    const { participants } = table().tracker;
    const leaves = [releaseParticipant, (slot: Participant) => keepForToken(slot, Claim.vacant)];
    for (const leave of leaves) {
      const owner = claimParticipant(participants);
      const { participant, claims } = watched(participants, owner);
      leave(participant);
      expect(claimOf(participants, owner.id)).not.toBe(Claim.claimed);
      expect(claims.length).toBeGreaterThan(1);
      expect(new Set(claims)).toEqual(new Set([Claim.claimed]));
    }
  });

  it('that is vacant is claimed only if no slot is free', () => {
    const { participants } = table().tracker;
    const [vacant, ...others] = [1, 2, 3].map(() => claimParticipant(participants));
    others.forEach(releaseParticipant);
    keepForToken(vacant!, Claim.vacant);
    const claimed = [1, 2, 3].map(() => claimParticipant(participants).id);
    expect(claimed).toEqual([...others.map(({ id }) => id), vacant!.id]);
  });

  it('of a thread that died asleep is not asleep when another thread takes it', () => {
    const { participants } = table().tracker;
    const dead = claimParticipant(participants);
    dead.fallAsleep(participants.words, 1);
    const taken = adoptParticipant(participants, dead.id, keepForToken(dead, Claim.reserved));
    expect(taken.words[taken.base + ParticipantWord.SLEEPS_ON]).toBe(0);
  });

  it('is repaired with the token of a thread that dies in the step in which it takes it', () => {
    const main = table();
    const { participants } = main.tracker;
    const { participant, token } = reserveParticipant(participants);
    expect(() => adoptParticipant(fatal(participants, participant.id), participant.id, token)).toThrow('dead');
    expect(main.repair(participant.id, { token })).toMatchObject({ isComplete: true });
  });

  it('is not repaired with the token of a thread that had it before, from the step on in which another one takes it', () => {
    const main = table();
    const { participants } = main.tracker;
    const { participant, token } = reserveParticipant(participants);
    Conntrack.attach(main.memory, { participant: participant.id, token }).close();
    expect(() => claimParticipant(fatal(participants, participant.id))).toThrow('dead');
    expect(() => main.repair(participant.id, { token })).toThrow(/was not taken with this token/);
  });

  it('that is being reserved is never seen as claimed', () => {
    const { tracker } = table();
    const { participants } = tracker;
    const claims = new Set<number>();
    const watched: ParticipantRegion = {
      get words() {
        claims.add(claimOf(participants, 1));
        return participants.words;
      },
      base: participants.base,
      maxParticipants: participants.maxParticipants,
    };
    reserveParticipant(watched);
    claims.add(claimOf(participants, 1));
    expect([...claims]).toEqual([Claim.free, Claim.reserved]);
  });

  it('of a live thread that has not yet left its mark there is not repaired', () => {
    const main = table();
    const newcomer = claimParticipant(main.tracker.participants);
    vi.spyOn(Atomics, 'wait').mockImplementation(() => {
      markThread(newcomer);
      return 'timed-out';
    });
    expect(() => main.repair(newcomer.id)).toThrow(/belongs to a thread that is alive/);
    expect(claimOf(main.tracker.participants, newcomer.id)).toBe(Claim.claimed);
  });

  it('of a thread that is releasing it is not repaired', () => {
    const main = table();
    const { participants } = main.tracker;
    const leaving = Conntrack.attach(main.memory).tracker.participant;
    /* As releaseParticipant. */
    leaving.words[leaving.base + ParticipantWord.THREAD] = 0;
    vi.spyOn(Atomics, 'wait').mockImplementation(() => {
      leaving.words[leaving.base + ParticipantWord.CLAIMED] = Claim.free;
      return 'timed-out';
    });
    expect(main.repair(leaving.id)).toMatchObject({ token: 0 });
    expect(isClaimed(participants, leaving.id)).toBe(false);
  });

  it('of a thread that died before it left its mark there is repaired', () => {
    const main = table();
    const { id } = claimParticipant(main.tracker.participants);
    expect(main.repair(id)).toMatchObject({ isComplete: true, participant: id });
    expect(claimOf(main.tracker.participants, id)).toBe(Claim.vacant);
  });

  it('that its thread has closed for another one is not waited for', () => {
    const main = table();
    const closed = Conntrack.attach(main.memory);
    closed.close({ keepsSlot: true });
    const wait = vi.spyOn(Atomics, 'wait');
    expect(main.repair(closed.participant).isComplete).toBe(true);
    expect(wait).not.toHaveBeenCalled();
  });
});
