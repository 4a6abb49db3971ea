/**
 * Names of application helpers. A record holds its helper as a small number. All threads share the table of names,
 * which only grows.
 *
 *   word 0   mutex       1   number of names (atomic: raised when the name is complete)
 *   line 1.. names, NAME_WORDS each, UTF-8 padded with zeros
 */

import { load, store, type Words } from '../../shared/access.ts';
import { LINE_WORDS } from '../../shared/memory/cache-line.ts';
import { LockSite } from '../../shared/sync/lock-sites.ts';
import { LockClass } from '../../shared/sync/lockdep.ts';
import { lock, type LockOwner, releaseOfDead, unlock } from '../../shared/sync/mutex.ts';
import { shown, UsageError } from '../errors.ts';

const MUTEX = 0;
const COUNT = 1;
const NAME_WORDS = 8;
const MAX_NAME_BYTES: number = NAME_WORDS * 4;
const MAX_NAMES = 255;

/**
 * The kind of a helper, by the beginning of its name, as in Open vSwitch: every name that starts with "ftp" is FTP.
 * Other names are stored and do nothing.
 */
export const HelperKind = { none: 0, ftp: 1, tftp: 2 } as const;

export function helperKindOf(name: string): number {
  if (name.startsWith('ftp')) {
    return HelperKind.ftp;
  }
  return name.startsWith('tftp') ? HelperKind.tftp : HelperKind.none;
}

/** The words of a name in the table. @throws UsageError if it is empty, too long or contains a zero byte */
export function helperNameWords(name: string): Int32Array {
  const bytes = new TextEncoder().encode(typeof name === 'string' ? name : '');
  if (bytes.length === 0 || bytes.length > MAX_NAME_BYTES || bytes.includes(0)) {
    throw new UsageError(
      `a helper's name must be 1 to ${MAX_NAME_BYTES} bytes without a zero byte, not ${shown(name)}`,
    );
  }
  const padded = new Uint8Array(MAX_NAME_BYTES);
  padded.set(bytes);
  return new Int32Array(padded.buffer);
}

export class HelperNames {
  readonly #words: Words;
  readonly #base: number;

  constructor(words: Words, base: number) {
    this.#words = words;
    this.#base = base;
  }

  static readonly WORDS: number = LINE_WORDS + (MAX_NAMES + 1) * NAME_WORDS;

  /** The number of a name, from 1. A new name gets the next number. 0: the table of names is full. */
  numberOf(name: Int32Array, owner: LockOwner): number {
    const known = this.#find(name, load(this.#words, this.#base + COUNT));
    return known !== 0 ? known : this.#append(name, owner);
  }

  #nameAt(number: number): number {
    return this.#base + LINE_WORDS + number * NAME_WORDS;
  }

  #find(name: Int32Array, count: number): number {
    for (let number = 1; number <= count; number++) {
      const at = this.#nameAt(number);
      let i = 0;
      while (i < NAME_WORDS && this.#words[at + i] === name[i]) {
        i++;
      }
      if (i === NAME_WORDS) {
        return number;
      }
    }
    return 0;
  }

  #append(name: Int32Array, owner: LockOwner): number {
    const words = this.#words;
    lock(words, this.#base + MUTEX, owner, LockClass.leaf, LockSite.helperName);
    const count = words[this.#base + COUNT]!;
    let number = this.#find(name, count);
    if (number === 0 && count < MAX_NAMES) {
      number = count + 1;
      for (let i = 0; i < NAME_WORDS; i++) {
        words[this.#nameAt(number) + i] = name[i]!;
      }
      store(words, this.#base + COUNT, number);
    }
    unlock(words, this.#base + MUTEX);
    return number;
  }

  /**
   * Repairs after the owner's thread has died: a name is there, or it is not. @returns whether the owner held the mutex
   */
  repair(owner: LockOwner): boolean {
    return releaseOfDead(this.#words, this.#base + MUTEX, owner, LockClass.leaf);
  }

  /** The name with this number. Allocates. */
  nameOf(number: number): string {
    const at = this.#nameAt(number);
    const bytes = new Uint8Array(this.#words.slice(at, at + NAME_WORDS).buffer);
    const end = bytes.indexOf(0);
    return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
  }
}
