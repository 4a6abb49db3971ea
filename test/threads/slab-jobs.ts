/** Jobs of the slab tests. */

import { type Words } from '../../src/shared/access.ts';
import { Epochs } from '../../src/shared/memory/epoch.ts';
import { Participant, type ParticipantRegion } from '../../src/shared/memory/participant.ts';
import { RECORD_CLASSES, Slab, type SlabOptions } from '../../src/shared/memory/slab.ts';
import { serve } from './serve.ts';
import { randomSequence, startTogether } from './steps.ts';

export interface SlabSetUp {
  region: ParticipantRegion;
  slab: SlabOptions;
  epochBase: number;
}

interface Held {
  record: number;
  recordClass: number;
}

/* Words of a unit that the tests use; the slab has its own two (SlabOptions). */
const HOLDER = 0;
const STAMP = 1;

let me: Participant;
let slab: Slab;
let epochs: Epochs;
let records: Words;
let unitWords: number;

function units({ record, recordClass }: Held): number[] {
  return recordClass === 0 ? [record] : [record, record + 1];
}

/** Writes this thread's number into all units of a record, which no other thread may hold. */
function claim(held: Held, thread: number): void {
  for (const unit of units(held)) {
    const holder = Atomics.exchange(records, unit * unitWords + HOLDER, thread + 1);
    if (holder !== 0) {
      throw new Error(`unit ${unit} was allocated to thread ${thread} while thread ${holder - 1} holds it`);
    }
  }
}

function disclaim(held: Held, thread: number): void {
  for (const unit of units(held)) {
    const holder = Atomics.exchange(records, unit * unitWords + HOLDER, 0);
    if (holder !== thread + 1) {
      throw new Error(`thread ${holder - 1} wrote into unit ${unit} while thread ${thread} held it`);
    }
  }
}

const jobs = {
  setUp(setUp: SlabSetUp, thread: number): void {
    me = new Participant(setUp.region, thread);
    slab = new Slab(setUp.slab);
    epochs = new Epochs(setUp.region.words, setUp.epochBase, setUp.region);
    records = setUp.slab.records;
    unitWords = setUp.slab.unitWords;
  },

  /** At most `count` records; fewer when the slab is exhausted. */
  allocate({ recordClass, count }: { recordClass: number; count: number }): number[] {
    const got: number[] = [];
    while (got.length < count) {
      const record = slab.allocate(me, recordClass);
      if (record === 0) {
        break;
      }
      got.push(record);
    }
    return got;
  },

  free({ recordClass, records: given }: { recordClass: number; records: number[] }): void {
    for (const record of given) {
      slab.free(me, recordClass, record);
    }
  },

  /** Allocates and frees records of both classes at random; returns how often the slab had none. */
  churn(
    plan: { words: Words; gate: number; threads: number; rounds: number; mostHeld: number },
    thread: number,
  ): { refusals: number } {
    const random = randomSequence(thread);
    const held: Held[] = [];
    let refusals = 0;
    const giveOneBack = (): void => {
      const i = random() % held.length;
      const given = held[i]!;
      held[i] = held.at(-1)!;
      held.pop();
      disclaim(given, thread);
      slab.free(me, given.recordClass, given.record);
    };
    startTogether(plan.words, plan.gate, plan.threads);
    let growing = true;
    for (let round = 0; round < plan.rounds; round++) {
      /* Long runs of allocating, then of freeing: batches move through the common list. */
      if (held.length === 0) {
        growing = true;
      } else if (held.length === plan.mostHeld) {
        growing = false;
      }
      if (held.length > 0 && (random() % 4 === 0) === growing) {
        giveOneBack();
      } else {
        const recordClass = random() % RECORD_CLASSES;
        const record = slab.allocate(me, recordClass);
        if (record === 0) {
          refusals++;
          growing = false;
        } else {
          const taken = { record, recordClass };
          claim(taken, thread);
          held.push(taken);
        }
      }
    }
    while (held.length > 0) {
      giveOneBack();
    }
    return { refusals };
  },

  /**
   * Every thread replaces published records, retires the replaced ones and reads those of other threads. A record must
   * not change between two quiescent points of a thread that has seen it.
   */
  retireAndRead(
    plan: { words: Words; gate: number; threads: number; firstSlot: number; slots: number; replacements: number },
    thread: number,
  ): { seen: number; reclaimed: number } {
    const random = randomSequence(thread);
    const batch = 32;
    const seenUnits = new Int32Array(2 * batch);
    const seenStamps = new Int32Array(2 * batch);
    const result = { seen: 0, reclaimed: 0 };
    let replacements = 0;
    startTogether(plan.words, plan.gate, plan.threads);
    epochs.enter(me);
    for (let i = 0; replacements < plan.replacements; i++) {
      let looked = 0;
      for (let step = 0; step < batch && replacements < plan.replacements; step++) {
        const slot = plan.firstSlot + (random() % plan.slots);
        if (random() % 2 === 0) {
          /* A reference carries its record's class in the lowest bit. */
          const reference = Atomics.load(plan.words, slot);
          if (reference !== 0) {
            for (const unit of units({ record: reference >>> 1, recordClass: reference & 1 })) {
              seenUnits[looked] = unit;
              seenStamps[looked] = records[unit * unitWords + STAMP]!;
              looked++;
            }
          }
          continue;
        }
        const recordClass = random() % RECORD_CLASSES;
        const record = slab.allocate(me, recordClass);
        if (record === 0) {
          break; /* The end of the batch brings some back, unless another thread is in a long one. */
        }
        replacements++;
        for (const unit of units({ record, recordClass })) {
          records[unit * unitWords + STAMP] = replacements * plan.threads + thread;
        }
        const replaced = Atomics.exchange(plan.words, slot, (record << 1) | recordClass);
        if (replaced !== 0) {
          slab.retire(me, replaced & 1, replaced >>> 1, epochs.current());
        }
      }
      for (let k = 0; k < looked; k++) {
        const stamp = records[seenUnits[k]! * unitWords + STAMP]!;
        if (stamp !== seenStamps[k]) {
          throw new Error(`unit ${seenUnits[k]} was used again while thread ${thread} could see it`);
        }
      }
      result.seen += looked;
      /* Another thread in the middle of its batch sees this one come and go, or only pass. */
      if (i % 8 === 7) {
        epochs.leave(me);
        epochs.enter(me);
      } else {
        epochs.quiesce(me);
      }
      if (slab.retiredCount(me) > 0) {
        result.reclaimed += slab.reclaim(me, epochs.advance());
      }
    }
    epochs.leave(me);
    while (slab.retiredCount(me) > 0) {
      result.reclaimed += slab.reclaim(me, epochs.advance());
    }
    return result;
  },
};

export type SlabJobs = typeof jobs;
serve(jobs);
