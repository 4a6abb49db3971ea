/**
 * Limits on the number of connections in a zone, with Open vSwitch's rules: a zone's count starts when its limit
 * does; a default limit makes entries appear with the first commit into a zone, and these survive the deletion of
 * their own limit as long as there is a default.
 *
 *   header line      0 default limit (atomic: changed under the mutex, read without; 0: none)   1 mutex
 *   directory        one word per zone: 1 if the zone has an entry. atomic: changed under the mutex, read without
 *   pools            one quota pool per zone (shared/quota-pool.ts), touched only for zones with an entry. Its limit is changed
 *                    under the mutex
 */

import { load, peek, store, type Words } from '../../shared/access.ts';
import { LINE_WORDS } from '../../shared/memory/cache-line.ts';
import { LockSite } from '../../shared/sync/lock-sites.ts';
import { LockClass } from '../../shared/sync/lockdep.ts';
import { inheritLock, lock, unlock, wakeWaiters } from '../../shared/sync/mutex.ts';
import { type Participant, ParticipantWord } from '../../shared/memory/participant.ts';
import { givenLimit, USE_FALLBACK, writeLimit } from '../../shared/quota/quota-limit.ts';
import { QuotaPools } from '../../shared/quota/quota-pool.ts';
import { shown, UsageError } from '../errors.ts';
import { MAX_ZONE } from './zone.ts';

const ZONES: number = MAX_ZONE + 1;
const DEFAULT_LIMIT = 0;
const MUTEX = 1;
const DIRECTORY = LINE_WORDS;
const POOLS = DIRECTORY + ZONES;

/** Largest limit: an unsigned number of 32 bits, as in Open vSwitch. What is beyond the table's size is never reached. */
const MAX_LIMIT = 0xffffffff;

/** The answer to a query. */
export interface ZoneLimit {
  /** The zone if it has a limit of its own, else 'default'. */
  zone: number | 'default';
  /** The limit in force; 0 with zone 'default': none. */
  limit: number;
  /** Connections counted against it. */
  count: number;
}

export class ZoneLimits {
  readonly pools: QuotaPools;
  readonly #words: Words;
  readonly #base: number;
  readonly #directory: number;
  readonly #poolWords: number;

  constructor(words: Words, base: number, maxParticipants: number) {
    this.#words = words;
    this.#base = base;
    this.#directory = base + DIRECTORY;
    this.#poolWords = QuotaPools.wordsFor(maxParticipants);
    this.pools = new QuotaPools({
      words,
      maxParticipants,
      fallbackLimit: base + DEFAULT_LIMIT,
      credit: ParticipantWord.ZONE_CREDIT,
    });
  }

  static wordsFor(maxParticipants: number): number {
    return POOLS + ZONES * QuotaPools.wordsFor(maxParticipants);
  }

  #poolOf(zone: number): number {
    return this.#base + POOLS + zone * this.#poolWords;
  }

  /** The pool that a new connection of this zone takes room from; 0: the zone is not limited. */
  admit(zone: number, participant: Participant): number {
    if (peek(this.#words, this.#directory + zone) !== 0) {
      return this.#poolOf(zone);
    }
    if (peek(this.#words, this.#base + DEFAULT_LIMIT) === 0) {
      return 0;
    }
    return this.#createByDefault(zone, participant) ? this.#poolOf(zone) : 0;
  }

  /**
   * Makes the entry unless somebody else just did.
   * @returns false if the default limit, by which the entry was to live, is gone by now
   */
  #createByDefault(zone: number, participant: Participant): boolean {
    const words = this.#words;
    lock(words, this.#base + MUTEX, participant, LockClass.zoneLimits, LockSite.zoneLimitCreate);
    const isWanted = words[this.#base + DEFAULT_LIMIT] !== 0;
    if (isWanted && words[this.#directory + zone] === 0) {
      this.#addLocked(zone, USE_FALLBACK, participant);
    }
    unlock(words, this.#base + MUTEX);
    return isWanted;
  }

  /** Nothing counts yet in the zone's pool. */
  #addLocked(zone: number, limit: number, participant: Participant): void {
    this.pools.renew(this.#poolOf(zone), limit, participant);
    store(this.#words, this.#directory + zone, 1);
  }

  /** What applies to a zone; a number beyond 65535 is no zone and has what all have. */
  get(zone: number | 'default'): ZoneLimit {
    const defaultLimit = load(this.#words, this.#base + DEFAULT_LIMIT) >>> 0;
    if (
      zone === 'default' ||
      !(Number.isInteger(zone) && zone >= 0 && zone < ZONES) ||
      load(this.#words, this.#directory + zone) === 0
    ) {
      return { zone: 'default', limit: defaultLimit, count: 0 };
    }
    const pool = this.#poolOf(zone);
    const own = givenLimit(this.#words, pool);
    const count = this.pools.used(pool);
    return own === USE_FALLBACK ? { zone: 'default', limit: defaultLimit, count } : { zone, limit: own >>> 0, count };
  }

  /** The default limit, then every zone with a limit of its own: what `ct-get-limits` shows. */
  all(): ZoneLimit[] {
    const zones = Array.from({ length: ZONES }, (_, zone) => this.get(zone));
    return [this.get('default'), ...zones.filter(({ zone }) => zone !== 'default')];
  }

  /**
   * Sets a zone's limit, or with 'default' that of all zones without one. For a zone 0 blocks everything, for the
   * default it removes it.
   * @throws UsageError when the limit is not a 32-bit number
   */
  set(zone: number | 'default', limit: number, participant: Participant): void {
    if (!Number.isInteger(limit) || limit < 0 || limit > MAX_LIMIT) {
      throw new UsageError(`a zone limit must be a whole number from 0 to ${MAX_LIMIT}, not ${shown(limit)}`);
    }
    if (zone === 'default' && limit === 0) {
      this.delete('default', participant);
      return;
    }
    /* To the end under the mutex: between the look at the entry and the limit that is written into it, the deletion of the
     * default limit would take the entry away, and the limit with it. */
    const words = this.#words;
    lock(words, this.#base + MUTEX, participant, LockClass.zoneLimits, LockSite.zoneLimitSet);
    if (zone === 'default') {
      store(words, this.#base + DEFAULT_LIMIT, limit);
    } else if (words[this.#directory + zone] === 0) {
      this.#addLocked(zone, limit, participant);
    } else {
      writeLimit(words, this.#poolOf(zone), limit);
    }
    unlock(words, this.#base + MUTEX);
  }

  #dropEntriesOfDefault(): void {
    const words = this.#words;
    for (let each = 0; each < ZONES; each++) {
      if (words[this.#directory + each] !== 0 && givenLimit(words, this.#poolOf(each)) === USE_FALLBACK) {
        store(words, this.#directory + each, 0);
      }
    }
  }

  /** Removes a zone's limit, or the default with all entries that live by it. */
  delete(zone: number | 'default', participant: Participant): void {
    const words = this.#words;
    lock(words, this.#base + MUTEX, participant, LockClass.zoneLimits, LockSite.zoneLimitDelete);
    if (zone === 'default') {
      store(words, this.#base + DEFAULT_LIMIT, 0);
      this.#dropEntriesOfDefault();
    } else if (words[this.#directory + zone] !== 0) {
      if (words[this.#base + DEFAULT_LIMIT] !== 0) {
        writeLimit(words, this.#poolOf(zone), USE_FALLBACK);
      } else {
        store(words, this.#directory + zone, 0);
      }
    }
    unlock(words, this.#base + MUTEX);
  }

  /** After the participant's thread has died: finishes the deletion of the default limit that it was in. @returns whether it held the mutex */
  repair(participant: Participant): boolean {
    const words = this.#words;
    const heldIt = inheritLock(words, this.#base + MUTEX, participant, LockClass.zoneLimits);
    if (heldIt) {
      if (words[this.#base + DEFAULT_LIMIT] === 0) {
        this.#dropEntriesOfDefault();
      }
      unlock(words, this.#base + MUTEX);
    }
    wakeWaiters(words, this.#base + MUTEX);
    return heldIt;
  }
}
