/**
 * The bucket table and the line arena of a checked process. They record entries, blocks and references in the ledger,
 * and check the whole bucket before each unlock.
 *
 * A bucket of up to FULL_CHECK_ENTRIES entries is checked at every unlock. A larger bucket is checked less often, so
 * that the work per unlock stays the same: a bucket of a hundred times as many entries at every hundredth unlock.
 */

import type { Words } from '../../shared/access.ts';
import { LINE_WORDS } from '../../shared/memory/cache-line.ts';
import { Epochs } from '../../shared/memory/epoch.ts';
import { type Participant, ParticipantWord } from '../../shared/memory/participant.ts';
import { UnitState } from '../../shared/checked/ledger.ts';
import type { Checks } from './reference-checks.ts';
import { META_IPV6, reverseMeta } from '../packet/key.ts';
import { assertConsistentLocked } from './bucket-check.ts';
import { LINE_ENTRIES } from './bucket-layout.ts';
import { BucketTable, type BucketTableOptions } from './bucket-table.ts';
import { ConnFlag, ConnWord, LIFE_CLEANED, LIFE_FLAGS, UNIT_SHIFT } from './conn.ts';
import { ArenaLayout, blockWord, LineArena, type LineArenaOptions } from './line-arena.ts';

export const FULL_CHECK_ENTRIES = 256;

function lineNumberOf(directory: number): number {
  return blockWord(directory) / LINE_WORDS;
}

export class CheckedLineArena extends LineArena {
  readonly #checks: Checks;
  readonly #words: Words;
  /** Where the link of line 0 would be, as a word index. The first link is that of `firstLine`. */
  readonly #links: number;

  constructor(options: LineArenaOptions, checks: Checks) {
    super(options);
    this.#checks = checks;
    this.#words = options.words;
    this.#links = options.links - options.firstLine;
  }

  override allocate(participant: Participant, bits: number): number {
    const directory = super.allocate(participant, bits);
    if (directory !== 0) {
      this.#checks.blocks.allocated(lineNumberOf(directory));
    }
    return directory;
  }

  override retire(participant: Participant, directory: number, tag: number): void {
    const { blocks } = this.#checks;
    const line = lineNumberOf(directory);
    if (participant.words[participant.base + ParticipantWord.GROW_NEW] === directory) {
      /* A thread died right after it had allocated this block. */
      blocks.takenOver(line);
    }
    blocks.retired(line);
    super.retire(participant, directory, tag);
  }

  override reclaim(participant: Participant, oldest: number): void {
    const { blocks } = this.#checks;
    let directory = participant.words[participant.base + ArenaLayout.RETIRED_HEAD]!;
    while (directory !== 0) {
      const line = lineNumberOf(directory);
      const link = this.#links + line;
      if (!Epochs.isSafe(this.#words[link + 1]!, oldest)) {
        break;
      }
      /* The block may be free already: the previous thread of this participant slot died in the middle of a reclaim. */
      if (blocks.stateOf(line) !== UnitState.free) {
        blocks.freed(line);
      }
      directory = this.#words[link]!;
    }
    super.reclaim(participant, oldest);
  }
}

export class CheckedBucketTable extends BucketTable {
  readonly #checks: Checks;
  /** Entries that may be checked now. It grows with each unlock until it covers a large bucket. */
  #allowance = 0;

  constructor(options: BucketTableOptions, checks: Checks) {
    super(options);
    this.#checks = checks;
  }

  override recordAt(slot: number): number {
    const record = super.recordAt(slot);
    if (record !== 0) {
      this.#checks.obtain(record);
    }
    return record;
  }

  override placeAbsentLocked(bucket: number, hash: number, record: number): boolean {
    this.#checks.records.linked(record);
    const isPlaced = super.placeAbsentLocked(bucket, hash, record);
    this.#afterPlacing(record, isPlaced);
    return isPlaced;
  }

  override placeLocked(bucket: number, hash: number, record: number, participant: Participant): boolean {
    this.#checks.records.linked(record);
    const isPlaced = super.placeLocked(bucket, hash, record, participant);
    this.#afterPlacing(record, isPlaced);
    return isPlaced;
  }

  #afterPlacing(record: number, isPlaced: boolean): void {
    if (isPlaced) {
      this.#checks.obtain(record);
    } else {
      this.#checks.records.notLinked(record);
    }
  }

  override unlinkLocked(bucket: number, hash: number, record: number): boolean {
    const wasThere = super.unlinkLocked(bucket, hash, record);
    this.#checks.records.unlinked(record);
    return wasThere;
  }

  /**
   * Asked by a repair about a dead thread's record: that thread may have died between noting an entry in the ledger and
   * placing it.
   */
  override hasLocked(bucket: number, hash: number, record: number): boolean {
    const has = super.hasLocked(bucket, hash, record);
    if (!has) {
      const r = record << UNIT_SHIFT;
      const isTwice = (this.words[r + ConnWord.FLAGS]! & ConnFlag.TWO_ENTRIES) !== 0;
      /* A translated connection's reverse entry is placed first. */
      this.#checks.records.atMost(record, isTwice && hash === this.words[r + ConnWord.HASH] ? 1 : 0);
    }
    return has;
  }

  override unlockBucket(bucket: number): void {
    this.#checkBeforeUnlock(bucket);
    super.unlockBucket(bucket);
  }

  override unlockBuckets(a: number, b: number): void {
    this.#checkBeforeUnlock(a);
    if (a !== b) {
      this.#checkBeforeUnlock(b);
    }
    super.unlockBuckets(a, b);
  }

  #checkBeforeUnlock(bucket: number): void {
    const entries = this.entriesIn(bucket);
    this.#allowance += FULL_CHECK_ENTRIES;
    if (entries <= FULL_CHECK_ENTRIES) {
      this.#allowance = 0;
    } else if (this.#allowance < entries) {
      return;
    } else {
      this.#allowance = 0;
    }
    this.assertSoundLocked(bucket);
  }

  /** @throws Error if index and records of a locked bucket disagree */
  assertSoundLocked(bucket: number): void {
    const block = this.blockOfBucket(bucket);
    const { blocks } = this.#checks;
    if (blocks.stateOf(lineNumberOf(block)) !== UnitState.allocated) {
      blocks.fail(lineNumberOf(block), `bucket ${bucket} uses it as its index`);
    }
    assertConsistentLocked(this, bucket);
    const lines = BucketTable.linesOf(block);
    for (let index = 0; index < lines; index++) {
      const first = BucketTable.firstSlotOf(block, index);
      for (let slot = first; slot < first + LINE_ENTRIES; slot++) {
        if (this.words[slot] !== 0) {
          this.#assertEntry(bucket, slot);
          this.#assertOnlyOne(bucket, block, index, slot);
        }
      }
    }
  }

  /** Checks an entry: its record is linked, has as many entries as its flags say, and has the entry's hash. */
  #assertEntry(bucket: number, slot: number): void {
    const { records } = this.#checks;
    const { words } = this;
    const record = words[slot]!;
    const r = record << UNIT_SHIFT;
    if (records.stateOf(record) !== UnitState.linked) {
      records.fail(record, `bucket ${bucket} has an entry of it`);
    }
    const isTwice = (words[r + ConnWord.FLAGS]! & ConnFlag.TWO_ENTRIES) !== 0;
    /* The other entry may be gone: a thread died while it removed the connection. */
    const isCleaned = (Atomics.load(words, r + ConnWord.LIFE) & LIFE_CLEANED) !== 0;
    const entries = records.entriesOf(record);
    if (entries !== (isTwice ? 2 : 1) && !(isCleaned && entries === 1)) {
      records.fail(record, `half linked: ${entries} entries, of ${isTwice ? 2 : 1}`);
    }
    const hash = this.hashAt(slot);
    if (hash !== words[r + ConnWord.HASH] && !(isTwice && hash === words[r + ConnWord.REV_HASH])) {
      records.fail(record, `bucket ${bucket} has an entry of it under a hash that is not its own`);
    }
  }

  /** Checks that no later entry on the same probe path has the same record or the same key. */
  #assertOnlyOne(bucket: number, block: number, line: number, slot: number): void {
    const { words } = this;
    const hash = this.hashAt(slot);
    const lines = BucketTable.linesOf(block);
    const record = words[slot]!;
    let from = slot + 1;
    for (let index = line, steps = 0; steps < lines; steps++) {
      const end = BucketTable.firstSlotOf(block, index) + LINE_ENTRIES;
      for (let other = from; other < end; other++) {
        if (words[other] !== 0 && this.hashAt(other) === hash) {
          if (words[other] === record) {
            this.#checks.records.fail(record, `bucket ${bucket} holds it twice under one hash`);
          }
          if (this.#areBothLive(record, words[other]!) && haveSameKey(words, hash, record, words[other]!)) {
            this.#checks.records.fail(
              record,
              `bucket ${bucket} has another live connection with its key, ${words[other]}`,
            );
          }
        }
      }
      if (words[BucketTable.lineOf(block, index)] === 0) {
        return;
      }
      index = (index + 1) & (lines - 1);
      from = BucketTable.firstSlotOf(block, index);
    }
  }

  /**
   * While the lock is held flags are set, never cleared. So if both records are alive when read in turn, both were
   * alive at the start.
   */
  #areBothLive(a: number, b: number): boolean {
    const { words } = this;
    return (
      (Atomics.load(words, (a << UNIT_SHIFT) + ConnWord.LIFE) & LIFE_FLAGS) === 0 &&
      (Atomics.load(words, (b << UNIT_SHIFT) + ConnWord.LIFE) & LIFE_FLAGS) === 0
    );
  }
}

/** The table of most engines: the hash of a key chooses its bucket. @param checks undefined: the process is not checked */
export function hashedTable(options: BucketTableOptions, checks: Checks | undefined): BucketTable {
  return checks === undefined ? new BucketTable(options) : new CheckedBucketTable(options, checks);
}

/**
 * Do two connections claim one key? A connection owns its key, and its reverse key if NAT chose that. The reverse key
 * of a plain connection may equal the key of a translated one, as in Open vSwitch.
 */
function haveSameKey(words: Words, hash: number, a: number, b: number): boolean {
  const keysOfA = keysOf(words, hash, a << UNIT_SHIFT);
  return keysOf(words, hash, b << UNIT_SHIFT).some((key) => keysOfA.includes(key));
}

/** The keys that a record owns under this hash, as text. */
function keysOf(words: Words, hash: number, r: number): string[] {
  const meta = words[r + ConnWord.META]!;
  const isIpv6 = (meta & META_IPV6) !== 0;
  const text = (at: number, count: number): string => words.subarray(at, at + count).join();
  const keys: string[] = [];
  if (words[r + ConnWord.HASH] === hash) {
    const addresses = isIpv6 ? text(r + ConnWord.SRC6, 8) : text(r + ConnWord.SRC, 2);
    keys.push(`${meta}/${words[r + ConnWord.PORTS]}/${addresses}`);
  }
  if ((words[r + ConnWord.FLAGS]! & ConnFlag.TRANSLATED) !== 0 && words[r + ConnWord.REV_HASH] === hash) {
    const addresses = isIpv6 ? text(r + ConnWord.REV_SRC6, 8) : text(r + ConnWord.REV_SRC, 2);
    keys.push(`${reverseMeta(meta)}/${words[r + ConnWord.REV_PORTS]}/${addresses}`);
  }
  return keys;
}
