/** Removes the expectations of a control connection that is removed. */

import { peek, type Words } from '../../shared/access.ts';
import { META_IPV6 } from '../packet/key.ts';
import { ConnWord, LIFE_GENERATION_SHIFT, UNIT_SHIFT } from '../table/conn.ts';
import type { Participant } from '../../shared/memory/participant.ts';
import type { Alg } from './helper-tables.ts';
import { EntryWord } from './expectation-layout.ts';

/** The part of a thread's tracker that expectations need. */
interface Cleaned {
  readonly words: Words;
  readonly participant: Participant;
  readonly alg: Alg;
  readonly reclaimsAtLookup: boolean;
}

/** Writes key, record and generation of the connection at word `r` into an entry, as its parent. */
export function writeParent(records: Words, r: number, entry: Int32Array): void {
  const isIpv6 = (records[r + ConnWord.META]! & META_IPV6) !== 0;
  entry[EntryWord.META] = records[r + ConnWord.META]!;
  entry[EntryWord.PARENT_PORTS] = records[r + ConnWord.PORTS]!;
  entry[EntryWord.PARENT_HASH] = records[r + ConnWord.HASH]!;
  entry[EntryWord.PARENT_RECORD] = r >>> UNIT_SHIFT;
  entry[EntryWord.PARENT_GENERATION] = peek(records, r + ConnWord.LIFE) >>> LIFE_GENERATION_SHIFT;
  writeAddress(records, r + (isIpv6 ? ConnWord.SRC6 : ConnWord.SRC), entry, EntryWord.PARENT_SRC, isIpv6);
  writeAddress(records, r + (isIpv6 ? ConnWord.DST6 : ConnWord.DST), entry, EntryWord.PARENT_DST, isIpv6);
}

/** Copies an address to four words. IPv4 uses the first; the others become 0. */
export function writeAddress(from: Int32Array, at: number, to: Int32Array, toAt: number, isIpv6: boolean): void {
  to[toAt] = from[at]!;
  for (let i = 1; i < 4; i++) {
    to[toAt + i] = isIpv6 ? from[at + i]! : 0;
  }
}

/**
 * Removes the expectations of a connection with a helper. The caller has set LIFE_CLEANED and holds no lock.
 *
 * If stale connections stay until a sweep, another connection may have taken the tuple meanwhile. It loses its
 * expectations, too: Open vSwitch knows expectations by the control connection's key alone.
 */
export function cleanExpectations(tracker: Cleaned, record: number): void {
  const { words: records, alg, participant } = tracker;
  if (alg.expectations.used === 0) {
    return;
  }
  const r = record << UNIT_SHIFT;
  writeParent(records, r, alg.removed);
  alg.expectations.clean(alg.removed, !tracker.reclaimsAtLookup, participant);
}
