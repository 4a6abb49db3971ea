/**
 * The memory of the bucket indexes: blocks of 2^k lines, k >= 1, from one region. Buckets without entries may share a block of one
 * line, k = 0, which nobody fills or retires (NO_BLOCK_BITS).
 *
 * A block's name is its directory word. The directory of a bucket holds the same word:
 *
 *   first line << 5 | k
 *
 * New blocks come from a bump pointer, so the system commits only memory that was needed. When a bucket grows, its old block is
 * retired with the tag of the current epoch. After that epoch the block is cleared and goes on the free list of its size.
 *
 *   arena, under its mutex
 *   word    0        1             2                               3 + k
 *         +--------+-------------+-------------------------------+-----------------------------------+-----
 *         | MUTEX  | NEXT_FRESH  | CAPACITY: after the last line | LIST_HEAD of k: a directory word  |
 *         +--------+-------------+-------------------------------+-----------------------------------+-----
 *
 *   cache of a participant, behind the caches of the slab; only its owner uses it
 *   word    0              1              2
 *         +--------------+--------------+---------------+
 *         | RETIRED_HEAD | RETIRED_TAIL | RETIRED_COUNT |
 *         +--------------+--------------+---------------+
 *
 *   links: one word per line. The link of a block's first line names the next block in its list; that of the second is the tag
 *
 * The links are outside the blocks because readers may still read every word of a retired block.
 */

import type { Words } from '../../shared/access.ts';
import { LINE_WORDS } from '../../shared/memory/cache-line.ts';
import { Epochs } from '../../shared/memory/epoch.ts';
import { LockSite } from '../../shared/sync/lock-sites.ts';
import { LockClass } from '../../shared/sync/lockdep.ts';
import { lock, releaseOfDead, unlock } from '../../shared/sync/mutex.ts';
import { ParticipantWord, type Participant } from '../../shared/memory/participant.ts';
import { RECORD_CLASSES, SLAB_CACHE_WORDS } from '../../shared/memory/slab.ts';

export const ARENA_WORDS: number = 2 * LINE_WORDS;

const MUTEX = 0;
const NEXT_FRESH: number = MUTEX + 1;
const CAPACITY: number = NEXT_FRESH + 1;
const LIST_HEAD: number = CAPACITY + 1;

const CACHE = ParticipantWord.CACHES + RECORD_CLASSES * SLAB_CACHE_WORDS;
const RETIRED_HEAD = CACHE;
const RETIRED_TAIL: number = RETIRED_HEAD + 1;
const RETIRED_COUNT: number = RETIRED_TAIL + 1;

/** The words of a participant's caches after this one. */
export const ARENA_CACHE_END: number = RETIRED_COUNT + 1;

if (RETIRED_COUNT >= ParticipantWord.COUNTERS) {
  throw new Error("the caches of slab and line arena do not fit into a participant's block");
}

const SIZE_BITS = 5;
const SIZE_MASK = (1 << SIZE_BITS) - 1;
/** The size of the block that buckets without entries share: one line. */
export const NO_BLOCK_BITS = 0;
/** Largest block: 2^24 lines, 1 GiB. A table with one bucket needs it for 50 million connections. */
export const MAX_BLOCK_BITS = 24;

if (LIST_HEAD + MAX_BLOCK_BITS >= ARENA_WORDS) {
  throw new Error('the lists of the line arena do not fit into its words');
}

/** For the checks of the invariants. Cache words are offsets in a participant's block. */
export const ArenaLayout = {
  MUTEX,
  NEXT_FRESH,
  CAPACITY,
  LIST_HEAD,
  RETIRED_HEAD,
  RETIRED_TAIL,
  RETIRED_COUNT,
} as const;

export function blockBits(directory: number): number {
  return directory & SIZE_MASK;
}

/** Word index of a block's first line. */
export function blockWord(directory: number): number {
  return (directory >>> SIZE_BITS) * LINE_WORDS;
}

export interface LineArenaOptions {
  words: Words;
  /** Word index of the arena's own words. */
  base: number;
  /** Word index of the links. Link i belongs to line firstLine + i. */
  links: number;
  /** Lines, numbered from the start of `words`. */
  firstLine: number;
  endLine: number;
}

export class LineArena {
  readonly #words: Words;
  readonly #base: number;
  /** Where the link of line 0 would be, as a word index. */
  readonly #links: number;
  readonly #firstLine: number;
  readonly #endLine: number;

  constructor(options: LineArenaOptions) {
    this.#words = options.words;
    this.#base = options.base;
    this.#links = options.links - options.firstLine;
    this.#firstLine = options.firstLine;
    this.#endLine = options.endLine;
  }

  /** The thread that creates the region calls this once. */
  initialise(): void {
    this.#words[this.#base + NEXT_FRESH] = this.#firstLine;
    this.#words[this.#base + CAPACITY] = this.#endLine;
  }

  /** Lines allocated so far, retired blocks included. */
  get linesTaken(): number {
    return this.#words[this.#base + NEXT_FRESH]! - this.#firstLine;
  }

  /** Lines in all. */
  get linesInAll(): number {
    return this.#endLine - this.#firstLine;
  }

  /** Word index of a block's link; its tag follows. */
  #linkOf(directory: number): number {
    return this.#links + (directory >>> SIZE_BITS);
  }

  /**
   * Allocates a cleared block of 2^bits lines. GROW_NEW names it until the caller has published or retired it.
   * @returns its directory word, or 0 when no memory is left
   */
  allocate(participant: Participant, bits: number): number {
    const words = this.#words;
    lock(words, this.#base + MUTEX, participant, LockClass.leaf, LockSite.linesAllocate);
    let directory = words[this.#base + LIST_HEAD + bits]!;
    if (directory !== 0) {
      words[this.#base + LIST_HEAD + bits] = words[this.#links + (directory >>> SIZE_BITS)]!;
    } else {
      const fresh = words[this.#base + NEXT_FRESH]!;
      if (bits <= MAX_BLOCK_BITS && fresh + (1 << bits) <= words[this.#base + CAPACITY]!) {
        words[this.#base + NEXT_FRESH] = fresh + (1 << bits);
        directory = (fresh << SIZE_BITS) | bits;
      }
    }
    participant.words[participant.base + ParticipantWord.GROW_NEW] = directory;
    unlock(words, this.#base + MUTEX);
    return directory;
  }

  /** Retires a block that readers may still use. It is reused after the epoch `tag` has passed. */
  retire(participant: Participant, directory: number, tag: number): void {
    const words = participant.words;
    const base = participant.base;
    const link = this.#links + (directory >>> SIZE_BITS);
    words[link] = 0;
    words[link + 1] = tag;
    const tail = words[base + RETIRED_TAIL]!;
    if (tail === 0) {
      words[base + RETIRED_HEAD] = directory;
    } else {
      words[this.#links + (tail >>> SIZE_BITS)] = directory;
    }
    words[base + RETIRED_TAIL] = directory;
    words[base + RETIRED_COUNT] = words[base + RETIRED_COUNT]! + 1;
  }

  retiredCount(participant: Participant): number {
    return participant.words[participant.base + RETIRED_COUNT]!;
  }

  /** Clears the blocks that this participant retired before epoch `oldest`, and puts them on the free lists. */
  reclaim(participant: Participant, oldest: number): void {
    const words = this.#words;
    const retired = participant.words;
    const { base } = participant;
    for (;;) {
      const directory = retired[base + RETIRED_HEAD]!;
      if (directory === 0) {
        return;
      }
      const link = this.#linkOf(directory);
      if (!Epochs.isSafe(words[link + 1]!, oldest)) {
        return;
      }
      const first = blockWord(directory);
      const bits = blockBits(directory);
      words.fill(0, first, first + (LINE_WORDS << bits));
      lock(words, this.#base + MUTEX, participant, LockClass.leaf, LockSite.linesRetire);
      /* Moved between the lists in one step (participant.ts). */
      const following = words[link]!;
      retired[base + RETIRED_HEAD] = following;
      if (following === 0) {
        retired[base + RETIRED_TAIL] = 0;
      }
      retired[base + RETIRED_COUNT] = retired[base + RETIRED_COUNT]! - 1;
      words[link] = words[this.#base + LIST_HEAD + bits]!;
      words[this.#base + LIST_HEAD + bits] = directory;
      unlock(words, this.#base + MUTEX);
    }
  }

  /**
   * After the participant's thread has died. Each change under this mutex is one step, so it is done or not begun.
   * @returns whether the thread held the mutex
   */
  repair(participant: Participant): boolean {
    return releaseOfDead(this.#words, this.#base + MUTEX, participant, LockClass.leaf);
  }

  /** Touches the memory of the next `count` fresh lines. */
  prefault(count: number): void {
    const from = this.#words[this.#base + NEXT_FRESH]!;
    const end = Math.min(this.#endLine, from + count) * LINE_WORDS;
    for (let word = from * LINE_WORDS; word < end; word += 1024) {
      Atomics.or(this.#words, word, 0);
    }
  }
}
