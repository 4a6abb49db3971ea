/**
 * The words of a slab (slab.ts), and of the cache that each participant has of it.
 *
 *   slab: read and written under its mutex
 *   word    0           1             2                            3, 4
 *         +-----------+-------------+----------------------------+-------------------------------------+-----
 *         | MUTEX     | NEXT_FRESH  | CAPACITY: end of the units | COMMON_HEAD: batches, one per class |
 *         +-----------+-------------+----------------------------+-------------------------------------+-----
 *
 *   a participant's cache, one for each class: only its owner reads and writes it
 *   word    0           1            2            3           4              5              6
 *         +-----------+------------+------------+-----------+--------------+--------------+---------------+---
 *         | FREE_HEAD | FREE_COUNT | FRESH_NEXT | FRESH_END | RETIRED_HEAD | RETIRED_TAIL | RETIRED_COUNT |
 *         +-----------+------------+------------+-----------+--------------+--------------+---------------+---
 */

import { LINE_WORDS } from './cache-line.ts';
import { wordLayout } from './word-layout.ts';

export const SLAB_WORDS: number = LINE_WORDS;
export const RECORD_CLASSES = 2;
export const SLAB_CACHE_WORDS = 8;

/** Records that move between a cache and the common list at once. The larger, the fewer locks. */
export const CHUNK = 64;

const SlabWord = wordLayout("the slab's own words", SLAB_WORDS, {
  MUTEX: 1,
  NEXT_FRESH: 1,
  CAPACITY: 1,
  COMMON_HEAD: RECORD_CLASSES,
  _REST: SLAB_WORDS - 3 - RECORD_CLASSES,
});
export const MUTEX: number = SlabWord.MUTEX;
export const NEXT_FRESH: number = SlabWord.NEXT_FRESH;
export const CAPACITY: number = SlabWord.CAPACITY;
export const COMMON_HEAD: number = SlabWord.COMMON_HEAD;

const CacheWord = wordLayout("a participant's cache of records", SLAB_CACHE_WORDS, {
  FREE_HEAD: 1,
  FREE_COUNT: 1,
  FRESH_NEXT: 1,
  FRESH_END: 1,
  RETIRED_HEAD: 1,
  RETIRED_TAIL: 1,
  RETIRED_COUNT: 1,
  _REST: 1,
});
export const FREE_HEAD: number = CacheWord.FREE_HEAD;
export const FREE_COUNT: number = CacheWord.FREE_COUNT;
export const FRESH_NEXT: number = CacheWord.FRESH_NEXT;
export const FRESH_END: number = CacheWord.FRESH_END;
export const RETIRED_HEAD: number = CacheWord.RETIRED_HEAD;
export const RETIRED_TAIL: number = CacheWord.RETIRED_TAIL;
export const RETIRED_COUNT: number = CacheWord.RETIRED_COUNT;

/** For the accounting. */
export const SlabLayout = {
  MUTEX,
  NEXT_FRESH,
  COMMON_HEAD,
  FREE_HEAD,
  FREE_COUNT,
  FRESH_NEXT,
  FRESH_END,
  RETIRED_HEAD,
  RETIRED_TAIL,
  RETIRED_COUNT,
  CHUNK,
} as const;
