/** Jobs of the epoch tests: participants that are stepped one by one, and readers and writers that race. */

import { type Words } from '../../src/shared/access.ts';
import { Epochs } from '../../src/shared/memory/epoch.ts';
import { Participant, type ParticipantRegion } from '../../src/shared/memory/participant.ts';
import { serve } from './serve.ts';
import { randomSequence, startTogether } from './steps.ts';

let epochs: Epochs;
let me: Participant;

/** What a reclaimed record holds until it is used again. */
const RECLAIMED = 0;
/** References that a reader or writer handles between two quiescent points. */
const BATCH = 32;

export interface ChurnPlan {
  words: Words;
  gate: number;
  threads: number;
  /** Threads with a lower number replace records, the others read them. */
  writers: number;
  /** Writers that have finished. */
  finished: number;
  /** Replacements of one writer. */
  rounds: number;
  firstSlot: number;
  slots: number;
  firstRecord: number;
  recordsPerWriter: number;
}

interface Retired {
  record: number;
  tag: number;
}

function write(plan: ChurnPlan, writer: number): { reclaimed: number; left: number } {
  const { words } = plan;
  const random = randomSequence(writer);
  const first = plan.firstRecord + writer * plan.recordsPerWriter;
  const free = Array.from({ length: plan.recordsPerWriter }, (_, i) => first + i);
  const retired: Retired[] = [];
  let reclaimed = 0;
  const endBatch = (): void => {
    epochs.quiesce(me);
    const oldest = epochs.advance();
    while (retired.length > 0 && Epochs.isSafe(retired[0]!.tag, oldest)) {
      const { record } = retired.shift()!;
      words[record] = RECLAIMED;
      free.push(record);
      reclaimed++;
    }
  };
  epochs.enter(me);
  for (let round = 0; round < plan.rounds; round++) {
    while (free.length === 0) {
      endBatch();
    }
    const record = free.shift()!;
    /* A stamp that nobody else ever writes. */
    words[record] = 1 + round * plan.writers + writer;
    const slot = plan.firstSlot + (random() % plan.slots);
    const replaced = Atomics.exchange(words, slot, record);
    if (replaced !== 0) {
      retired.push({ record: replaced, tag: epochs.current() });
    }
    if (round % BATCH === 0) {
      endBatch();
    }
  }
  Atomics.add(words, plan.finished, 1);
  /* Everybody else goes offline sooner or later. */
  while (retired.length > 0) {
    endBatch();
  }
  epochs.leave(me);
  return { reclaimed, left: retired.length };
}

function read(plan: ChurnPlan, thread: number): number {
  const { words } = plan;
  const random = randomSequence(thread);
  const records = new Int32Array(BATCH);
  const stamps = new Int32Array(BATCH);
  let seen = 0;
  epochs.enter(me);
  for (let batch = 0; seen === 0 || Atomics.load(words, plan.finished) < plan.writers; batch++) {
    for (let i = 0; i < BATCH; i++) {
      records[i] = Atomics.load(words, plan.firstSlot + (random() % plan.slots));
      stamps[i] = words[records[i]!]!;
    }
    for (let i = 0; i < BATCH; i++) {
      const record = records[i]!;
      if (record !== 0) {
        seen++;
        const stamp = words[record]!;
        if (stamp === RECLAIMED || stamp !== stamps[i]) {
          throw new Error(`record ${record} was used again under a reader's eyes: ${stamps[i]} became ${stamp}`);
        }
      }
    }
    if (batch % 16 === 15) {
      epochs.leave(me);
      epochs.enter(me);
    } else {
      epochs.quiesce(me);
    }
  }
  epochs.leave(me);
  return seen;
}

const jobs = {
  setUp({ region, epochBase }: { region: ParticipantRegion; epochBase: number }, thread: number): void {
    epochs = new Epochs(region.words, epochBase, region);
    me = new Participant(region, thread);
  },

  enter(_: null): void {
    epochs.enter(me);
  },

  quiesce(_: null): void {
    epochs.quiesce(me);
  },

  leave(_: null): void {
    epochs.leave(me);
  },

  /** What a thread does that has just unlinked something. */
  tag(_: null): number {
    return epochs.current();
  },

  advance(_: null): number {
    return epochs.advance();
  },

  churn(plan: ChurnPlan, thread: number): { reclaimed: number; left: number } | { seen: number } {
    startTogether(plan.words, plan.gate, plan.threads);
    return thread < plan.writers ? write(plan, thread) : { seen: read(plan, thread) };
  },
};

export type EpochJobs = typeof jobs;
serve(jobs);
