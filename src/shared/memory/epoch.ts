/**
 * Quiescent-state epochs: when may memory that was unlinked be used again?
 *
 * Readers take no locks, so a record that has just been unlinked may still be under somebody's eyes. Every
 * participant announces the global epoch at its quiescent points (the end of a batch), where it holds no reference.
 * Memory unlinked during epoch e carries the tag e. Once every online participant has announced an epoch later than
 * e, each of them has passed a quiescent point after the unlinking, and nobody can see it any more.
 *
 *   global epoch    e           e + 1                e + 2
 *                   |-----------|--------------------|------------------>
 *   A  (works)      .  quiesce: e     quiesce: e + 1        quiesce: e + 2
 *   B  (works)      .      quiesce: e        quiesce: e + 1       .
 *   C  (offline)    0           0                    0                     holds nobody up
 *                       ^            ^                     ^
 *        A unlinks x,   |            |                     +-- all online have announced an epoch later than e:
 *        retires it     |            |                         `advance` returns e + 1, x may be used again
 *        with tag e ----+            +-- B has not yet passed a quiescent point since: it may still see x
 *
 * A participant without work goes offline, so that it holds nobody up. It must hold no reference then.
 *
 *   word 0   the global epoch. Atomic: any participant advances it by one when all online have announced it.
 *
 * Epochs are 32-bit and wrap, compared by signed difference; 0 means offline and is skipped.
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

  /** Once, by whoever creates the region. */
  initialise(): void {
    store(this.#words, this.#global, FIRST_EPOCH);
  }

  /** The tag for memory that the caller has just unlinked. */
  current(): number {
    return load(this.#words, this.#global);
  }

  /**
   * The participant may hold references from here on. The announcement is a full fence: what the participant reads
   * afterwards is at least as new as what anybody saw who found it offline.
   */
  enter(participant: Participant): void {
    store(participant.words, participant.base + ParticipantWord.EPOCH, load(this.#words, this.#global));
  }

  /** A quiescent point: the participant holds no reference at this moment, and goes on. */
  quiesce(participant: Participant): void {
    const announced = participant.base + ParticipantWord.EPOCH;
    const epoch = load(this.#words, this.#global);
    /* Only the owner writes its announcement, so it may read it plainly; in most batches nothing has moved. */
    if (participant.words[announced] !== epoch) {
      store(participant.words, announced, epoch);
    }
  }

  /** The participant holds no reference and will not take one before it enters again. */
  leave(participant: Participant): void {
    store(participant.words, participant.base + ParticipantWord.EPOCH, OFFLINE);
  }

  /** True between `enter` and `leave`. */
  isOnline(participant: Participant): boolean {
    return participant.words[participant.base + ParticipantWord.EPOCH] !== OFFLINE;
  }

  /**
   * Looks at everybody once, moves the global epoch on if all online participants have announced it, and returns the
   * oldest epoch that is still announced: memory with an older tag may be used again. Nobody online: all of it may.
   */
  advance(): number {
    const { words, base, maxParticipants } = this.#participants;
    const epoch = load(this.#words, this.#global);
    let oldest = next(epoch);
    for (let id = 0; id < maxParticipants; id++) {
      const announced = load(words, base + id * PARTICIPANT_WORDS + ParticipantWord.EPOCH);
      if (announced !== OFFLINE && ((announced - oldest) | 0) < 0) {
        oldest = announced;
      }
    }
    if (((oldest - epoch) | 0) >= 0) {
      compareExchange(this.#words, this.#global, epoch, next(epoch));
    }
    return oldest;
  }

  /** May memory with this tag be used again, given what `advance` returned? */
  static isSafe(tag: number, oldest: number): boolean {
    return ((tag - oldest) | 0) < 0;
  }
}
