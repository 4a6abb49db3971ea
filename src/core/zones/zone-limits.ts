/**
 * Limits on the number of connections in a zone, by Open vSwitch's rules:
 *   - A zone's count starts when its limit is set.
 *   - While there is a default limit, the first commit into a zone creates an entry for it.
 *   - While there is a default limit, an entry survives the deletion of its own limit.
 *
 *   header line      0 default limit (0: none), 1 mutex
 *   directory        one word per zone: 1 if the zone has an entry
 *   pools            one quota pool per zone (shared/quota/quota-pool.ts); only pools of zones with an entry are touched
 *
 * Default limit and directory are atomic: written under the mutex, read without it. The limit of a pool is written under the mutex.
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

/** Largest limit: an unsigned 32-bit number, as in Open vSwitch. A limit above the table's size is never reached. */
const MAX_LIMIT = 0xffffffff;

/** The answer to a query. */
export interface ZoneLimit {
  /** The zone, if it has a limit of its own, else 'default'. */
  zone: number | 'default';
  /** The limit in force; 0 for 'default': no limit. */
  limit: number;
  /** Connections counted against it. */
  count: number;
}

export class ZoneLimits {
  readonly pools: QuotaPools;
  private readonly words: Words;
  private readonly base: number;
  private readonly directory: number;
  private readonly poolWords: number;

  constructor(words: Words, base: number, maxParticipants: number) {
    this.words = words;
    this.base = base;
    this.directory = base + DIRECTORY;
    this.poolWords = QuotaPools.wordsFor(maxParticipants);
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
    return this.base + POOLS + zone * this.poolWords;
  }

  /** The quota pool from which a new connection of this zone takes a unit; 0: the zone has no limit. */
  admit(zone: number, participant: Participant): number {
    if (peek(this.words, this.directory + zone) !== 0) {
      return this.#poolOf(zone);
    }
    if (peek(this.words, this.base + DEFAULT_LIMIT) === 0) {
      return 0;
    }
    return this.createByDefault(zone, participant) ? this.#poolOf(zone) : 0;
  }

  /**
   * Creates the entry unless another thread has just done so.
   * @returns false if the default limit was deleted meanwhile
   */
  private createByDefault(zone: number, participant: Participant): boolean {
    const words = this.words;
    lock(words, this.base + MUTEX, participant, LockClass.zoneLimits, LockSite.zoneLimitCreate);
    const isWanted = words[this.base + DEFAULT_LIMIT] !== 0;
    if (isWanted && words[this.directory + zone] === 0) {
      this.#addLocked(zone, USE_FALLBACK, participant);
    }
    unlock(words, this.base + MUTEX);
    return isWanted;
  }

  /** Creates a zone's entry, with a count of 0. */
  #addLocked(zone: number, limit: number, participant: Participant): void {
    this.pools.renew(this.#poolOf(zone), limit, participant);
    store(this.words, this.directory + zone, 1);
  }

  /** The limit that applies to a zone. A number above 65535 is not a zone, and gets the default limit. */
  get(zone: number | 'default'): ZoneLimit {
    const defaultLimit = load(this.words, this.base + DEFAULT_LIMIT) >>> 0;
    if (
      zone === 'default' ||
      !(Number.isInteger(zone) && zone >= 0 && zone < ZONES) ||
      load(this.words, this.directory + zone) === 0
    ) {
      return { zone: 'default', limit: defaultLimit, count: 0 };
    }
    const pool = this.#poolOf(zone);
    const own = givenLimit(this.words, pool);
    const count = this.pools.used(pool);
    return own === USE_FALLBACK ? { zone: 'default', limit: defaultLimit, count } : { zone, limit: own >>> 0, count };
  }

  /** The default limit, then every zone with a limit of its own: the output of `ct-get-limits`. */
  all(): ZoneLimit[] {
    const zones = Array.from({ length: ZONES }, (_, zone) => this.get(zone));
    return [this.get('default'), ...zones.filter(({ zone }) => zone !== 'default')];
  }

  /**
   * Sets a zone's limit, or with 'default' the limit of all zones without their own. A limit of 0 blocks a zone, but
   * removes the default.
   * @throws UsageError unless the limit is a 32-bit number
   */
  set(zone: number | 'default', limit: number, participant: Participant): void {
    if (!Number.isInteger(limit) || limit < 0 || limit > MAX_LIMIT) {
      throw new UsageError(`a zone limit must be a whole number from 0 to ${MAX_LIMIT}, not ${shown(limit)}`);
    }
    if (zone === 'default' && limit === 0) {
      this.delete('default', participant);
      return;
    }
    /* All under the mutex. Otherwise a deletion of the default limit could remove the entry after it was found and
     * before its limit was written, and the limit would be lost. */
    const words = this.words;
    lock(words, this.base + MUTEX, participant, LockClass.zoneLimits, LockSite.zoneLimitSet);
    if (zone === 'default') {
      store(words, this.base + DEFAULT_LIMIT, limit);
    } else if (words[this.directory + zone] === 0) {
      this.#addLocked(zone, limit, participant);
    } else {
      writeLimit(words, this.#poolOf(zone), limit);
    }
    unlock(words, this.base + MUTEX);
  }

  #dropEntriesOfDefault(): void {
    const words = this.words;
    for (let each = 0; each < ZONES; each++) {
      if (words[this.directory + each] !== 0 && givenLimit(words, this.#poolOf(each)) === USE_FALLBACK) {
        store(words, this.directory + each, 0);
      }
    }
  }

  /** Removes a zone's limit; or the default limit, with all entries that have no limit of their own. */
  delete(zone: number | 'default', participant: Participant): void {
    const words = this.words;
    lock(words, this.base + MUTEX, participant, LockClass.zoneLimits, LockSite.zoneLimitDelete);
    if (zone === 'default') {
      store(words, this.base + DEFAULT_LIMIT, 0);
      this.#dropEntriesOfDefault();
    } else if (words[this.directory + zone] !== 0) {
      if (words[this.base + DEFAULT_LIMIT] !== 0) {
        writeLimit(words, this.#poolOf(zone), USE_FALLBACK);
      } else {
        store(words, this.directory + zone, 0);
      }
    }
    unlock(words, this.base + MUTEX);
  }

  /**
   * After the participant's thread has died: finishes the deletion of the default limit, if the thread was in it.
   * @returns whether the thread held the mutex
   */
  repair(participant: Participant): boolean {
    const words = this.words;
    const heldIt = inheritLock(words, this.base + MUTEX, participant, LockClass.zoneLimits);
    if (heldIt) {
      if (words[this.base + DEFAULT_LIMIT] === 0) {
        this.#dropEntriesOfDefault();
      }
      unlock(words, this.base + MUTEX);
    }
    wakeWaiters(words, this.base + MUTEX);
    return heldIt;
  }
}
