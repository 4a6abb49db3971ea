/**
 * Expectations: data connections that an FTP or TFTP control connection has named, and that have not been opened yet.
 * One table in the tracker's memory serves all zones. One mutex guards it (a leaf in the lock order,
 * shared/lockdep.ts).
 *
 *   header line      see ExpectationHeader
 *   key heads        the first entry of each chain of entries by key
 *   parent heads     the same by the control connection's key
 *   entries          see expectation-layout.ts; numbered from 1; the system commits their memory at first use
 *
 * Everything is written under the mutex. COUNT and the heads are also read without it. A thread that creates a
 * connection searches nothing while there is no expectation, and takes the mutex only if the chain of its hash has an
 * entry.
 *
 * A data connection does not use up its expectation. The expectation is removed with its control connection.
 *
 * `add` publishes its entry and then asks whether the control connection is removed. A thread that removes a control
 * connection sets LIFE_CLEANED and then searches for entries. One of the two sees the other, so no entry outlives its
 * control connection. An entry of a connection that is being removed does not stop others from expecting the same.
 */

import { areSameWords } from '../../shared/memory/word-runs.ts';
import { load, peek, store, type Words } from '../../shared/access.ts';
import { LockSite } from '../../shared/sync/lock-sites.ts';
import { LockClass } from '../../shared/sync/lockdep.ts';
import { inheritLock, lock, type LockOwner, unlock, wakeWaiters } from '../../shared/sync/mutex.ts';
import { ConnWord, LIFE_CLEANED, LIFE_GENERATION_SHIFT, UNIT_SHIFT } from '../table/conn.ts';
import {
  ENTRY_WORDS,
  entryAt,
  EntryWord,
  ExpectationHeader,
  EXPECTATIONS_WORDS,
  keyHeadAt,
  MAX_EXPECTATIONS,
  MAX_EXPECTATIONS_PER_PARENT,
  parentHeadAt,
} from './expectation-layout.ts';
import { rebuildChains } from './expectation-repair.ts';

/** Results of `add`. */
export const Added = {
  done: 0,
  /** An expectation with this key exists. */
  duplicate: 1,
  /** The table is full. */
  full: 2,
  /** The control connection has been removed. */
  orphaned: 3,
} as const;

/** Entries that a dump copies before it releases the mutex once. */
const DUMP_STEP = 64;

export class Expectations {
  readonly #words: Words;
  readonly #base: number;
  /** Word index of the mutex. */
  readonly mutex: number;
  /** Word index of COUNT, for callers that only ask whether there are expectations. */
  readonly count: number;

  constructor(words: Words, base: number) {
    this.#words = words;
    this.#base = base;
    this.mutex = base + ExpectationHeader.MUTEX;
    this.count = base + ExpectationHeader.COUNT;
  }

  static readonly WORDS: number = EXPECTATIONS_WORDS;

  /** Expectations in the table. */
  get used(): number {
    return load(this.#words, this.count);
  }

  /** The largest number of entries that were in use at once. */
  get mostUsed(): number {
    return peek(this.#words, this.#base + ExpectationHeader.HIGHEST);
  }

  /** The number of the entry that has the key of the entry at `from[at...]`; 0 if there is none. */
  #findLocked(from: Int32Array, at: number): number {
    const words = this.#words;
    const hash = from[at + EntryWord.HASH]!;
    for (let n = words[keyHeadAt(this.#base, hash)]!; n !== 0; n = words[entryAt(this.#base, n) + EntryWord.NEXT]!) {
      const entry = entryAt(this.#base, n);
      if (
        words[entry + EntryWord.HASH] === hash &&
        words[entry + EntryWord.META] === from[at + EntryWord.META] &&
        words[entry + EntryWord.PORTS] === from[at + EntryWord.PORTS] &&
        areSameWords(words, entry + EntryWord.SRC, from, at + EntryWord.SRC, 8)
      ) {
        return n;
      }
    }
    return 0;
  }

  /**
   * Completes `entry` from the expectation with its META, PORTS, HASH, SRC and DST.
   * @returns whether there is one
   */
  find(entry: Int32Array, owner: LockOwner): boolean {
    const words = this.#words;
    if (peek(words, keyHeadAt(this.#base, entry[EntryWord.HASH]!)) === 0) {
      return false;
    }
    lock(words, this.mutex, owner, LockClass.leaf, LockSite.expectationFind);
    const n = this.#findLocked(entry, 0);
    if (n !== 0) {
      copy(words, entryAt(this.#base, n), entry);
    }
    unlock(words, this.mutex);
    return n !== 0;
  }

  /**
   * Adds the expectation in `entry`, which is complete except for its links. The caller has found its control
   * connection in this epoch.
   * @returns an Added
   */
  add(entry: Int32Array, owner: LockOwner): number {
    const words = this.#words;
    lock(words, this.mutex, owner, LockClass.leaf, LockSite.expectationAdd);
    const known = this.#findLocked(entry, 0);
    let outcome: number = Added.duplicate;
    if (known === 0) {
      outcome = this.#addLocked(entry);
    } else if (this.#isOrphanLocked(known)) {
      /* The thread that removes its control connection is about to remove it, too. */
      this.#removeLocked(known);
      outcome = this.#addLocked(entry);
    }
    unlock(words, this.mutex);
    return outcome;
  }

  #addLocked(entry: Int32Array): number {
    const words = this.#words;
    const oldest = this.#oldestOfLocked(entry);
    let n: number;
    if (oldest !== 0) {
      this.#removeLocked(oldest);
    }
    const header = this.#base;
    if (words[header + ExpectationHeader.FREE] !== 0) {
      n = words[header + ExpectationHeader.FREE]!;
      words[header + ExpectationHeader.FREE] = words[entryAt(this.#base, n) + EntryWord.NEXT]!;
    } else if (words[header + ExpectationHeader.HIGHEST]! < MAX_EXPECTATIONS) {
      n = words[header + ExpectationHeader.HIGHEST]! + 1;
      words[header + ExpectationHeader.HIGHEST] = n;
    } else {
      return Added.full;
    }
    const to = entryAt(this.#base, n);
    const keyHead = keyHeadAt(this.#base, entry[EntryWord.HASH]!);
    const parentHead = parentHeadAt(this.#base, entry[EntryWord.PARENT_HASH]!);
    entry[EntryWord.NEXT] = words[keyHead]!;
    entry[EntryWord.PARENT_NEXT] = words[parentHead]!;
    for (let i = 0; i < ENTRY_WORDS; i++) {
      words[to + i] = entry[i]!;
    }
    store(words, keyHead, n);
    store(words, parentHead, n);
    store(words, header + ExpectationHeader.COUNT, words[header + ExpectationHeader.COUNT]! + 1);
    if (this.#isOrphanLocked(n)) {
      this.#removeLocked(n);
      return Added.orphaned;
    }
    return Added.done;
  }

  /** Has the entry's control connection been removed, or is a thread removing it? */
  #isOrphanLocked(n: number): boolean {
    const words = this.#words;
    const entry = entryAt(this.#base, n);
    const life = load(words, (words[entry + EntryWord.PARENT_RECORD]! << UNIT_SHIFT) + ConnWord.LIFE);
    return (life & LIFE_CLEANED) !== 0 || life >>> LIFE_GENERATION_SHIFT !== words[entry + EntryWord.PARENT_GENERATION];
  }

  /** The oldest expectation of the same control connection, if that has reached its limit; else 0. */
  #oldestOfLocked(entry: Int32Array): number {
    const words = this.#words;
    let seen = 0;
    let last = 0;
    const head = parentHeadAt(this.#base, entry[EntryWord.PARENT_HASH]!);
    for (let n = words[head]!; n !== 0; n = words[entryAt(this.#base, n) + EntryWord.PARENT_NEXT]!) {
      if (this.#isOfParent(n, entry)) {
        seen++;
        last = n;
      }
    }
    return seen >= MAX_EXPECTATIONS_PER_PARENT ? last : 0;
  }

  #isOfParent(n: number, parent: Int32Array): boolean {
    const words = this.#words;
    const entry = entryAt(this.#base, n);
    return (
      words[entry + EntryWord.META] === parent[EntryWord.META] &&
      words[entry + EntryWord.PARENT_PORTS] === parent[EntryWord.PARENT_PORTS] &&
      areSameWords(words, entry + EntryWord.PARENT_SRC, parent, EntryWord.PARENT_SRC, 8)
    );
  }

  #removeLocked(n: number): void {
    const words = this.#words;
    const entry = entryAt(this.#base, n);
    this.#unchainLocked(keyHeadAt(this.#base, words[entry + EntryWord.HASH]!), EntryWord.NEXT, n);
    this.#unchainLocked(parentHeadAt(this.#base, words[entry + EntryWord.PARENT_HASH]!), EntryWord.PARENT_NEXT, n);
    words[entry + EntryWord.META] = 0;
    words[entry + EntryWord.NEXT] = words[this.#base + ExpectationHeader.FREE]!;
    words[this.#base + ExpectationHeader.FREE] = n;
    store(words, this.count, words[this.count]! - 1);
  }

  #unchainLocked(head: number, link: number, n: number): void {
    const words = this.#words;
    let at = head;
    while (words[at] !== n) {
      at = entryAt(this.#base, words[at]!) + link;
    }
    store(words, at, words[entryAt(this.#base, n) + link]!);
  }

  /**
   * Removes the expectations of the control connection whose META and PARENT_ words stand in `parent`. It has
   * LIFE_CLEANED set.
   * @param byKey true: also remove those of other connections with its key
   */
  clean(parent: Int32Array, byKey: boolean, owner: LockOwner): void {
    const words = this.#words;
    const head = parentHeadAt(this.#base, parent[EntryWord.PARENT_HASH]!);
    if (load(words, head) === 0) {
      return;
    }
    lock(words, this.mutex, owner, LockClass.leaf, LockSite.expectationClean);
    this.cleanLocked(parent, byKey);
    unlock(words, this.mutex);
  }

  /** As `clean`, with the mutex held. */
  cleanLocked(parent: Int32Array, byKey: boolean): void {
    const words = this.#words;
    const head = parentHeadAt(this.#base, parent[EntryWord.PARENT_HASH]!);
    for (let n = words[head]!; n !== 0; ) {
      const entry = entryAt(this.#base, n);
      const next = words[entry + EntryWord.PARENT_NEXT]!;
      const isOwn =
        words[entry + EntryWord.PARENT_RECORD] === parent[EntryWord.PARENT_RECORD] &&
        words[entry + EntryWord.PARENT_GENERATION] === parent[EntryWord.PARENT_GENERATION];
      if (isOwn || (byKey && this.#isOfParent(n, parent))) {
        this.#removeLocked(n);
      }
      n = next;
    }
  }

  /**
   * Repairs the table after the owner's thread has died. An entry that is not in both of its chains becomes free, and so does
   * an entry whose control connection is gone.
   * @returns whether it held the mutex
   */
  repair(owner: LockOwner): boolean {
    const heldIt = inheritLock(this.#words, this.mutex, owner, LockClass.leaf);
    if (heldIt) {
      rebuildChains(this.#words, this.#base);
      for (let n = 1; n <= this.mostUsed; n++) {
        if (this.#words[entryAt(this.#base, n) + EntryWord.META] !== 0 && this.#isOrphanLocked(n)) {
          this.#removeLocked(n);
        }
      }
      unlock(this.#words, this.mutex);
    }
    wakeWaiters(this.#words, this.mutex);
    return heldIt;
  }

  /** Calls `visit` with a copy of each expectation. The copies are not of one moment. */
  visit(owner: LockOwner, visit: (entry: Int32Array) => void): void {
    const words = this.#words;
    const copies = new Int32Array(DUMP_STEP * ENTRY_WORDS);
    for (let first = 1; first <= this.mostUsed; first += DUMP_STEP) {
      lock(words, this.mutex, owner, LockClass.leaf, LockSite.expectationVisit);
      const end = Math.min(first + DUMP_STEP, words[this.#base + ExpectationHeader.HIGHEST]! + 1);
      copies.set(words.subarray(entryAt(this.#base, first), entryAt(this.#base, end)));
      unlock(words, this.mutex);
      for (let n = 0; n < end - first; n++) {
        const entry = copies.subarray(n * ENTRY_WORDS, (n + 1) * ENTRY_WORDS);
        if (entry[EntryWord.META] !== 0) {
          visit(entry);
        }
      }
    }
  }
}

function copy(words: Words, from: number, entry: Int32Array): void {
  for (let i = 0; i < ENTRY_WORDS; i++) {
    entry[i] = words[from + i]!;
  }
}
