/** Settings and statistics of the reassembly, for threads other than PMDs. Settings take effect in every thread at once. */

import { load, store as storeWord } from '../../shared/access.ts';
import { expectFlag, shown, UsageError } from '../errors.ts';
import { FAMILY_COUNTERS, FragmentCounter, FragmentsWord, MAX_FRAGMENTS, MIN_FRAGMENT_BYTES_FLOOR } from './region.ts';
import type { FragmentStore } from './store.ts';

export type IpFamily = 'v4' | 'v6';

/** What the reassembly of a family does, and counts of fragments since the start. */
export interface FragmentFamilyStatus {
  enabled: boolean;
  /** Bytes from the IP header on, of every fragment but the last. */
  minFragSize: number;
  accepted: number;
  completedSent: number;
  /** Dropped because their datagram was not complete in time. */
  expiredSent: number;
  tooSmall: number;
  overlap: number;
  /** Dropped because nobody came to fetch them. */
  purged: number;
}

export interface FragmentStatus {
  /** Fragments held now. */
  nfrag: number;
  nfragMax: number;
  v4: FragmentFamilyStatus;
  v6: FragmentFamilyStatus;
}

/** The calling thread's tracker, as far as it concerns settings. */
interface Handle {
  readonly fragments: FragmentStore;
  /** @throws UsageError when the handle is closed */
  assertOpen(): void;
}

export class FragmentSettings {
  readonly #handle: Handle;

  /** @internal */
  constructor(handle: Handle) {
    this.#handle = handle;
  }

  /** @throws UsageError when the handle is closed */
  get #store(): FragmentStore {
    this.#handle.assertOpen();
    return this.#handle.fragments;
  }

  /**
   * Switches the reassembly of a family on or off; what is held stays until it is complete or expires.
   * @throws UsageError for another family, or what is neither true nor false
   */
  setEnabled(family: IpFamily, isOn: boolean): void {
    expectFlag('the reassembly of a family', isOn);
    storeWord(this.#store.words, pick(family, FragmentsWord.V4_ENABLED, FragmentsWord.V6_ENABLED), isOn ? 1 : 0);
  }

  /**
   * Smallest size of a fragment that is not the last, in bytes from its IP header on.
   * @throws UsageError below 400
   */
  setMinFragSize(family: IpFamily, bytes: number): void {
    if (!Number.isInteger(bytes) || bytes < MIN_FRAGMENT_BYTES_FLOOR || bytes > 0xffffffff) {
      throw new UsageError(
        `the minimum fragment size must be a whole number from ${MIN_FRAGMENT_BYTES_FLOOR} to 4294967295, not ${shown(bytes)}`,
      );
    }
    storeWord(this.#store.words, pick(family, FragmentsWord.V4_MIN_BYTES, FragmentsWord.V6_MIN_BYTES), bytes | 0);
  }

  /**
   * Fragments held at most, of both families.
   * @throws UsageError above 5000
   */
  setMaxFrags(count: number): void {
    if (!Number.isInteger(count) || count < 0 || count > MAX_FRAGMENTS) {
      throw new UsageError(
        `the number of fragments must be a whole number from 0 to ${MAX_FRAGMENTS}, not ${shown(count)}`,
      );
    }
    storeWord(this.#store.words, FragmentsWord.MAX_HELD, count);
  }

  /** Settings and figures; at most some stores old. */
  status(): FragmentStatus {
    const { words } = this.#store;
    return {
      nfrag: load(words, FragmentsWord.HELD),
      nfragMax: load(words, FragmentsWord.MAX_HELD),
      v4: this.#familyStatus('v4'),
      v6: this.#familyStatus('v6'),
    };
  }

  #familyStatus(family: IpFamily): FragmentFamilyStatus {
    const { words, counters } = this.#store;
    const at = pick(family, 0, FAMILY_COUNTERS);
    return {
      enabled: load(words, pick(family, FragmentsWord.V4_ENABLED, FragmentsWord.V6_ENABLED)) !== 0,
      minFragSize: load(words, pick(family, FragmentsWord.V4_MIN_BYTES, FragmentsWord.V6_MIN_BYTES)) >>> 0,
      accepted: counters[at + FragmentCounter.accepted]!,
      completedSent: counters[at + FragmentCounter.completedSent]!,
      expiredSent: counters[at + FragmentCounter.expiredSent]!,
      tooSmall: counters[at + FragmentCounter.tooSmall]!,
      overlap: counters[at + FragmentCounter.overlap]!,
      purged: counters[at + FragmentCounter.purged]!,
    };
  }
}

function pick(family: IpFamily, v4: number, v6: number): number {
  if (family !== 'v4' && family !== 'v6') {
    throw new UsageError(`a family of addresses must be 'v4' or 'v6', not ${shown(family)}`);
  }
  return family === 'v4' ? v4 : v6;
}
