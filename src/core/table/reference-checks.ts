/**
 * The checks of a process with CT_CHECKED=1 on a table: the ledger of records and index blocks, and the references that this thread
 * has obtained since its last quiescent point.
 *
 * A thread obtains a reference where it reads a record number from an index, a list or a packet (`obtain`). It uses the reference
 * where it updates, kills or removes the connection (`assertReference`). Both throw unless the reference is valid: the record is
 * linked, or was unlinked after this thread's last quiescent point, and its generation is still the one that was obtained.
 */

import { allocateWords, CHECKED, type Words } from '../../shared/access.ts';
import { Readers, UnitLedger } from '../../shared/checked/ledger.ts';
import type { Participant, ParticipantRegion } from '../../shared/memory/participant.ts';
import { LINE_WORDS } from '../../shared/memory/cache-line.ts';
import { UsageError } from '../errors.ts';
import { ConnWord, LIFE_GENERATION_SHIFT, UNIT_SHIFT, UNIT_WORDS } from './conn.ts';

/** Quiescent points are counted modulo this. */
const QUIESCENT_POINTS: number = 2 ** 23;
/** References remembered. No test has a table with more records. */
const MOST_REFERENCES = 1 << 20;

/** Where records and index lines lie in the table's words (memory-layout.ts). */
interface LedgerLayout {
  records: number;
  end: number;
  lines: number;
  lineCount: number;
}

/** The ledger's region; undefined in a process that is not checked. */
export function allocateLedger(layout: LedgerLayout, maxParticipants: number): Words | undefined {
  if (!CHECKED) {
    return undefined;
  }
  const units = (layout.end - layout.records) / UNIT_WORDS;
  return allocateWords(Readers.wordsFor(maxParticipants) + (units + layout.lineCount) * UnitLedger.WORDS);
}

export class Checks {
  readonly readers: Readers;
  readonly records: UnitLedger;
  /** By the number of their first line. */
  readonly blocks: UnitLedger;
  readonly #words: Words;
  readonly #participant: Participant;
  #quiescentPoints = 0;
  /** Record -> generation and quiescent point, in one number. */
  readonly #references = new Map<number, number>();

  /**
   * The checks of a thread that maps a table. Undefined if the process is not checked, or if the process that made the
   * table was not.
   * @throws UsageError in a thread that is not checked, if the table was made by a checked process
   */
  static of(
    memory: { words: Words; ledger?: Words | undefined },
    layout: LedgerLayout,
    participants: ParticipantRegion,
    participant: Participant,
  ): Checks | undefined {
    const { ledger, words } = memory;
    if (ledger === undefined) {
      return undefined;
    }
    if (!CHECKED) {
      throw new UsageError(
        'this table was made with CT_CHECKED=1: start every thread that maps it with CT_CHECKED=1 as well',
      );
    }
    return new Checks({ ledger, words, layout, participants, participant });
  }

  private constructor(options: {
    ledger: Words;
    words: Words;
    layout: LedgerLayout;
    participants: ParticipantRegion;
    participant: Participant;
  }) {
    const { ledger, layout, participants } = options;
    const readers = new Readers(ledger, participants);
    const base = Readers.wordsFor(participants.maxParticipants);
    const firstUnit = layout.records / UNIT_WORDS;
    const endUnit = layout.end / UNIT_WORDS;
    this.readers = readers;
    this.records = new UnitLedger({ words: ledger, base, firstUnit, readers, name: 'record' });
    this.blocks = new UnitLedger({
      words: ledger,
      base: base + (endUnit - firstUnit) * UnitLedger.WORDS,
      firstUnit: layout.lines / LINE_WORDS,
      readers,
      name: 'index block at line',
    });
    this.#words = options.words;
    this.#participant = options.participant;
  }

  /** The checks now act for a dead thread, which may have noted a change in the ledger without making it. */
  beginRepair(): void {
    this.records.isRepairing = true;
    this.blocks.isRepairing = true;
  }

  /** This thread holds no reference now. */
  quiescent(): void {
    this.#quiescentPoints = (this.#quiescentPoints + 1) % QUIESCENT_POINTS;
    if (this.#references.size > MOST_REFERENCES) {
      this.#references.clear();
    }
  }

  #generationOf(record: number): number {
    return Atomics.load(this.#words, (record << UNIT_SHIFT) + ConnWord.LIFE) >>> LIFE_GENERATION_SHIFT;
  }

  /** This thread has read a record's number from an index, a list or a packet. */
  obtain(record: number): void {
    this.records.assertReferable(record, this.#participant.id);
    const generation = this.#generationOf(record);
    const known = this.#references.get(record);
    if (
      known !== undefined &&
      known % QUIESCENT_POINTS === this.#quiescentPoints &&
      Math.trunc(known / QUIESCENT_POINTS) !== generation
    ) {
      this.records.fail(record, 'its memory was reused while this thread holds a reference to it');
    }
    this.#references.set(record, generation * QUIESCENT_POINTS + this.#quiescentPoints);
  }

  /** This thread is about to use a reference. */
  assertReference(record: number): void {
    const known = this.#references.get(record);
    if (known !== undefined && known % QUIESCENT_POINTS !== this.#quiescentPoints) {
      this.records.fail(record, 'this thread kept a reference over a quiescent point');
    }
    this.obtain(record);
  }
}

/* For code that reads record numbers outside the index. The caller tests CHECKED first. */

export function obtain(checks: Checks | undefined, record: number): void {
  checks?.obtain(record);
}

export function assertReference(checks: Checks | undefined, record: number): void {
  checks?.assertReference(record);
}
