/**
 * Repairs the held fragments after a participant has died, perhaps in the middle of a change.
 *
 * Every list that the hash table reaches and that is whole stays; everything else becomes free. Lists that the
 * participant had completed and judged are sent by others. Lists that it had completed but not judged are lost, like
 * the packets of its batch.
 */

import type { Words } from '../../shared/access.ts';
import { LockClass } from '../../shared/sync/lockdep.ts';
import { inheritLock, lockWithin, unlock, wakeWaiters } from '../../shared/sync/mutex.ts';
import { PacketWord } from '../packet/layout.ts';
import { countFragments } from './list-expiry.ts';
import {
  CHUNK_WORDS,
  fragmentAt,
  FragmentCounter,
  FragmentsWord,
  FragmentWord,
  LIST_HEADS,
  linkAt,
  listAt,
  ListState,
  ListWord,
} from './region.ts';
import { type FragmentStore, frameWords } from './store.ts';

export interface FragmentRepair {
  /** False: another thread holds the mutex and did not release it in time. */
  isComplete: boolean;
  heldIt: boolean;
  fragmentsLost: number;
}

/**
 * Repairs the region. It waits for the mutex for `waitMs` at most. @param dead the store of the participant that died
 */
export function repairFragments(dead: FragmentStore, waitMs: number): FragmentRepair {
  const { participant, words } = dead;
  const result = { isComplete: true, heldIt: false, fragmentsLost: 0 };
  const owner = participant.id + 1;
  result.heldIt = inheritLock(words, FragmentsWord.MUTEX, participant, LockClass.fragments);
  if (result.heldIt || ownsLists(words, owner)) {
    if (!result.heldIt && !lockWithin(words, FragmentsWord.MUTEX, participant, LockClass.fragments, waitMs)) {
      return { ...result, isComplete: false };
    }
    result.fragmentsLost = new Rebuild(dead, owner).run();
    unlock(words, FragmentsWord.MUTEX);
  }
  wakeWaiters(words, FragmentsWord.MUTEX);
  return result;
}

/** Does this participant own lists? No other thread changes the owner of those. */
function ownsLists(words: Words, owner: number): boolean {
  for (let list = 1; list < words[FragmentsWord.NEXT_LIST]!; list++) {
    const l = listAt(list);
    if (words[l + ListWord.STATE] === ListState.COMPLETED && Math.abs(words[l + ListWord.OWNER]!) === owner) {
      return true;
    }
  }
  return false;
}

/** Rebuilds the lists under the mutex. Lists that other participants completed are read, but not written. */
class Rebuild {
  readonly #words: Words;
  readonly #owner: number;
  readonly #lists: Uint8Array;
  readonly #fragments: Uint8Array;
  readonly #chunks: Uint8Array;
  readonly #store: FragmentStore;
  #lost = 0;

  constructor(store: FragmentStore, owner: number) {
    const { words } = store;
    this.#store = store;
    this.#words = words;
    this.#owner = owner;
    this.#lists = new Uint8Array(words[FragmentsWord.NEXT_LIST]!);
    this.#fragments = new Uint8Array(words[FragmentsWord.NEXT_FRAGMENT]!);
    this.#chunks = new Uint8Array(words[FragmentsWord.NEXT_CHUNK]!);
  }

  /** @returns fragments lost */
  run(): number {
    for (let head = 0; head < LIST_HEADS; head++) {
      this.#filterChain(head);
    }
    const words = this.#words;
    words[FragmentsWord.FREE_LIST] = this.#freeOf(this.#lists, (list) => listAt(list) + ListWord.NEXT);
    words[FragmentsWord.FREE_FRAGMENT] = this.#freeOf(this.#fragments, (each) => fragmentAt(each) + FragmentWord.NEXT);
    words[FragmentsWord.FREE_CHUNK] = this.#freeOf(this.#chunks, linkAt);
    words[FragmentsWord.LISTS] = count(this.#lists);
    words[FragmentsWord.HELD] = count(this.#fragments);
    words[FragmentsWord.CHUNKS_IN_USE] = count(this.#chunks);
    this.#queueExpiring();
    this.#queueDone();
    return this.#lost;
  }

  /** Keeps the whole lists of a hash chain, and unlinks the others. */
  #filterChain(head: number): void {
    const words = this.#words;
    let link = FragmentsWord.HEADS + head;
    for (let list = words[link]!; list !== 0; ) {
      const isKnown = list > 0 && list < this.#lists.length && this.#lists[list] === 0;
      const next = isKnown ? words[listAt(list) + ListWord.NEXT]! : 0;
      if (isKnown && this.#keep(list, head)) {
        this.#lists[list] = 1;
        words[link] = list;
        link = listAt(list) + ListWord.NEXT;
      }
      list = next;
    }
    if (words[link] !== 0) {
      words[link] = 0;
    }
  }

  /** Is the list whole, with all its fragments and their chunks? If so, these are marked as in use. */
  #keep(list: number, head: number): boolean {
    const words = this.#words;
    const l = listAt(list);
    const state = words[l + ListWord.STATE]!;
    const fragments: number[] = [];
    const chunks: number[] = [];
    let isWhole = words[l + ListWord.FIRST] !== 0 && (words[l + ListWord.HASH]! & (LIST_HEADS - 1)) === head;
    for (let each = words[l + ListWord.FIRST]!; each !== 0 && isWhole; ) {
      isWhole = this.#isFree(this.#fragments, each, fragments) && this.#takeChunks(each, chunks);
      fragments.push(each);
      each = isWhole ? words[fragmentAt(each) + FragmentWord.NEXT]! : 0;
    }
    const isLost = state === ListState.COMPLETED && words[l + ListWord.OWNER] === this.#owner;
    if (!isWhole || isLost) {
      this.#lost += fragments.length;
      countFragments(this.#store, words[l + ListWord.META]!, FragmentCounter.purged, fragments.length);
      return false;
    }
    for (const each of fragments) {
      this.#fragments[each] = 1;
    }
    for (const chunk of chunks) {
      this.#chunks[chunk] = 1;
    }
    if (state !== ListState.COMPLETED) {
      words[l + ListWord.COUNT] = fragments.length;
    }
    return true;
  }

  #isFree(used: Uint8Array, number: number, taken: number[]): boolean {
    return number > 0 && number < used.length && used[number] === 0 && !taken.includes(number);
  }

  #takeChunks(fragment: number, chunks: number[]): boolean {
    const words = this.#words;
    const f = fragmentAt(fragment);
    let left = Math.ceil(frameWords(words[f + FragmentWord.HEADER + PacketWord.LENGTH]!) / CHUNK_WORDS);
    let chunk = words[f + FragmentWord.FIRST_CHUNK]!;
    for (; left > 0; left--) {
      if (!this.#isFree(this.#chunks, chunk, chunks)) {
        return false;
      }
      chunks.push(chunk);
      chunk = words[linkAt(chunk)]!;
    }
    return chunk === 0;
  }

  /** Links the unused numbers into a free list. @returns its head */
  #freeOf(used: Uint8Array, linkOf: (number: number) => number): number {
    let head = 0;
    for (let number = used.length - 1; number > 0; number--) {
      if (used[number] === 0) {
        this.#words[linkOf(number)] = head;
        head = number;
      }
    }
    return head;
  }

  #keptLists(): number[] {
    return [...this.#lists.keys()].filter((list) => this.#lists[list] !== 0);
  }

  #queueExpiring(): void {
    const words = this.#words;
    const expiresOf = (list: number) => words[listAt(list) + ListWord.EXPIRES]!;
    const lists = this.#keptLists()
      .filter((list) => words[listAt(list) + ListWord.STATE] !== ListState.COMPLETED)
      .toSorted((a, b) => (expiresOf(a) - expiresOf(b)) | 0);
    lists.forEach((list, i) => {
      words[listAt(list) + ListWord.PREVIOUS_IN_QUEUE] = lists[i - 1] ?? 0;
      words[listAt(list) + ListWord.NEXT_IN_QUEUE] = lists[i + 1] ?? 0;
    });
    words[FragmentsWord.EXPIRY_HEAD] = lists[0] ?? 0;
    words[FragmentsWord.EXPIRY_TAIL] = lists.at(-1) ?? 0;
    words[FragmentsWord.NEXT_EXPIRY] = lists.length === 0 ? 0 : expiresOf(lists[0]!);
  }

  /** Queues the finished lists in their old order, then the lists that the dead participant was about to queue. */
  #queueDone(): void {
    const words = this.#words;
    const wanted = new Set(
      this.#keptLists().filter((list) => {
        const l = listAt(list);
        const owner = words[l + ListWord.OWNER];
        return words[l + ListWord.STATE] === ListState.COMPLETED && (owner === 0 || owner === -this.#owner);
      }),
    );
    const lists: number[] = [];
    for (let list = words[FragmentsWord.DONE_HEAD]!; wanted.delete(list); ) {
      lists.push(list);
      list = words[listAt(list) + ListWord.NEXT_IN_QUEUE]!;
    }
    lists.push(...wanted);
    lists.forEach((list, i) => {
      words[listAt(list) + ListWord.OWNER] = 0;
      words[listAt(list) + ListWord.NEXT_IN_QUEUE] = lists[i + 1] ?? 0;
    });
    words[FragmentsWord.DONE_HEAD] = lists[0] ?? 0;
    words[FragmentsWord.DONE_TAIL] = lists.at(-1) ?? 0;
  }
}

function count(used: Uint8Array): number {
  return used.reduce((sum, each) => sum + each, 0);
}
