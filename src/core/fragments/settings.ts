/**
 * Settings and statistics of fragment reassembly, for threads other than PMDs. A setting takes effect in all threads at
 * once.
 */

import { load, store as storeWord } from '../../shared/access.ts';
import { expectFlag, shown, UsageError } from '../errors.ts';
import { FAMILY_COUNTERS, FragmentCounter, FragmentsWord, MAX_FRAGMENTS, MIN_FRAGMENT_BYTES_FLOOR } from './region.ts';
import type { FragmentStore } from './store.ts';

export type IpFamily = 'v4' | 'v6';

/** Settings and statistics of one address family. The counts are of fragments since the start. */
export interface FragmentFamilyStatus {
  enabled: boolean;
  /** The minimum size of every fragment but the last, in bytes from the IP header on. */
  minFragSize: number;
  accepted: number;
  completedSent: number;
  /** Dropped, since their datagram was not complete in time. */
  expiredSent: number;
  tooSmall: number;
  overlap: number;
  /** Dropped, since no batch of their zone took them in time. */
  purged: number;
}

export interface FragmentStatus {
  /** Fragments held now. */
  nfrag: number;
  nfragMax: number;
  v4: FragmentFamilyStatus;
  v6: FragmentFamilyStatus;
}

/** The part of a thread's tracker that the settings need. */
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
   * Enables or disables reassembly for a family. Held fragments stay until their datagram is complete or expires.
   * @throws UsageError for another family, or if `isOn` is neither true nor false
   */
  setEnabled(family: IpFamily, isOn: boolean): void {
    expectFlag('the reassembly of a family', isOn);
    storeWord(this.#store.words, pick(family, FragmentsWord.V4_ENABLED, FragmentsWord.V6_ENABLED), isOn ? 1 : 0);
  }

  /**
   * Sets the minimum size of every fragment but the last, in bytes from the IP header on.
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
   * Sets how many fragments of both families together are held at most.
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

  /** Settings and statistics. They may lag behind by a few stores. */
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
    throw new UsageError(`the address family must be 'v4' or 'v6', not ${shown(family)}`);
  }
  return family === 'v4' ? v4 : v6;
}
