/** Epochs and slab of a checked process. They enter each step in the ledger (ledger.ts), which throws if the step is wrong. */

import { Epochs } from '../memory/epoch.ts';
import { type Readers, type UnitLedger, UnitState } from './ledger.ts';
import { assertNoneHeld } from '../sync/lockdep.ts';
import { type Participant, type ParticipantRegion, ParticipantWord } from '../memory/participant.ts';
import { load, type Words } from '../access.ts';
import { RECORD_CLASSES, Slab, SLAB_CACHE_WORDS, SlabLayout, type SlabOptions } from '../memory/slab.ts';

export class CheckedEpochs extends Epochs {
  readonly #readers: Readers;
  readonly #onQuiescent: () => void;

  /** @param onQuiescent called at every quiescent point of this thread */
  constructor(words: Words, base: number, participants: ParticipantRegion, readers: Readers, onQuiescent: () => void) {
    super(words, base, participants);
    this.#readers = readers;
    this.#onQuiescent = onQuiescent;
  }

  /** The stamp must come first. A participant that enters after the stamp cannot see what the caller has unlinked. */
  override current(): number {
    this.#readers.unlinkedBy = this.#readers.stamp();
    return super.current();
  }

  override enter(participant: Participant): void {
    this.#endReferences(participant);
    super.enter(participant);
    this.#readers.begin(participant.id);
  }

  override quiesce(participant: Participant): void {
    if (!this.isOnline(participant)) {
      throw new Error(
        `epochs: a quiescent point of participant ${participant.id}, which has not entered an epoch: call enter first`,
      );
    }
    this.#endReferences(participant);
    super.quiesce(participant);
    this.#readers.begin(participant.id);
  }

  override leave(participant: Participant): void {
    this.#endReferences(participant);
    super.leave(participant);
  }

  #endReferences(participant: Participant): void {
    /* A test may end the thread at this access. It must come before the ledger is written. */
    load(participant.words, participant.base + ParticipantWord.EPOCH);
    assertNoneHeld();
    this.#readers.end(participant.id);
    this.#onQuiescent();
  }
}

export class CheckedSlab extends Slab {
  readonly #options: SlabOptions;
  readonly #ledger: UnitLedger;
  /** True inside `allocate`, which calls itself: only the outer call enters the record. */
  #isAllocating = false;

  constructor(options: SlabOptions, ledger: UnitLedger) {
    super(options);
    this.#options = options;
    this.#ledger = ledger;
  }

  override allocate(participant: Participant, recordClass: number): number {
    if (this.#isAllocating) {
      return super.allocate(participant, recordClass);
    }
    this.#isAllocating = true;
    let record;
    try {
      record = super.allocate(participant, recordClass);
    } finally {
      this.#isAllocating = false;
    }
    if (record !== 0) {
      this.#ledger.allocated(record);
    }
    return record;
  }

  /** `free` calls this too. */
  override keep(participant: Participant, recordClass: number, record: number): boolean {
    this.#ledger.freed(record);
    return super.keep(participant, recordClass, record);
  }

  override reclaim(participant: Participant, oldest: number): number {
    const { records, unitWords, linkWord, tagWord } = this.#options;
    for (let recordClass = 0; recordClass < RECORD_CLASSES; recordClass++) {
      const cache = participant.base + ParticipantWord.CACHES + recordClass * SLAB_CACHE_WORDS;
      let record = participant.words[cache + SlabLayout.RETIRED_HEAD]!;
      while (record !== 0 && Epochs.isSafe(records[record * unitWords + tagWord]!, oldest)) {
        /* Already noted as free: the thread that had this slot before died while it reclaimed the record. */
        if (this.#ledger.stateOf(record) !== UnitState.free) {
          this.#ledger.freed(record);
        }
        record = records[record * unitWords + linkWord]!;
      }
    }
    return super.reclaim(participant, oldest);
  }

  override retire(participant: Participant, recordClass: number, record: number, tag: number): void {
    this.#ledger.retired(record);
    super.retire(participant, recordClass, record, tag);
  }
}
