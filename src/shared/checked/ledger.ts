/**
 * The ledger of CT_CHECKED=1. It records the state of every unit of memory that readers may see without a lock. It also
 * records since when each participant may hold references. It lies in a region of its own, which only a checked process
 * has. It knows nothing of epochs, because the checks compare the epochs with it.
 *
 *   word 0            the last stamp. Atomic: each event takes the next number
 *   then              a word for each participant: stamp of its last quiescent point; 0: it holds no reference
 *   then              UnitLedger.WORDS words for each unit: its state (UnitState, and its entries in indexes), and the stamp
 *                     after which nobody could find it any more
 *
 * The ledger does not use the access seam: a test schedules the tracker's accesses, not these.
 */

import type { Words } from '../access.ts';
import { LINE_WORDS, wholeLines } from '../memory/cache-line.ts';
import { PARTICIPANT_WORDS, ParticipantWord, type ParticipantRegion } from '../memory/participant.ts';

const CLOCK = 0;
const STAMPS: number = LINE_WORDS;

/** Since when each participant may hold references. */
export class Readers {
  readonly #words: Words;
  readonly #participants: ParticipantRegion;
  /** Stamp of this thread's last call of Epochs.current. Everything that it retires now was unlinked before that. */
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

  /** From here on the participant may take references. It has published its epoch before. */
  begin(id: number): void {
    Atomics.store(this.#words, STAMPS + id, this.stamp());
  }

  /** The participant holds no reference any more. It publishes that after this call. */
  end(id: number): void {
    Atomics.store(this.#words, STAMPS + id, 0);
  }

  /** Since when the participant may hold references, as a stamp; 0: it holds none. */
  since(id: number): number {
    return Atomics.load(this.#words, STAMPS + id);
  }

  /** A participant that may still see memory unlinked by `stamp`, or -1. */
  possibleReader(stamp: number): number {
    const { words, base, maxParticipants } = this.#participants;
    for (let id = 0; id < maxParticipants; id++) {
      const since = this.since(id);
      /* A thread that repairs after a dead one puts it offline, and does not write the ledger. */
      const isOnline = Atomics.load(words, base + id * PARTICIPANT_WORDS + ParticipantWord.EPOCH) !== 0;
      if (since !== 0 && isOnline && ((since - stamp) | 0) < 0) {
        return id;
      }
    }
    return -1;
  }
}

/** The last step of a unit. fresh: it was never allocated. */
export const UnitState = { fresh: 0, allocated: 1, linked: 2, unlinked: 3, retired: 4, free: 5 } as const;
const STATE_NAMES = ['fresh', 'allocated', 'linked', 'unlinked', 'retired', 'free'];
const STATE_MASK = 7;
/** Each entry in an index adds this to the state word. */
const ENTRY = 8;

const STATE = 0;
const STAMP = 1;

export interface UnitLedgerOptions {
  words: Words;
  base: number;
  /** The lowest unit number. */
  firstUnit: number;
  readers: Readers;
  /** Name of one unit, for messages. */
  name: string;
}

/** The states of the units of one kind. A forbidden transition throws an Error. */
export class UnitLedger {
  static readonly WORDS = 2;
  readonly #words: Words;
  readonly #base: number;
  readonly #readers: Readers;
  readonly #name: string;
  /** Set by a thread that repairs. The dead thread may have noted a step and not done it; then the step is noted twice. */
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

  /** Number of index entries that name the unit. */
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
      this.fail(unit, 'allocated twice: it was not freed in between');
    }
    this.#write(unit, UnitState.allocated);
  }

  /** Call before another thread can see the entry. */
  linked(unit: number): void {
    const state = this.stateOf(unit);
    if (state !== UnitState.allocated && state !== UnitState.linked) {
      this.fail(unit, 'linked although it is not allocated');
    }
    this.#write(unit, UnitState.linked + (this.entriesOf(unit) + 1) * ENTRY);
  }

  /** The entry that `linked` noted was not placed. */
  notLinked(unit: number): void {
    const left = this.entriesOf(unit) - 1;
    this.#write(unit, left === 0 ? UnitState.allocated : UnitState.linked + left * ENTRY);
  }

  /** An entry was removed. */
  unlinked(unit: number): void {
    const left = this.entriesOf(unit) - 1;
    if (left >= 0) {
      this.#write(unit, left === 0 ? UnitState.unlinked : UnitState.linked + left * ENTRY);
    }
  }

  /** A repair found at most so many entries. The dead thread noted more of them and died before it placed them. */
  atMost(unit: number, entries: number): void {
    if (this.entriesOf(unit) > entries) {
      this.#write(unit, entries === 0 ? UnitState.allocated : UnitState.linked + entries * ENTRY);
    }
  }

  /** For a repair: the dead thread allocated the unit and died before that was noted. */
  takenOver(unit: number): void {
    const state = this.stateOf(unit);
    if (state === UnitState.fresh || state === UnitState.free) {
      this.#write(unit, UnitState.allocated);
    }
  }

  /** Call after the unit was unlinked and Epochs.current was called. */
  retired(unit: number): void {
    const state = this.stateOf(unit);
    if (state === UnitState.linked) {
      this.fail(unit, 'retired while it stands in an index');
    }
    const isNoted = this.isRepairing && state === UnitState.retired;
    if (state !== UnitState.allocated && state !== UnitState.unlinked && !isNoted) {
      this.fail(unit, 'retired twice, or never allocated');
    }
    Atomics.store(this.#words, this.#at(unit) + STAMP, this.#readers.unlinkedBy);
    this.#write(unit, UnitState.retired);
  }

  /** Call before another thread can allocate the unit. */
  freed(unit: number): void {
    const state = this.stateOf(unit);
    if (state === UnitState.retired) {
      const reader = this.#readers.possibleReader(Atomics.load(this.#words, this.#at(unit) + STAMP));
      if (reader >= 0) {
        this.fail(unit, `freed while participant ${reader} may still see it`);
      }
    } else if (state === UnitState.free || state === UnitState.fresh) {
      if (!this.isRepairing || state === UnitState.fresh) {
        this.fail(unit, 'freed twice');
      }
    } else if (state !== UnitState.allocated) {
      this.fail(unit, 'freed without having been retired, although other threads could see it');
    }
    this.#write(unit, UnitState.free);
  }

  /** @throws Error if the participant may not refer to the unit now */
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
