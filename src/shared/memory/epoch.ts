/**
 * Quiescent-state epochs: when may unlinked memory be used again?
 *
 * Readers take no locks. So a reader may still hold a reference to a record that was just unlinked. A participant has a
 * quiescent point at the end of each batch: it holds no reference then. There it publishes the global epoch that it sees,
 * in its own word. Memory that is unlinked during epoch e gets the tag e. When every online participant has published an
 * epoch later than e, each has passed a quiescent point since the unlinking. Nobody can see that memory any more.
 *
 *   global epoch    e           e + 1                e + 2
 *                   |-----------|--------------------|------------------>
 *   A  (works)      .  quiesce: e     quiesce: e + 1        quiesce: e + 2
 *   B  (works)      .      quiesce: e        quiesce: e + 1       .
 *   C  (offline)    0           0                    0                     nobody waits for it
 *                       ^            ^                     ^
 *        A unlinks x,   |            |                     +-- all online have published an epoch later than e:
 *        retires it     |            |                         `advance` returns e + 1, x may be used again
 *        with tag e ----+            +-- B has passed no quiescent point since: it may still see x
 *
 * A participant without work goes offline, so that nobody waits for it. It must hold no reference then.
 *
 *   word 0   the global epoch. Atomic: any participant increments it when all online participants have published it.
 *
 * Epochs have 32 bits and wrap. They are compared by signed difference. 0 means offline, so the count skips it.
 */

import { compareExchange, load, store, type Words } from '../access.ts';
import { LINE_WORDS } from './cache-line.ts';
import { PARTICIPANT_WORDS, ParticipantWord, type Participant, type ParticipantRegion } from './participant.ts';

export const EPOCH_WORDS: number = LINE_WORDS;

const FIRST_EPOCH = 1;
const OFFLINE = 0;

function next(epoch: number): number {
  const following = (epoch + 1) | 0;
  return following === OFFLINE ? FIRST_EPOCH : following;
}

export class Epochs {
  readonly #words: Words;
  readonly #global: number;
  readonly #participants: ParticipantRegion;

  /** Maps the epoch word at `base` of `words`. */
  constructor(words: Words, base: number, participants: ParticipantRegion) {
    this.#words = words;
    this.#global = base;
    this.#participants = participants;
  }

  /** Call once, in the thread that creates the region. */
  initialise(): void {
    store(this.#words, this.#global, FIRST_EPOCH);
  }

  /** The tag for memory that the caller has unlinked before this call. */
  current(): number {
    return load(this.#words, this.#global);
  }

  /**
   * From here on the participant may hold references. The store is a full fence: a thread that found this participant
   * offline had done its unlinking before, and the participant's later reads see it.
   */
  enter(participant: Participant): void {
    store(participant.words, participant.base + ParticipantWord.EPOCH, load(this.#words, this.#global));
  }

  /** A quiescent point: the participant holds no reference at this moment. It stays online. */
  quiesce(participant: Participant): void {
    const published = participant.base + ParticipantWord.EPOCH;
    const epoch = load(this.#words, this.#global);
    /* Only the owner writes this word, so it may read it plainly. In most batches the epoch is still the same. */
    if (participant.words[published] !== epoch) {
      store(participant.words, published, epoch);
    }
  }

  /** Goes offline. The participant holds no reference, and takes none before it enters again. */
  leave(participant: Participant): void {
    store(participant.words, participant.base + ParticipantWord.EPOCH, OFFLINE);
  }

  /** True between `enter` and `leave`. */
  isOnline(participant: Participant): boolean {
    return participant.words[participant.base + ParticipantWord.EPOCH] !== OFFLINE;
  }

  /**
   * Reads the epoch of each participant once. Increments the global epoch if all online participants have published it.
   * @returns the oldest published epoch: memory with an older tag may be used again. With nobody online that is all memory.
   */
  advance(): number {
    const { words, base, maxParticipants } = this.#participants;
    const epoch = load(this.#words, this.#global);
    let oldest = next(epoch);
    for (let id = 0; id < maxParticipants; id++) {
      const published = load(words, base + id * PARTICIPANT_WORDS + ParticipantWord.EPOCH);
      if (published !== OFFLINE && ((published - oldest) | 0) < 0) {
        oldest = published;
      }
    }
    if (((oldest - epoch) | 0) >= 0) {
      compareExchange(this.#words, this.#global, epoch, next(epoch));
    }
    return oldest;
  }

  /** @returns whether memory with this tag may be used again. @param oldest the result of `advance` */
  static isSafe(tag: number, oldest: number): boolean {
    return ((tag - oldest) | 0) < 0;
  }
}
