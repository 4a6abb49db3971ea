/** Jobs of the tests of checked mode: each breaks something in a table of its own, and returns the error. */

import { Conntrack } from '../../src/core/conntrack.ts';
import { obtain } from '../../src/core/table/reference-checks.ts';
import { Counter } from '../../src/core/counters.ts';
import { visitBucket } from '../../src/core/inspect/table-walk.ts';
import type { TrackerMemory } from '../../src/core/memory/memory.ts';
import { memoryLayout } from '../../src/core/memory/memory-layout.ts';
import { killConn, removeConn } from '../../src/core/lifecycle/remove.ts';
import { BUCKET_WORDS, BucketWord } from '../../src/core/table/bucket-layout.ts';
import { BucketTable } from '../../src/core/table/bucket-table.ts';
import { ConnWord, LIFE_GENERATION, UNIT_SHIFT, UNIT_WORDS } from '../../src/core/table/conn.ts';
import { forgetHeld } from '../../src/shared/sync/lockdep.ts';
import { lockTagOf } from '../../src/shared/sync/mutex.ts';
import { udp } from '../support/frames.ts';
import { send } from '../support/tracking.ts';
import { serve } from './serve.ts';

/** A table of one bucket (two for pairs of locks) with one or two connections, and the parts to break it. */
class Victim {
  readonly ct: Conntrack;
  readonly other: Conntrack;

  constructor(buckets = 1) {
    this.ct = new Conntrack({ buckets, maxConnections: 1000, maxParticipants: 4, hashSeed: [1, 2] });
    this.other = Conntrack.attach(this.ct.memory);
  }

  get tracker() {
    return this.ct.tracker;
  }

  get words() {
    return this.tracker.words;
  }

  connect(port: number): void {
    send(this.ct, udp({ src: '10.0.0.1', sport: port, dst: '10.9.9.9', dport: 53 }), 0);
  }

  /** A plain connection, and this thread inside an epoch. */
  withConnection(port = 1000): number {
    this.connect(port);
    this.tracker.enter();
    return this.records()[0]!;
  }

  translated(): number {
    const nat = { action: ['src' as const], minAddr: '198.51.100.1' };
    const frame = udp({ src: '10.0.0.1', sport: 5000, dst: '10.9.9.9', dport: 53 });
    send(this.ct, frame, 0, { commit: true, nat });
    this.tracker.enter();
    return this.records()[0]!;
  }

  records(): number[] {
    const records: number[] = [];
    for (let bucket = 0; bucket < this.tracker.table.bucketCount; bucket++) {
      visitBucket(this.tracker, bucket, (record) => records.push(record));
    }
    return records;
  }

  hashOf(record: number): number {
    return this.words[(record << UNIT_SHIFT) + ConnWord.HASH]!;
  }

  /** Word index of the slot of a record in the only bucket. */
  slotOf(record: number): number {
    const block = this.tracker.table.blockOfBucket(0);
    for (let n = 0; n < BucketTable.slotsOf(block); n++) {
      const slot = BucketTable.slotInBlock(block, n);
      if (this.words[slot] === record) {
        return slot;
      }
    }
    throw new Error(`record ${record} is in no slot`);
  }

  headerOf(bucket: number): number {
    return memoryLayout(this.ct.memory).buckets + bucket * BUCKET_WORDS;
  }

  /** Breaks the only bucket while its lock is held; throws the error of the unlock. */
  inBucket(breakIt: () => void): void {
    this.tracker.table.lockBucket(0, this.tracker.participant);
    breakIt();
    this.tracker.table.unlockBucket(0);
  }
}

const SABOTAGE = {
  'frees a record twice': () => {
    const { tracker } = new Victim();
    const record = tracker.slab.allocate(tracker.participant, 0);
    tracker.slab.free(tracker.participant, 0, record);
    tracker.slab.free(tracker.participant, 0, record);
  },
  'frees what others have seen': () => {
    const victim = new Victim();
    victim.tracker.slab.free(victim.tracker.participant, 0, victim.withConnection());
  },
  'retires what is linked': () => {
    const victim = new Victim();
    victim.tracker.slab.retire(victim.tracker.participant, 0, victim.withConnection(), victim.tracker.epochs.current());
  },
  'retires twice': () => {
    const victim = new Victim();
    const record = victim.withConnection();
    removeConn(victim.tracker, record, Counter.flushed);
    victim.tracker.slab.retire(victim.tracker.participant, 0, record, victim.tracker.epochs.current());
  },
  'uses memory again before the epoch has passed': () => {
    const victim = new Victim();
    victim.other.tracker.enter();
    removeConn(victim.tracker, victim.withConnection(), Counter.flushed);
    victim.tracker.leave();
    victim.tracker.slab.reclaim(victim.tracker.participant, victim.tracker.epochs.current() + 1);
  },
  'uses an index block again before the epoch has passed': () => {
    const victim = new Victim();
    victim.other.tracker.enter();
    for (let port = 1000; port < 1100; port++) {
      victim.connect(port);
    }
    victim.tracker.arena.reclaim(victim.tracker.participant, victim.tracker.epochs.current() + 1);
  },
  'refers to a connection outside an epoch': () => {
    const victim = new Victim();
    killConn(victim.other.tracker, victim.withConnection());
  },
  'keeps a reference over a quiescent point': () => {
    const victim = new Victim();
    const record = victim.withConnection();
    victim.tracker.quiesce();
    removeConn(victim.tracker, record, Counter.flushed);
  },
  'refers to what was retired before': () => {
    const victim = new Victim();
    const record = victim.withConnection();
    victim.other.tracker.enter();
    removeConn(victim.tracker, record, Counter.flushed);
    victim.tracker.leave();
    victim.tracker.enter();
    obtain(victim.tracker.checks, record);
  },
  'refers to a free record': () => {
    const victim = new Victim();
    const record = victim.withConnection();
    removeConn(victim.tracker, record, Counter.flushed);
    victim.tracker.quiesce();
    victim.tracker.quiesce();
    victim.tracker.quiesce();
    victim.other.tracker.enter();
    killConn(victim.other.tracker, record);
  },
  'refers to another generation': () => {
    const victim = new Victim();
    const record = victim.withConnection();
    victim.words[(record << UNIT_SHIFT) + ConnWord.LIFE]! += LIFE_GENERATION;
    killConn(victim.tracker, record);
  },
  'links what it does not have': () => {
    const { tracker } = new Victim();
    tracker.table.lockBucket(0, tracker.participant);
    const firstUnit = memoryLayout(tracker.memory).records / UNIT_WORDS;
    tracker.table.placeLocked(0, 5, firstUnit, tracker.participant);
  },
  'writes an entry under a hash that is not its own': () => {
    const victim = new Victim();
    const record = victim.withConnection();
    victim.inBucket(() => (victim.words[victim.slotOf(record) - 7]! ^= 1 << 30));
  },
  'counts entries wrong': () => {
    const victim = new Victim();
    victim.withConnection();
    victim.inBucket(() => victim.words[victim.headerOf(0) + BucketWord.ENTRIES]!++);
  },
  'counts wrong who went past a line': () => {
    const victim = new Victim();
    victim.withConnection();
    victim.inBucket(() => victim.words[BucketTable.lineOf(victim.tracker.table.blockOfBucket(0), 0)]!++);
  },
  'links a connection twice': () => {
    const victim = new Victim();
    const record = victim.withConnection();
    const { tracker } = victim;
    victim.inBucket(() => tracker.table.placeLocked(0, victim.hashOf(record), record, tracker.participant));
  },
  'leaves a translated connection half linked': () => {
    const victim = new Victim();
    const record = victim.translated();
    victim.inBucket(() => victim.tracker.table.unlinkLocked(0, victim.hashOf(record), record));
  },
  'lets two live connections have one key': () => {
    const victim = new Victim();
    const record = victim.withConnection();
    const { tracker, words } = victim;
    const copy = tracker.slab.allocate(tracker.participant, 0);
    words.copyWithin(copy << UNIT_SHIFT, record << UNIT_SHIFT, (record + 1) << UNIT_SHIFT);
    victim.inBucket(() => tracker.table.placeLocked(0, victim.hashOf(record), copy, tracker.participant));
  },
  'leaves an entry of a record that is free': () => {
    const victim = new Victim();
    const record = victim.withConnection();
    const { tracker, words } = victim;
    victim.inBucket(() => {
      const slot = victim.slotOf(record);
      tracker.table.unlinkLocked(0, victim.hashOf(record), record);
      words[slot] = record;
      words[victim.headerOf(0) + BucketWord.ENTRIES]!++;
    });
  },
  'gives an index block away that is in use': () => {
    const victim = new Victim();
    victim.withConnection();
    const { tracker } = victim;
    victim.inBucket(() =>
      tracker.arena.retire(tracker.participant, tracker.table.blockOfBucket(0), tracker.epochs.current()),
    );
  },
  'takes buckets in the wrong order': () => {
    const { tracker } = new Victim(2);
    tracker.table.lockBucket(1, tracker.participant);
    tracker.table.lockBucket(0, tracker.participant);
  },
  'releases the lock of another thread': () => {
    const victim = new Victim();
    victim.inBucket(() => (victim.words[victim.headerOf(0)] = lockTagOf(3)));
  },
  'is quiescent with a lock held': () => {
    const victim = new Victim();
    victim.withConnection();
    victim.inBucket(() => victim.tracker.quiesce());
  },
  'is quiescent without having entered an epoch': () => {
    new Victim().tracker.quiesce();
  },
  'does nothing wrong': () => {
    const victim = new Victim();
    const record = victim.translated();
    victim.other.tracker.enter();
    removeConn(victim.tracker, record, Counter.flushed);
    removeConn(victim.other.tracker, record, Counter.flushed);
    victim.tracker.leave();
    victim.other.tracker.leave();
    for (let port = 1000; port < 1700; port++) {
      victim.connect(port);
    }
    victim.ct.sweep(1e6);
    victim.ct.flush();
  },
};

export type SabotageName = keyof typeof SABOTAGE;

const jobs = {
  /** The error of the checked thread; undefined: none. */
  commit(name: SabotageName): string | undefined {
    forgetHeld();
    try {
      SABOTAGE[name]();
    } catch (error) {
      return (error as Error).message;
    }
    return undefined;
  },

  /** A checked thread's table. */
  makeTable(_: null): TrackerMemory {
    return new Conntrack({ maxConnections: 1000 }).memory;
  },

  attach(memory: TrackerMemory): string | undefined {
    try {
      Conntrack.attach(memory);
    } catch (error) {
      return (error as Error).message;
    }
    return undefined;
  },
};

export type CheckedJobs = typeof jobs;
serve(jobs);
