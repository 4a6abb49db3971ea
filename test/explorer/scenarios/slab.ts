/** The slab's common list: full caches give batches away while empty ones take them. */

import { add, allocateWords, store, type Words } from '../../../src/shared/access.ts';
import {
  PARTICIPANT_WORDS,
  Participant,
  ParticipantWord,
  type ParticipantRegion,
} from '../../../src/shared/memory/participant.ts';
import { Slab, SLAB_WORDS, type SlabOptions } from '../../../src/shared/memory/slab.ts';
import { type Scenario, scenario, violate } from '../scenario.ts';

const UNIT_WORDS = 4;
const LINK = 0;
const TAG = 1;
const HOLDER = 2;
const FIRST_UNIT = 2;
/** Five chunks (src/shared/memory/slab.ts): a sixth does not exist. */
const UNITS = 5 * 256;

/** A cache above 128 gives 64 away. */
const FULL_CACHE = 128;

interface Shared {
  words: Words;
  records: Words;
}

type Part = (use: { allocate(): number; free(record: number): void; held: number[] }) => void;

/** @param held records that each thread holds at the beginning @param cached whether its cache is full, or empty */
function users(threads: readonly { held: number; isCacheFull: boolean; part: Part }[]): Scenario<Shared> {
  const count = threads.length;
  const words = SLAB_WORDS + count * PARTICIPANT_WORDS;
  const regionOf = (shared: Words): ParticipantRegion => ({ words: shared, base: SLAB_WORDS, maxParticipants: count });
  const slabOf = ({ words: shared, records }: Shared): Slab => {
    const options: SlabOptions = {
      words: shared,
      base: 0,
      records,
      unitWords: UNIT_WORDS,
      firstUnit: FIRST_UNIT,
      endUnit: FIRST_UNIT + UNITS,
      linkWord: LINK,
      tagWord: TAG,
    };
    return new Slab(options);
  };
  return scenario<Shared>({
    threads: count,
    build() {
      const shared = { words: allocateWords(words), records: allocateWords((FIRST_UNIT + UNITS) * UNIT_WORDS) };
      slabOf(shared).initialise();
      const { records } = shared;
      return {
        shared,
        regions: [
          { name: 'slab', words: shared.words, ranges: [[0, words]] },
          { name: 'records', words: records, ranges: [[0, records.length]] },
        ],
      };
    },
    attach(shared, thread) {
      const slab = slabOf(shared);
      const me = new Participant(regionOf(shared.words), thread);
      me.spinEstimate = -5;
      const { held: holds, isCacheFull, part } = threads[thread]!;
      /* Held records are marked as such. */
      const first = Array.from({ length: holds + (isCacheFull ? FULL_CACHE : 0) }, () => slab.allocate(me, 0));
      const initial = first.splice(0, holds);
      for (const record of first) {
        slab.free(me, 0, record);
      }
      for (const record of initial) {
        shared.records[record * UNIT_WORDS + HOLDER] = 1;
      }
      forgetFresh(shared.words, me);
      let held: number[] = [];
      return {
        reset() {
          me.spinEstimate = -5;
          held = [...initial];
        },
        run: () =>
          part({
            held,
            allocate() {
              const record = slab.allocate(me, 0);
              if (record === 0) {
                violate('lost value', 'a slab that has units left says that it is used up');
              }
              if (add(shared.records, record * UNIT_WORDS + HOLDER, 1) !== 0) {
                violate('unit handed out twice', `record ${record} was allocated while another thread has it`);
              }
              return record;
            },
            free(record) {
              store(shared.records, record * UNIT_WORDS + HOLDER, 0);
              slab.free(me, 0, record);
            },
          }),
        check: () => checkLists(shared, threads),
      };
    },
  });
}

/** As if all fresh units had been used: the next allocation comes from a list. */
function forgetFresh(words: Words, me: Participant): void {
  words[me.base + ParticipantWord.CACHES + 2] = 0;
  words[me.base + ParticipantWord.CACHES + 3] = 0;
}

/** No record stands on two lists. */
function checkLists({ words, records }: Shared, threads: readonly { held: number; isCacheFull: boolean }[]): void {
  const count = threads.length;
  /* Each thread that had records at the beginning has taken one chunk for them; the rest of it was thrown away. */
  const users = threads.filter(({ held, isCacheFull }) => held > 0 || isCacheFull);
  const known = users.reduce((sum, { held, isCacheFull }) => sum + held + (isCacheFull ? FULL_CACHE : 0), 0);
  const firstFresh = FIRST_UNIT + users.length * 256;
  const seen = new Set<number>();
  const note = (record: number, where: string) => {
    if (seen.has(record)) {
      violate('unit handed out twice', `record ${record} is on a second list: ${where}`);
    }
    if (records[record * UNIT_WORDS + HOLDER] !== 0) {
      violate('unit handed out twice', `record ${record} is held and on a list: ${where}`);
    }
    seen.add(record);
  };
  for (let id = 0; id < count; id++) {
    const cache = SLAB_WORDS + id * PARTICIPANT_WORDS + ParticipantWord.CACHES;
    let length = 0;
    for (let record = words[cache]!; record !== 0; record = records[record * UNIT_WORDS + LINK]!) {
      note(record, `the cache of participant ${id}`);
      length++;
    }
    if (length !== words[cache + 1]) {
      violate('invariant violated', `participant ${id} has ${length} free records and counts ${words[cache + 1]}`);
    }
  }
  for (let batch = words[3]!; batch !== 0; batch = records[batch * UNIT_WORDS + TAG]!) {
    for (let record = batch; record !== 0; record = records[record * UNIT_WORDS + LINK]!) {
      note(record, 'the common list');
    }
  }
  /* Fresh units that a cache was given and has not handed out. */
  let fresh = 0;
  for (let id = 0; id < count; id++) {
    const cache = SLAB_WORDS + id * PARTICIPANT_WORDS + ParticipantWord.CACHES;
    fresh += words[cache + 3]! - words[cache + 2]!;
  }
  const listed = seen.size;
  const firstFree = words[1]!;
  let held = 0;
  for (let unit = FIRST_UNIT; unit < firstFree; unit++) {
    held += records[unit * UNIT_WORDS + HOLDER] !== 0 ? 1 : 0;
  }
  const expected = known + (firstFree - firstFresh);
  if (listed + held + fresh !== expected) {
    violate('lost value', `${listed} listed, ${held} held and ${fresh} fresh records of ${expected}`);
  }
}

const gives: Part = ({ held, free }) => free(held[0]!);
const takes: Part = ({ allocate }) => void allocate();

/** One gives a batch away, the other takes one or a fresh chunk. */
export const giveAndTake = users([
  { held: 1, isCacheFull: true, part: gives },
  { held: 0, isCacheFull: false, part: takes },
]);
/** Both give a batch away: none is lost. */
export const twoGive: Scenario<Shared> = users([
  {
    held: 1,
    isCacheFull: true,
    part: gives,
  },
  {
    held: 1,
    isCacheFull: true,
    part: gives,
  },
]);
/** Both take: never the same. */
export const giveAndTwoTake = users([
  { held: 1, isCacheFull: true, part: gives },
  { held: 0, isCacheFull: false, part: takes },
  { held: 0, isCacheFull: false, part: takes },
]);
