/** Lists of held fragments as users see them. It allocates, and is for threads other than PMDs. */

import { peek } from '../../shared/access.ts';
import { LockSite } from '../../shared/sync/lock-sites.ts';
import { LockClass } from '../../shared/sync/lockdep.ts';
import { lock, unlock } from '../../shared/sync/mutex.ts';
import { formatIpv4, formatIpv6 } from '../inspect/address.ts';
import { META_IPV6, metaProtocol, metaZone } from '../packet/key.ts';
import { swapHalf, swapWord } from '../packet/layout.ts';
import type { FragmentStore } from './store.ts';
import type { IpFamily } from './settings.ts';
import { FragmentsWord, LIST_HEADS, LIST_WORDS, listAt, ListState, ListWord } from './region.ts';

export type FragmentListState = 'OTHER_SEEN' | 'FIRST_SEEN' | 'LAST_SEEN' | 'BOTH_SEEN' | 'COMPLETED' | 'FAILED';

export interface FragmentListEntry {
  family: IpFamily;
  src: string;
  dst: string;
  /** Identification, host order. */
  ipId: number;
  zone: number;
  /** IP protocol; IPv6: 0. */
  proto: number;
  /** Fragments that arrived. Those of a complete list may have been sent already. */
  numFragments: number;
  state: FragmentListState;
}

const STATE_NAMES: FragmentListState[] = Object.keys(ListState) as (keyof typeof ListState)[];

function entryOf(words: Int32Array): FragmentListEntry {
  const meta = words[ListWord.META]!;
  const isIpv6 = (meta & META_IPV6) !== 0;
  const id = words[ListWord.ID]!;
  return {
    family: isIpv6 ? 'v6' : 'v4',
    src: isIpv6 ? formatIpv6(words, ListWord.SRC) : formatIpv4(words[ListWord.SRC]!),
    dst: isIpv6 ? formatIpv6(words, ListWord.DST) : formatIpv4(words[ListWord.DST]!),
    ipId: isIpv6 ? swapWord(id) >>> 0 : swapHalf(id),
    zone: metaZone(meta),
    proto: isIpv6 ? 0 : metaProtocol(meta),
    numFragments: words[ListWord.COUNT]!,
    state: STATE_NAMES[words[ListWord.STATE]!]!,
  };
}

/**
 * All lists. Each chain of the hash table is copied at one moment; the mutex is held only while one chain is copied.
 */
export function dumpFragmentLists({ words, participant }: FragmentStore): FragmentListEntry[] {
  const entries: FragmentListEntry[] = [];
  for (let head = 0; head < LIST_HEADS; head++) {
    const at = FragmentsWord.HEADS + head;
    if (peek(words, at) === 0) {
      continue;
    }
    const copies: Int32Array[] = [];
    lock(words, FragmentsWord.MUTEX, participant, LockClass.fragments, LockSite.fragmentDump);
    for (let list = words[at]!; list !== 0; list = words[listAt(list) + ListWord.NEXT]!) {
      copies.push(words.slice(listAt(list), listAt(list) + LIST_WORDS));
    }
    unlock(words, FragmentsWord.MUTEX);
    entries.push(...copies.map(entryOf));
  }
  return entries;
}
