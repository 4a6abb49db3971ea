/** Epochs and slab of a checked process: what they do is entered in the ledger (ledger.ts), which throws if it must not be. */

import { Epochs } from './epoch.ts';
import { type Readers, type UnitLedger } from './ledger.ts';
import { assertNoneHeld } from './lockdep.ts';
import { type Participant, type ParticipantRegion } from './participant.ts';
import type { Words } from './access.ts';
import { Slab, type SlabOptions } from './slab.ts';

export class CheckedEpochs extends Epochs {
  readonly #readers: Readers;
  readonly #onQuiescent: () => void;

  /** @param onQuiescent called at every quiescent point of the thread */
  constructor(words: Words, base: number, participants: ParticipantRegion, readers: Readers, onQuiescent: () => void) {
    super(words, base, participants);
    this.#readers = readers;
    this.#onQuiescent = onQuiescent;
  }

  /** The order matters: whoever began to hold references after this stamp cannot see what the caller has unlinked. */
  override current(): number {
    this.#readers.unlinkedBy = this.#readers.stamp();
    return super.current();
  }

  override enter(participant: Participant): void {
    this.#rest(participant);
    super.enter(participant);
    this.#readers.begin(participant.id);
  }

  override quiesce(participant: Participant): void {
    if (!this.isOnline(participant)) {
      throw new Error(`epochs: a quiescent point of participant ${participant.id}, which has not entered an epoch`);
    }
    this.#rest(participant);
    super.quiesce(participant);
    this.#readers.begin(participant.id);
  }

  override leave(participant: Participant): void {
    this.#rest(participant);
    super.leave(participant);
  }

  #rest(participant: Participant): void {
    assertNoneHeld();
    this.#readers.end(participant.id);
    this.#onQuiescent();
  }
}

export class CheckedSlab extends Slab {
  readonly #ledger: UnitLedger;
  /** Inside `allocate`, which calls itself. */
  #isAllocating = false;

  constructor(options: SlabOptions, ledger: UnitLedger) {
    super(options);
    this.#ledger = ledger;
  }

  override allocate(participant: Participant, recordClass: number): number {
    if (this.#isAllocating) {
      return super.allocate(participant, recordClass);
    }
    this.#isAllocating = true;
    const record = super.allocate(participant, recordClass);
    this.#isAllocating = false;
    if (record !== 0) {
      this.#ledger.allocated(record);
    }
    return record;
  }

  override free(participant: Participant, recordClass: number, record: number): void {
    this.#ledger.freed(record);
    super.free(participant, recordClass, record);
  }

  override retire(participant: Participant, recordClass: number, record: number, tag: number): void {
    this.#ledger.retired(record);
    super.retire(participant, recordClass, record, tag);
  }
}
