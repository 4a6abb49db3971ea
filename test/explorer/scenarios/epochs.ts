/** Epochs alone: a writer replaces what readers look at, and uses the memory again as soon as it may. */

import { allocateWords, load, peek, poke, store, type Words } from '../../../src/shared/access.ts';
import { EPOCH_WORDS, Epochs } from '../../../src/shared/memory/epoch.ts';
import { PARTICIPANT_WORDS, Participant, type ParticipantRegion } from '../../../src/shared/memory/participant.ts';
import { type Scenario, scenario, violate } from '../scenario.ts';

/* A slot that names a record, and two records of one word. */
const SLOT = EPOCH_WORDS;
const RECORDS = SLOT + 1;
const PARTICIPANTS = EPOCH_WORDS + 16;

interface Shared {
  words: Words;
}

type Reader = (epochs: Epochs, me: Participant, look: () => void) => void;

/** The record that the slot names holds its own number for as long as anybody may see it. */
function world(readers: readonly Reader[]): Scenario<Shared> {
  const threads = readers.length + 1;
  const words = PARTICIPANTS + threads * PARTICIPANT_WORDS;
  const regionOf = (shared: Words): ParticipantRegion => ({
    words: shared,
    base: PARTICIPANTS,
    maxParticipants: threads,
  });
  return scenario<Shared>({
    threads,
    build() {
      const shared = allocateWords(words);
      new Epochs(shared, 0, regionOf(shared)).initialise();
      shared[SLOT] = RECORDS;
      shared[RECORDS] = RECORDS;
      return { shared: { words: shared }, regions: [{ name: 'words', words: shared, ranges: [[0, words]] }] };
    },
    attach({ words: shared }, thread) {
      const region = regionOf(shared);
      const epochs = new Epochs(shared, 0, region);
      const me = new Participant(region, thread);
      const look = () => {
        const record = load(shared, SLOT);
        if (peek(shared, record) !== record) {
          violate('reuse before the epoch ended', `record ${record} was cleared under a reader's eyes`);
        }
      };
      const write = () => {
        epochs.enter(me);
        /* Unlink, tag, and clear as soon as it is safe; give up after some batches, for readers that stay. */
        poke(shared, RECORDS + 1, RECORDS + 1);
        store(shared, SLOT, RECORDS + 1);
        const tag = epochs.current();
        for (let batch = 0; batch < 3; batch++) {
          epochs.quiesce(me);
          if (Epochs.isSafe(tag, epochs.advance())) {
            poke(shared, RECORDS, 0);
            break;
          }
        }
        epochs.leave(me);
      };
      return { run: () => (thread === 0 ? write() : readers[thread - 1]!(epochs, me, look)) };
    },
    nameOf(_shared, _region, index) {
      if (index >= PARTICIPANTS) {
        return `published epoch of ${Math.trunc((index - PARTICIPANTS) / PARTICIPANT_WORDS)}`;
      }
      return index === 0 ? 'epoch' : index === SLOT ? 'slot' : `record ${index}`;
    },
  });
}

/** Two batches, then gone. */
const reads: Reader = (epochs, me, look) => {
  epochs.enter(me);
  look();
  epochs.quiesce(me);
  look();
  epochs.leave(me);
};
/** Goes offline between its looks. */
const comesAndGoes: Reader = (epochs, me, look) => {
  for (let i = 0; i < 2; i++) {
    epochs.enter(me);
    look();
    epochs.leave(me);
  }
};

export const reader = world([reads]);
export const visitor = world([comesAndGoes]);
export const readerAndVisitor = world([reads, comesAndGoes]);
