/** The chains of the table of expectations, rebuilt after a thread has died in the middle of a change. */

import { store, type Words } from '../../shared/access.ts';
import { entryAt, EntryWord, ExpectationHeader, HEADS, KEY_HEADS, PARENT_HEADS } from './expectation-layout.ts';

/** Bits of an entry that was found in a chain by key, and in one by control connection. */
const IN_KEY_CHAIN = 1;
const IN_PARENT_CHAIN = 2;
const IN_BOTH = 3;

interface Chains {
  words: Words;
  /** Word index of the table. */
  base: number;
  /** Word index of the first head. */
  heads: number;
  /** The EntryWord that links the chains. */
  link: number;
  /** The EntryWord with the hash that chooses the head. */
  hash: number;
}

/**
 * Keeps the entries that are in both of their chains, and frees all others. The caller holds the mutex, which the dead
 * thread held. Afterwards the META of a free entry is 0.
 */
export function rebuildChains(words: Words, base: number): void {
  const byKey: Chains = { words, base, heads: base + KEY_HEADS, link: EntryWord.NEXT, hash: EntryWord.HASH };
  const byParent: Chains = {
    words,
    base,
    heads: base + PARENT_HEADS,
    link: EntryWord.PARENT_NEXT,
    hash: EntryWord.PARENT_HASH,
  };
  const found = new Uint8Array(words[base + ExpectationHeader.HIGHEST]! + 1);
  markFound(byKey, found, IN_KEY_CHAIN);
  markFound(byParent, found, IN_PARENT_CHAIN);
  unlinkOthers(byKey, found);
  unlinkOthers(byParent, found);
  let used = 0;
  let free = 0;
  for (let n = found.length - 1; n > 0; n--) {
    if (found[n] === IN_BOTH) {
      used++;
    } else {
      words[entryAt(base, n) + EntryWord.META] = 0;
      words[entryAt(base, n) + EntryWord.NEXT] = free;
      free = n;
    }
  }
  words[base + ExpectationHeader.FREE] = free;
  store(words, base + ExpectationHeader.COUNT, used);
}

/**
 * Marks the entries of all chains. A chain ends at an entry that cannot belong to it: the link of an entry that was being
 * freed may lead into another list.
 */
function markFound({ words, base, heads, link, hash }: Chains, found: Uint8Array, bit: number): void {
  for (let head = 0; head < HEADS; head++) {
    for (let n = words[heads + head]!; n > 0 && n < found.length; n = words[entryAt(base, n) + link]!) {
      const entry = entryAt(base, n);
      const isOfChain = words[entry + EntryWord.META] !== 0 && (words[entry + hash]! & (HEADS - 1)) === head;
      if (!isOfChain || (found[n]! & bit) !== 0) {
        break;
      }
      found[n]! |= bit;
    }
  }
}

/** Unlinks all entries that are not in both chains. */
function unlinkOthers({ words, base, heads, link }: Chains, found: Uint8Array): void {
  for (let head = 0; head < HEADS; head++) {
    let at = heads + head;
    for (let n = words[at]!; n !== 0; n = words[at]!) {
      if (found[n] === IN_BOTH) {
        at = entryAt(base, n) + link;
      } else {
        store(words, at, words[entryAt(base, n) + link]!);
      }
    }
  }
}
