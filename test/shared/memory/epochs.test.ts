/** When memory that was unlinked may be used again. */

import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { allocateWords } from '../../../src/shared/access.ts';
import { LINE_WORDS } from '../../../src/shared/memory/cache-line.ts';
import { EPOCH_WORDS, Epochs } from '../../../src/shared/memory/epoch.ts';
import { Participant, PARTICIPANT_WORDS, type ParticipantRegion } from '../../../src/shared/memory/participant.ts';
import { Crew } from '../../threads/crew.ts';
import type { EpochJobs } from '../../threads/epoch-jobs.ts';

const THREADS = 4;
/** The thread that retires and asks; the others read. */
const WRITER = 0;

const EPOCH_BASE = THREADS * PARTICIPANT_WORDS;
const GATE = EPOCH_BASE + EPOCH_WORDS;
const FINISHED = GATE + LINE_WORDS;
const FIRST_SLOT = FINISHED + LINE_WORDS;
const SLOTS = 64;
const FIRST_RECORD = FIRST_SLOT + SLOTS;
const WRITERS = 2;
const RECORDS_PER_WRITER = 2048;
const WORDS = FIRST_RECORD + WRITERS * RECORDS_PER_WRITER;

describe.each([{ checked: false }, { checked: true }])('epochs (checked: $checked)', ({ checked }) => {
  const crew = new Crew<EpochJobs>({ jobs: 'epoch-jobs', threads: THREADS, checked });
  let region: ParticipantRegion;
  let epochs: Epochs;

  beforeEach(async () => {
    region = { words: allocateWords(WORDS), base: 0, maxParticipants: THREADS };
    epochs = new Epochs(region.words, EPOCH_BASE, region);
    epochs.initialise();
    await crew.run('setUp', { region, epochBase: EPOCH_BASE });
  });

  afterAll(() => crew.end());

  const step = (thread: number, job: 'enter' | 'quiesce' | 'leave'): Promise<void> => crew.runOn(thread, job, null);

  const enter = async (...threads: number[]): Promise<void> => {
    for (const thread of threads) {
      await step(thread, 'enter');
    }
  };

  /** The writer ends a batch: would it use memory with this tag again? */
  const isReclaimed = async (tag: number): Promise<boolean> => {
    await step(WRITER, 'quiesce');
    return Epochs.isSafe(tag, await crew.runOn(WRITER, 'advance', null));
  };

  /**
   * The same when these threads end batches too. A published epoch may lag by one, so it can take a second
   * round; more would keep memory for nothing.
   */
  const isReclaimedAfterBatchesOf = async (threads: number[], tag: number): Promise<boolean> => {
    for (let round = 0; round < 2; round++) {
      for (const thread of threads) {
        await step(thread, 'quiesce');
      }
      if (await isReclaimed(tag)) {
        return true;
      }
    }
    return false;
  };

  it.each([1, 2, 3])(
    'keeps retired memory until every online participant has passed a quiescent point, thread %i as the last',
    async (last) => {
      await enter(WRITER, 1, 2, 3);
      const tag = await crew.runOn(WRITER, 'tag', null);
      for (let batch = 0; batch < 5; batch++) {
        expect(await isReclaimed(tag)).toBe(false);
      }
      for (const other of [1, 2, 3].filter((thread) => thread !== last)) {
        await step(other, 'quiesce');
        for (let batch = 0; batch < 3; batch++) {
          expect(await isReclaimed(tag)).toBe(false);
        }
      }
      await step(last, 'quiesce');
      expect(await isReclaimed(tag)).toBe(true);
    },
  );

  it('does not count a quiescent point that came before the memory was unlinked', async () => {
    await enter(WRITER, 1);
    /* Both have published the epoch in force. */
    for (let batch = 0; batch < 3; batch++) {
      await step(1, 'quiesce');
      await isReclaimed(epochs.current());
    }
    await step(1, 'quiesce');
    const tag = await crew.runOn(WRITER, 'tag', null);
    for (let batch = 0; batch < 5; batch++) {
      expect(await isReclaimed(tag)).toBe(false);
    }
    expect(await isReclaimedAfterBatchesOf([1], tag)).toBe(true);
  });

  it('keeps what was retired later when what was retired earlier may go', async () => {
    await enter(WRITER, 1);
    const early = await crew.runOn(WRITER, 'tag', null);
    expect(await isReclaimed(early)).toBe(false);
    await step(1, 'quiesce');
    const late = await crew.runOn(WRITER, 'tag', null);
    expect(late).not.toBe(early);
    expect(await isReclaimed(early)).toBe(true);
    expect(await isReclaimed(late)).toBe(false);
    expect(await isReclaimedAfterBatchesOf([1], late)).toBe(true);
  });

  it('is incremented by one, and only when all online participants have published the epoch in force', async () => {
    await enter(WRITER, 1, 2);
    const first = epochs.current();
    await isReclaimed(first);
    expect(epochs.current()).toBe(first + 1);
    for (let batch = 0; batch < 5; batch++) {
      await isReclaimed(first);
      expect(epochs.current()).toBe(first + 1);
    }
    await step(1, 'quiesce');
    await isReclaimed(first);
    expect(epochs.current()).toBe(first + 1);
    await step(2, 'quiesce');
    await isReclaimed(first);
    expect(epochs.current()).toBe(first + 2);
  });

  it('does not wait for a participant that is offline or never came', async () => {
    await enter(WRITER, 1, 2);
    await step(2, 'leave');
    const tag = await crew.runOn(WRITER, 'tag', null);
    expect(await isReclaimed(tag)).toBe(false);
    await step(1, 'leave');
    expect(await isReclaimed(tag)).toBe(true);
  });

  it('is not held up by one who entered after the memory was safe, but is by what it may see', async () => {
    await enter(WRITER);
    const early = await crew.runOn(WRITER, 'tag', null);
    expect(await isReclaimed(early)).toBe(false);
    await enter(1);
    expect(await isReclaimed(early)).toBe(true);
    const late = await crew.runOn(WRITER, 'tag', null);
    for (let batch = 0; batch < 5; batch++) {
      expect(await isReclaimed(late)).toBe(false);
    }
    await step(1, 'leave');
    expect(await isReclaimedAfterBatchesOf([], late)).toBe(true);
  });

  it('lets everything go when nobody is online', async () => {
    const tag = epochs.current();
    expect(Epochs.isSafe(tag, epochs.advance())).toBe(true);
    const next = epochs.current();
    expect(next).not.toBe(tag);
    expect(Epochs.isSafe(next, epochs.advance())).toBe(true);
  });

  it('knows which participants are online', async () => {
    const participant = new Participant(region, 1);
    expect(epochs.isOnline(participant)).toBe(false);
    await step(1, 'enter');
    expect(epochs.isOnline(participant)).toBe(true);
    await step(1, 'quiesce');
    expect(epochs.isOnline(participant)).toBe(true);
    await step(1, 'leave');
    expect(epochs.isOnline(participant)).toBe(false);
  });

  it.each([
    { wrap: 'from the largest to the smallest number', start: 0x7fffffff - 2 },
    { wrap: 'past 0, which means offline', start: -3 },
  ])('keeps and frees the right memory when its number wraps $wrap', async ({ start }) => {
    Atomics.store(region.words, EPOCH_BASE, start);
    await enter(WRITER, 1);
    const passed: number[] = [];
    for (let epoch = 0; epoch < 6; epoch++) {
      const tag = await crew.runOn(WRITER, 'tag', null);
      passed.push(tag);
      for (let batch = 0; batch < 3; batch++) {
        expect(await isReclaimed(tag)).toBe(false);
      }
      const tagWhileHeldUp = await crew.runOn(WRITER, 'tag', null);
      expect(await isReclaimed(tagWhileHeldUp)).toBe(false);
      expect(await isReclaimedAfterBatchesOf([1], tag)).toBe(true);
    }
    expect(passed).not.toContain(0);
    expect(new Set(passed).size).toBe(passed.length);
    expect(Math.sign(passed[0]!)).toBe(-Math.sign(passed.at(-1)!));
  });

  it('never lets memory go under the eyes of readers that race with those who retire it', async () => {
    const results = await crew.run('churn', {
      words: region.words,
      gate: GATE,
      threads: THREADS,
      writers: WRITERS,
      finished: FINISHED,
      rounds: 30_000,
      firstSlot: FIRST_SLOT,
      slots: SLOTS,
      firstRecord: FIRST_RECORD,
      recordsPerWriter: RECORDS_PER_WRITER,
    });
    let reclaimed = 0;
    for (const result of results) {
      if ('seen' in result) {
        expect(result.seen).toBeGreaterThan(0);
      } else {
        expect(result.left).toBe(0);
        reclaimed += result.reclaimed;
      }
    }
    const linked = region.words.subarray(FIRST_SLOT, FIRST_SLOT + SLOTS).filter((record) => record !== 0).length;
    expect(reclaimed).toBe(WRITERS * 30_000 - linked);
  });
});
