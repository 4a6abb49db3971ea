/** Threads that sleep on a dead thread's lock wake when another thread has repaired after it. */

import { afterAll, describe, expect, it } from 'vitest';
import { CtAction } from '../../../src/core/action.ts';
import { Conntrack } from '../../../src/core/conntrack.ts';
import { memoryLayout } from '../../../src/core/memory/memory-layout.ts';
import { FragmentsWord } from '../../../src/core/fragments/region.ts';
import { visitBucket } from '../../../src/core/inspect/table-walk.ts';
import { PacketBatch } from '../../../src/core/packet/batch.ts';
import { ConnWord } from '../../../src/core/table/conn.ts';
import { allocateWords } from '../../../src/shared/access.ts';
import { QuotaLayout } from '../../../src/shared/quota/quota-pool.ts';
import { SlabLayout } from '../../../src/shared/memory/slab.ts';
import { problemsOf } from '../../support/deep-accounting.ts';
import { fragmentsOf } from '../../support/fragments.ts';
import { reverse, tcp, udp } from '../../support/frames.ts';
import { send } from '../../support/tracking.ts';
import { Crew } from '../../threads/crew.ts';
import type { RepairWaiterJobs, Waiting } from '../../threads/repair-waiter-jobs.ts';
import { signal, until } from '../../threads/steps.ts';
import { pretendDead } from '../../support/participant-slots.ts';

const VICTIM = 0;
const WAITER = 1;
/* Words of Waiting.signals. */
const STOPPED = 0;
const GO_ON = 1;
const NOW_MS = 1000;
const ENDS = { src: '10.0.0.1', dst: '10.0.0.2', sport: 1000, dport: 80 };
const SYN = tcp(ENDS, { flags: 'S', seq: 1 });
const SYN_ACK = tcp(reverse(ENDS), { flags: 'SA', seq: 7, ack: 2 });

const crew = new Crew<RepairWaiterJobs>({ jobs: 'repair-waiter-jobs', threads: 2, checked: true });
afterAll(() => crew.end());

interface LockToTake {
  index: number;
  frames: Uint8Array[];
  isOfFragments?: boolean;
}

function planOf(ct: Conntrack, { index, frames, isOfFragments = false }: LockToTake, dies: Waiting['dies']): Waiting {
  return { memory: ct.memory, frames, nowMs: NOW_MS, index, isOfFragments, dies, signals: allocateWords(2) };
}

/** What to lock, by packets of which both threads send the same. */
const LOCKS: Record<string, (ct: Conntrack) => LockToTake> = {
  bucket: (ct) => ({ index: memoryLayout(ct.memory).buckets, frames: [SYN] }),
  connection: (ct) => {
    send(ct, SYN, NOW_MS);
    let index = 0;
    visitBucket(ct.tracker, 0, (_, r) => (index = r + ConnWord.LOCK));
    return { index, frames: [SYN_ACK] };
  },
  slab: (ct) => ({ index: memoryLayout(ct.memory).slab + SlabLayout.MUTEX, frames: [SYN] }),
  'quota pool': (ct) => ({ index: memoryLayout(ct.memory).quota + QuotaLayout.MUTEX, frames: [SYN] }),
  fragments: () => ({
    index: FragmentsWord.MUTEX,
    frames: fragmentsOf(udp(ENDS, Buffer.alloc(1992)), 3, 1500).slice(0, 1),
    isOfFragments: true,
  }),
};

describe.each(Object.keys(LOCKS))('a thread that sleeps on the lock of a %s', (name) => {
  it.each(['holding it', 'before it wakes anybody'] as const)(
    'wakes after the repair of one that died %s',
    async (dies) => {
      const ct = new Conntrack({ buckets: 1, maxConnections: 100, maxParticipants: 3 });
      const plan = planOf(ct, LOCKS[name]!(ct), dies);
      const { index, signals } = plan;
      const words = plan.isOfFragments ? ct.memory.fragments : ct.memory.words;

      const death = crew.runOn(VICTIM, 'die', plan);
      if (dies === 'before it wakes anybody') {
        await until('the victim holds the lock', () => Atomics.load(signals, STOPPED) === 1);
      } else {
        await death;
      }
      const waiting = crew.runOn(WAITER, 'wait', plan);
      await until('a thread waits for the lock', () => (Atomics.load(words, index) & 1) !== 0);
      signal(signals, GO_ON, 1);
      const victim = await death;

      const report = ct.repair(victim);
      expect(report.isComplete).toBe(true);
      expect(report.locksReleased > 0).toBe(dies === 'holding it');
      expect((await waiting).length).toBeLessThanOrEqual(1);
      expect(problemsOf(ct, NOW_MS)).toEqual([]);
    },
  );
});

describe('a repair that needs a lock of another dead thread', () => {
  it('says that it is not complete, and is once that one was repaired after', async () => {
    const ct = new Conntrack({ buckets: 1, maxConnections: 100, maxParticipants: 4 });
    send(ct, udp(ENDS), NOW_MS);
    const plan = planOf(ct, LOCKS['bucket']!(ct), 'holding it');
    /* One dies with the bucket's lock; another one before it takes it, having begun to remove a connection. */
    const holder = await crew.runOn(VICTIM, 'die', plan);
    const remover = await crew.runOn(WAITER, 'dieRemoving', plan);
    const first = ct.repair(remover);
    expect(first).toMatchObject({ isComplete: false, unlinksFinished: 0 });
    expect(ct.repair(holder).isComplete).toBe(true);
    expect(ct.repair(remover)).toMatchObject({ isComplete: true, unlinksFinished: 1 });
    expect(problemsOf(ct, NOW_MS)).toEqual([]);
    expect(ct.connCount).toBe(0);
  });
});

describe('a thread with a lock timeout', () => {
  it('gives up waiting for the lock of a dead thread, and goes on when that is repaired', async () => {
    const ct = new Conntrack({ buckets: 1, maxConnections: 100, maxParticipants: 3 });
    for (let port = 1001; port < 1011; port++) {
      send(ct, udp({ ...ENDS, sport: port }), NOW_MS);
    }
    const plan = planOf(ct, LOCKS['bucket']!(ct), 'holding it');
    const dead = await crew.runOn(VICTIM, 'die', plan);
    ct.lockTimeoutMs = 50;
    expect(() => ct.flush()).toThrow(
      new RegExp(
        `bucket lock .* held for 0.05 s, now by participant ${dead}\\. If its thread has died, .* repairs .* call again$`,
      ),
    );
    expect(() => ct.flush()).toThrow(/gave up waiting for a lock that another thread still holds.*call again/s);
    expect(() => ct.execute(PacketBatch.allocate(), new CtAction({}), NOW_MS)).toThrow(
      /gave up waiting for a lock that another thread still holds.*call again/s,
    );

    expect(ct.repair(dead).isComplete).toBe(true);
    expect(ct.connCount).toBe(9);
    expect(problemsOf(ct, NOW_MS)).toEqual([]);
    expect(ct.flush()).toBe(9);
    expect(ct.counters().flushed).toBe(10);
    expect(problemsOf(ct, NOW_MS)).toEqual([]);
  });
});

describe('repair', () => {
  it('is refused for the calling thread and for what is no participant', () => {
    const ct = new Conntrack({ buckets: 1, maxConnections: 10, maxParticipants: 2 });
    expect(() => ct.repair(ct.participant)).toThrow(/the calling thread's own: a thread cannot repair itself/);
    expect(() => ct.repair(2)).toThrow(/no participant 2/);
    expect(() => ct.repair(-1)).toThrow(/no participant/);
    expect(ct.repair(1)).toMatchObject({ isComplete: true, locksReleased: 0 });
  });

  it('keeps the slot for a replacement, and gives it to any thread when no other slot is free', () => {
    const ct = new Conntrack({ buckets: 1, maxConnections: 10, maxParticipants: 3 });
    const dead = Conntrack.attach(ct.memory);
    send(dead, udp(ENDS), NOW_MS);
    pretendDead(dead);
    const { participant, token } = ct.repair(dead.participant);
    const other = Conntrack.attach(ct.memory);
    expect(other.participant).not.toBe(dead.participant);
    const last = Conntrack.attach(ct.memory);
    expect(last.participant).toBe(dead.participant);
    expect(() => Conntrack.attach(ct.memory)).toThrow(/maxParticipants/);
    expect(ct.participantCounters()[dead.participant]!.counters.created).toBe(1);
    last.close();
    expect(() => Conntrack.attach(ct.memory, { participant, token })).toThrow(/cannot be taken over/);
  });

  it('keeps the slot for the replacement alone if it is told to', () => {
    const ct = new Conntrack({ buckets: 1, maxConnections: 10, maxParticipants: 2 });
    const dead = Conntrack.attach(ct.memory);
    pretendDead(dead);
    const { participant, token, isComplete } = ct.repair(dead.participant, { keepsSlot: true });
    expect(isComplete).toBe(true);
    expect(() => Conntrack.attach(ct.memory)).toThrow(/maxParticipants/);
    const replacement = Conntrack.attach(ct.memory, { participant, token });
    expect(replacement.participant).toBe(dead.participant);
  });

  it('does not give a vacant slot to two threads that take it at the same moment', async () => {
    const { first, error } = await crew.runOn(VICTIM, 'takeOverTwice', undefined as never);
    expect(first).toBe(1);
    expect(error).toMatch(/another thread has just taken it/);
  });

  it('does not let a replacement take a fragment that the dead has brought for one of its own', () => {
    const ct = new Conntrack({ buckets: 1, maxConnections: 10, maxParticipants: 2 });
    const dead = Conntrack.attach(ct.memory);
    const [first, second] = fragmentsOf(udp(ENDS, Buffer.alloc(2392)), 3, 1208);
    /* Both stand in the same place of the first batch of their thread. */
    const batch = PacketBatch.allocate();
    batch.add(first!);
    dead.execute(batch, new CtAction({ commit: true }), NOW_MS);
    expect(batch.count).toBe(0);
    pretendDead(dead);
    const { participant, token } = ct.repair(dead.participant);
    const replacement = Conntrack.attach(ct.memory, { participant, token });
    batch.clear();
    batch.add(second!);
    replacement.execute(batch, new CtAction({ commit: true }), NOW_MS);
    expect([0, 1].map((i) => Buffer.from(batch.frame(i)).toString('hex'))).toEqual(
      [first!, second!].map((frame) => frame.toString('hex')),
    );
  });

  it('frees a reader of events for the next', () => {
    const ct = new Conntrack({ buckets: 1, maxConnections: 10, maxParticipants: 3 });
    const dead = Conntrack.attach(ct.memory);
    dead.events();
    expect(() => ct.events()).toThrow(/have a reader already: close it first/);
    pretendDead(dead);
    expect(ct.repair(dead.participant).wasEventReader).toBe(true);
    const events = ct.events();
    send(ct, udp(ENDS), NOW_MS);
    expect(events.drain().map(({ kind }) => kind)).toEqual(['new']);
  });
});
