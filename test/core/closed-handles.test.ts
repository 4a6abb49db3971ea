/** A closed handle refuses every call, and no thread takes the participant slot of a living thread. */

import { Worker } from 'node:worker_threads';
import { afterAll, describe, expect, it } from 'vitest';
import { CtAction } from '../../src/core/action.ts';
import { ConntrackSettings } from '../../src/core/conntrack-settings.ts';
import { Conntrack } from '../../src/core/conntrack.ts';
import { UsageError } from '../../src/core/errors.ts';
import { PacketBatch } from '../../src/core/packet/batch.ts';
import { Control } from '../../src/workers/control/control-thread.ts';
import { Datapath } from '../../src/workers/datapath/datapath.ts';
import { udp } from '../support/frames.ts';
import { pretendDead } from '../support/participant-slots.ts';
import { send } from '../support/tracking.ts';
import { Crew } from '../threads/crew.ts';
import type { HandleJobs } from '../threads/handle-jobs.ts';

const ENDS = { src: '10.0.0.1', dst: '10.0.0.2', sport: 1, dport: 53 };
const TUPLE = { ...ENDS, proto: 17 };
const NOW_MS = 1000;
const CLOSED = /^this handle is closed: attach to the memory of the table to get another one$/;
const IS_LINUX = process.platform === 'linux';

function table(): Conntrack {
  return new Conntrack({ buckets: 4, maxConnections: 1000, maxParticipants: 8 });
}

/** A call of each method, setter and getter. */
const CALLS: Record<string, (ct: Conntrack) => unknown> = {
  repair: (ct) => ct.repair(1),
  execute: (ct) => ct.execute(PacketBatch.allocate(), new CtAction({ commit: true }), NOW_MS),
  dump: (ct) => ct.dump({ nowMs: NOW_MS }),
  dumpExpectations: (ct) => ct.dumpExpectations(),
  flush: (ct) => ct.flush(),
  flushTuple: (ct) => ct.flushTuple(TUPLE, { nowMs: NOW_MS }),
  sweep: (ct) => ct.sweep(NOW_MS),
  connCount: (ct) => ct.connCount,
  maxConnections: (ct) => ct.maxConnections,
  'set maxConnections': (ct) => (ct.maxConnections = 5),
  tableFull: (ct) => ct.tableFull,
  'set tableFull': (ct) => (ct.tableFull = 'early-drop'),
  tcpSeqChk: (ct) => ct.tcpSeqChk,
  'set tcpSeqChk': (ct) => (ct.tcpSeqChk = false),
  lockTimeoutMs: (ct) => ct.lockTimeoutMs,
  'set lockTimeoutMs': (ct) => (ct.lockTimeoutMs = 5),
  sweepIntervalMs: (ct) => ct.sweepIntervalMs,
  'set sweepIntervalMs': (ct) => (ct.sweepIntervalMs = 1),
  zoneLimit: (ct) => ct.zoneLimit('default'),
  setZoneLimit: (ct) => ct.setZoneLimit(5, 1),
  zoneLimits: (ct) => ct.zoneLimits(),
  deleteZoneLimit: (ct) => ct.deleteZoneLimit(5),
  setTimeoutPolicy: (ct) => ct.setTimeoutPolicy(1, {}),
  timeoutPolicy: (ct) => ct.timeoutPolicy(0),
  timeoutPolicies: (ct) => ct.timeoutPolicies(),
  deleteTimeoutPolicy: (ct) => ct.deleteTimeoutPolicy(1),
  setZoneTimeoutPolicy: (ct) => ct.setZoneTimeoutPolicy(5, 0),
  zoneTimeoutPolicy: (ct) => ct.zoneTimeoutPolicy(5),
  deleteZoneTimeoutPolicy: (ct) => ct.deleteZoneTimeoutPolicy(5),
  zoneTimeoutPolicies: (ct) => ct.zoneTimeoutPolicies(),
  counters: (ct) => ct.counters(),
  participantCounters: (ct) => ct.participantCounters(),
  stats: (ct) => ct.stats({ nowMs: NOW_MS }),
  events: (ct) => ct.events(),
  fragmentLists: (ct) => ct.fragmentLists(),
  buckets: (ct) => ct.buckets(),
  'fragments.setEnabled': (ct) => ct.fragments.setEnabled('v4', false),
  'fragments.setMinFragSize': (ct) => ct.fragments.setMinFragSize('v4', 500),
  'fragments.setMaxFrags': (ct) => ct.fragments.setMaxFrags(1),
  'fragments.status': (ct) => ct.fragments.status(),
  'tracker.enter': (ct) => ct.tracker.enter(),
  'tracker.quiesce': (ct) => ct.tracker.quiesce(),
  'tracker.leave': (ct) => ct.tracker.leave(),
  'tracker.reclaim': (ct) => ct.tracker.reclaim(),
  'tracker.close': (ct) => ct.tracker.close(),
};
/** The members of a closed handle that still work. */
const HARMLESS = ['constructor', 'close', 'participant'];

describe('a closed handle', () => {
  it('refuses every call', () => {
    const main = table();
    const ct = Conntrack.attach(main.memory);
    ct.close();
    const before = main.memory.words.slice(0, 1 << 16);
    for (const [name, call] of Object.entries(CALLS)) {
      expect(() => call(ct), name).toThrow(UsageError);
      expect(() => call(ct), name).toThrow(CLOSED);
    }
    expect(Buffer.compare(Buffer.from(before.buffer), Buffer.from(main.memory.words.slice(0, 1 << 16).buffer))).toBe(0);
  });

  it('is tested in all its members', () => {
    const declared = [Conntrack, ConntrackSettings].flatMap(({ prototype }) =>
      Object.entries(Object.getOwnPropertyDescriptors(prototype)),
    );
    expect(Object.getPrototypeOf(ConntrackSettings.prototype)).toBe(Object.prototype);
    const members = declared.flatMap(([name, member]) => (member.set === undefined ? [name] : [name, `set ${name}`]));
    expect(members.filter((name) => !HARMLESS.includes(name)).toSorted()).toEqual(
      Object.keys(CALLS)
        .filter((name) => !name.includes('.'))
        .toSorted(),
    );
  });

  it('may be closed again, and its slot goes to one thread', () => {
    const main = table();
    const a = Conntrack.attach(main.memory);
    a.close();
    const b = Conntrack.attach(main.memory);
    a.close();
    a.close({ keepsSlot: true });
    const c = Conntrack.attach(main.memory);
    expect([a.participant, b.participant, c.participant]).toEqual([1, 1, 2]);
  });

  it('ends the dump that it was in the middle of', () => {
    const ct = table();
    send(ct, udp(ENDS), NOW_MS);
    const dump = ct.dump({ nowMs: NOW_MS });
    dump.next();
    ct.close();
    expect(() => dump.next()).toThrow(CLOSED);
    expect(dump.next()).toEqual({ value: undefined, done: true });
  });

  it('ends its reader of events, and the next reader loses nothing to it', async () => {
    const main = table();
    const ct = Conntrack.attach(main.memory);
    const reader = ct.events();
    const following = reader.follow({ pollMs: 1 });
    send(main, udp(ENDS), NOW_MS);
    ct.close();
    for (const call of [() => reader.drain(), () => reader.collect(), () => reader.lost, () => reader.follow()]) {
      expect(call).toThrow(CLOSED);
    }
    expect(await following.next()).toEqual({ value: undefined, done: true });
    reader.close();
    const next = main.events();
    send(main, udp({ ...ENDS, sport: 2 }), NOW_MS);
    expect(next.drain()).toHaveLength(1);
  });

  it('is offline, even if it was closed inside an epoch', () => {
    const main = table();
    const ct = Conntrack.attach(main.memory);
    ct.tracker.enter();
    ct.close();
    expect(main.tracker.epochs.isOnline(ct.tracker.participant)).toBe(false);
  });
});

describe('a closed reader of events', () => {
  it('takes no events from the next one', () => {
    const main = table();
    const other = Conntrack.attach(main.memory);
    const closed = main.events();
    closed.close();
    const reader = other.events();
    send(main, udp(ENDS), NOW_MS);
    expect(() => closed.collect()).toThrow(/^this reader of events is closed: ask for another one$/);
    main.flush();
    main.sweep(NOW_MS);
    expect(reader.drain().map(({ kind }) => kind)).toEqual(['new', 'destroy']);
    expect(closed.drain()).toEqual([]);
  });
});

describe('a participant slot', () => {
  const crew = new Crew<HandleJobs>({ jobs: 'handle-jobs', threads: 2, checked: false });
  afterAll(() => crew.end());

  it('of an open handle is neither repaired nor taken over', () => {
    const main = table();
    const living = Conntrack.attach(main.memory);
    const { participant } = living;
    expect(() => main.repair(participant)).toThrow(
      /^participant 1 belongs to a thread that is alive: close its handle, or wait until the thread has ended$/,
    );
    for (const place of [{ participant }, { participant, token: 0 }, { participant, token: 7 }, { token: 7 }]) {
      expect(() => Conntrack.attach(main.memory, place)).toThrow(UsageError);
    }
    expect(() => Conntrack.attach(main.memory, { participant: 5, token: 7 })).toThrow(/cannot be taken over/);
    send(living, udp(ENDS), NOW_MS);
    expect(main.connCount).toBe(1);
  });

  it.runIf(IS_LINUX)(
    'of a living thread is refused, and after the thread has ended is taken once, by token',
    async () => {
      const main = table();
      const { memory } = main;
      const ending = new Crew<HandleJobs>({ jobs: 'handle-jobs', threads: 1, checked: false });
      const [participant] = (await ending.run('attach', memory)) as [number];
      expect(() => main.repair(participant)).toThrow(/belongs to a thread that is alive/);
      await ending.end();

      const { isComplete, token } = main.repair(participant);
      expect(isComplete).toBe(true);
      expect(await crew.runOn(0, 'takeOver', { memory, participant, token: token ^ 1 })).toMatch(
        /cannot be taken over: the token is not the one that the last repair gave$/,
      );
      expect(await crew.runOn(0, 'takeOver', { memory, participant, token })).toBe(String(participant));
      expect(await crew.runOn(1, 'takeOver', { memory, participant, token })).toMatch(
        /cannot be taken over: a thread has it/,
      );
      expect(() => main.repair(participant)).toThrow(/belongs to a thread that is alive/);
      expect(() => main.repair(participant, { token: token ^ 1 })).toThrow(/was not taken with this token/);
    },
  );

  it('that is reserved can be repaired again only with the token', () => {
    const main = table();
    const dead = Conntrack.attach(main.memory);
    pretendDead(dead);
    const { participant, token } = main.repair(dead.participant, { keepsSlot: true });
    expect(() => main.repair(participant)).toThrow(/is reserved for a thread that has its token/);
    const again = main.repair(participant, { keepsSlot: true, token });
    expect(() => Conntrack.attach(main.memory, { participant, token })).toThrow(/the token is not the one/);
    expect(
      Conntrack.attach(main.memory, again.participant === participant ? { participant, token: again.token } : {})
        .participant,
    ).toBe(participant);
  });

  it('is never given to two threads that open and close handles at the same time', async () => {
    const { memory } = new Conntrack({ buckets: 1, maxConnections: 10, maxParticipants: 4 });
    const places = new Int32Array(new SharedArrayBuffer(16));
    expect(await crew.run('comeAndGo', { memory, rounds: 300, places })).toEqual([0, 0]);
    const last = Conntrack.attach(memory);
    expect(last.participant).toBe(1);
  });
});

describe('a datapath', () => {
  it('keeps its handle open, and the slots of its PMDs, until it is stopped', async () => {
    const datapath = await Datapath.start({ maxConnections: 1000, buckets: 1 });
    const { conntrack } = datapath;
    const { memory } = conntrack;
    expect(() => conntrack.close()).toThrow(/^a datapath uses this handle: stop it first$/);
    for (const { participant } of datapath.workers()) {
      expect(() => Conntrack.attach(memory, { participant, token: 1 })).toThrow(/cannot be taken over/);
      if (IS_LINUX) {
        expect(() => conntrack.repair(participant)).toThrow(/belongs to a thread that is alive/);
      }
    }
    await datapath.push(udp(ENDS), { timeMs: NOW_MS });
    await datapath.drain();
    await datapath.stop();
    expect(conntrack.connCount).toBe(1);
    for (const call of [
      () => datapath.push(udp(ENDS), { timeMs: NOW_MS }),
      () => datapath.offer(udp(ENDS), { timeMs: NOW_MS }),
      () => datapath.drain(),
      () => datapath.terminateWorker('pmd'),
      () => Control.start({ datapath, path: '/nowhere/control.sock' }),
    ]) {
      expect(await complaint(call)).toBe('the datapath is stopped: start another one');
    }
    conntrack.close();
    expect(() => datapath.events()).toThrow(CLOSED);
    await datapath.stop();
  });
});

async function complaint(call: () => unknown): Promise<string> {
  try {
    await call();
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError);
    return (error as Error).message;
  }
  return 'nothing';
}

it('a thread that ends with its handle open is known to be gone when its exit event has come', async () => {
  const main = table();
  const code = `
    import(${JSON.stringify(new URL('../../dist/src/core/conntrack.js', import.meta.url).href)}).then(({ Conntrack }) => {
      const { workerData, parentPort } = require('node:worker_threads');
      parentPort.postMessage(Conntrack.attach(workerData).participant);
      setInterval(() => {}, 1000);
    });`;
  const worker = new Worker(code, { eval: true, workerData: main.memory });
  const participant = await new Promise<number>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  await worker.terminate();
  expect(main.repair(participant)).toMatchObject({ isComplete: true, participant });
});
