/**
 * The ledger of CT_CHECKED=1: what became of every unit of memory that readers may see without a lock, and since when
 * each participant may hold references. It is kept beside the memory that it watches, in a region that only a checked
 * process has, and knows nothing of epochs: it is what the epochs are held against.
 *
 *   word 0            the last stamp. atomic: each event takes the next
 *   then              a word per participant: stamp of its last quiescent point, 0: it holds no reference
 *   then              UnitLedger.WORDS words per unit: state (UnitState, and entries in indexes), stamp by which it was unlinked
 *
 * The accesses do not go through the seam: the ledger is not part of what is tested, and gives nobody a turn.
 */

import type { Words } from '../access.ts';
import { LINE_WORDS, wholeLines } from '../memory/cache-line.ts';
import { PARTICIPANT_WORDS, ParticipantWord, type ParticipantRegion } from '../memory/participant.ts';

const CLOCK = 0;
const STAMPS: number = LINE_WORDS;

/** Since when participants hold references. */
export class Readers {
  readonly #words: Words;
  readonly #participants: ParticipantRegion;
  /** When this thread last asked for the epoch to tag something with that it had unlinked. */
  unlinkedBy = 0;

  constructor(words: Words, participants: ParticipantRegion) {
    this.#words = words;
    this.#participants = participants;
  }

  static wordsFor(maxParticipants: number): number {
    return STAMPS + wholeLines(maxParticipants);
  }

  /** A stamp later than all before it. Never 0. */
  stamp(): number {
    const stamp = (Atomics.add(this.#words, CLOCK, 1) + 1) | 0;
    return stamp === 0 ? this.stamp() : stamp;
  }

  /** From here on the participant may take references; it has announced its epoch. */
  begin(id: number): void {
    Atomics.store(this.#words, STAMPS + id, this.stamp());
  }

  /** The participant holds no reference; it has not yet announced so. */
  end(id: number): void {
    Atomics.store(this.#words, STAMPS + id, 0);
  }

  /** Since when the participant may hold references; 0: it may not. */
  since(id: number): number {
    return Atomics.load(this.#words, STAMPS + id);
  }

  /** A participant that may still see what was unlinked by `stamp`, or -1. */
  whoMaySee(stamp: number): number {
    const { words, base, maxParticipants } = this.#participants;
    for (let id = 0; id < maxParticipants; id++) {
      const since = this.since(id);
      /* A dead participant is put offline by whoever repairs after it. */
      const isOnline = Atomics.load(words, base + id * PARTICIPANT_WORDS + ParticipantWord.EPOCH) !== 0;
      if (since !== 0 && isOnline && ((since - stamp) | 0) < 0) {
        return id;
      }
    }
    return -1;
  }
}

/** fresh: never handed out. The others follow from what was done last. */
export const UnitState = { fresh: 0, allocated: 1, linked: 2, unlinked: 3, retired: 4, free: 5 } as const;
const STATE_NAMES = ['fresh', 'allocated', 'linked', 'unlinked', 'retired', 'free'];
const STATE_MASK = 7;
/** What an entry in an index adds to the state. */
const ENTRY = 8;

const STATE = 0;
const STAMP = 1;

export interface UnitLedgerOptions {
  words: Words;
  base: number;
  /** The lowest number of a unit. */
  firstUnit: number;
  readers: Readers;
  /** What the units are, for messages. */
  name: string;
}

/** The states of the units of one kind. Every transition that must not be throws. */
export class UnitLedger {
  static readonly WORDS = 2;
  readonly #words: Words;
  readonly #base: number;
  readonly #readers: Readers;
  readonly #name: string;
  /** Set by whoever repairs after a dead thread: what that had noted it may not have done, and it is noted again. */
  isRepairing = false;

  constructor(options: UnitLedgerOptions) {
    this.#words = options.words;
    this.#base = options.base - options.firstUnit * UnitLedger.WORDS;
    this.#readers = options.readers;
    this.#name = options.name;
  }

  #at(unit: number): number {
    return this.#base + unit * UnitLedger.WORDS;
  }

  #read(unit: number): number {
    return Atomics.load(this.#words, this.#at(unit) + STATE);
  }

  #write(unit: number, state: number): void {
    Atomics.store(this.#words, this.#at(unit) + STATE, state);
  }

  /** A UnitState. */
  stateOf(unit: number): number {
    return this.#read(unit) & STATE_MASK;
  }

  /** How often the unit stands in indexes. */
  entriesOf(unit: number): number {
    return Math.trunc(this.#read(unit) / ENTRY);
  }

  /** @throws Error */
  fail(unit: number, what: string): never {
    throw new Error(`${this.#name} ${unit} (${STATE_NAMES[this.stateOf(unit)]}): ${what}`);
  }

  allocated(unit: number): void {
    const state = this.stateOf(unit);
    if (state !== UnitState.fresh && state !== UnitState.free) {
      this.fail(unit, 'handed out although somebody has it');
    }
    this.#write(unit, UnitState.allocated);
  }

  /** Before its entry can be seen. */
  linked(unit: number): void {
    const state = this.stateOf(unit);
    if (state !== UnitState.allocated && state !== UnitState.linked) {
      this.fail(unit, "linked although it is nobody's to link");
    }
    this.#write(unit, UnitState.linked + (this.entriesOf(unit) + 1) * ENTRY);
  }

  /** The entry was not placed after all. */
  notLinked(unit: number): void {
    const left = this.entriesOf(unit) - 1;
    this.#write(unit, left === 0 ? UnitState.allocated : UnitState.linked + left * ENTRY);
  }

  /** An entry is gone. */
  unlinked(unit: number): void {
    const left = this.entriesOf(unit) - 1;
    if (left >= 0) {
      this.#write(unit, left === 0 ? UnitState.unlinked : UnitState.linked + left * ENTRY);
    }
  }

  /** It turned out to have no more entries than this: whoever noted more died before it placed them. */
  atMost(unit: number, entries: number): void {
    if (this.entriesOf(unit) > entries) {
      this.#write(unit, entries === 0 ? UnitState.allocated : UnitState.linked + entries * ENTRY);
    }
  }

  /** Whoever took it died before that was noted. */
  takenOver(unit: number): void {
    const state = this.stateOf(unit);
    if (state === UnitState.fresh || state === UnitState.free) {
      this.#write(unit, UnitState.allocated);
    }
  }

  /** After it was unlinked, and the epoch asked for since. */
  retired(unit: number): void {
    const state = this.stateOf(unit);
    if (state === UnitState.linked) {
      this.fail(unit, 'retired while it stands in an index');
    }
    const isNoted = this.isRepairing && state === UnitState.retired;
    if (state !== UnitState.allocated && state !== UnitState.unlinked && !isNoted) {
      this.fail(unit, 'retired twice, or by who does not have it');
    }
    Atomics.store(this.#words, this.#at(unit) + STAMP, this.#readers.unlinkedBy);
    this.#write(unit, UnitState.retired);
  }

  /** Before anybody can take it. */
  freed(unit: number): void {
    const state = this.stateOf(unit);
    if (state === UnitState.retired) {
      const reader = this.#readers.whoMaySee(Atomics.load(this.#words, this.#at(unit) + STAMP));
      if (reader >= 0) {
        this.fail(unit, `freed while participant ${reader} may still see it`);
      }
    } else if (state === UnitState.free || state === UnitState.fresh) {
      if (!this.isRepairing || state === UnitState.fresh) {
        this.fail(unit, 'freed twice');
      }
    } else if (state !== UnitState.allocated) {
      this.fail(unit, 'freed without having been retired, although others have seen it');
    }
    this.#write(unit, UnitState.free);
  }

  /** May the participant refer to the unit now? @throws Error if not */
  assertReferable(unit: number, participantId: number): void {
    const since = this.#readers.since(participantId);
    if (since === 0) {
      this.fail(unit, `referred to by participant ${participantId} outside an epoch`);
    }
    const state = this.stateOf(unit);
    if (state === UnitState.linked || state === UnitState.unlinked) {
      return;
    }
    if (state !== UnitState.retired) {
      this.fail(unit, `referred to by participant ${participantId} although it is in no index`);
    }
    if (((Atomics.load(this.#words, this.#at(unit) + STAMP) - since) | 0) < 0) {
      this.fail(unit, `referred to by participant ${participantId}, which has been quiescent since it was retired`);
    }
  }
}
