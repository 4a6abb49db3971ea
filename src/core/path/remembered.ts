/**
 * The connection that a packet remembers from an earlier pass. The packet names the record and its generation, since
 * the record may hold another connection by now.
 */

import { CHECKED, load, type Words } from '../../shared/access.ts';
import type { CtAction } from '../action.ts';
import { isForHelper } from '../alg/control.ts';
import { obtain } from '../table/reference-checks.ts';
import { metaZone } from '../packet/key.ts';
import { CtState, PacketWord, RememberedBit } from '../packet/layout.ts';
import { ConnWord, LIFE_CLEANED, LIFE_GENERATION_SHIFT, UNIT_SHIFT } from '../table/conn.ts';
import type { Tracker } from '../tracker.ts';

/** V8 folds constants of the same module only. */
const IS_CHECKED: boolean = CHECKED;

/** Was the remembered connection removed? Its record may hold another connection by now. */
export function isGone(tracker: Tracker, words: Words, slot: number): boolean {
  const life = load(tracker.words, (words[slot + PacketWord.CONN]! << UNIT_SHIFT) + ConnWord.LIFE);
  return (life & LIFE_CLEANED) !== 0 || life >>> LIFE_GENERATION_SHIFT !== words[slot + PacketWord.CONN_GENERATION];
}

/**
 * Makes the packet forget its connection. The packet keeps the flags of a translation, since its addresses have
 * changed.
 */
export function forget(words: Words, slot: number): void {
  words[slot + PacketWord.CONN] = 0;
  words[slot + PacketWord.STATE] = words[slot + PacketWord.STATE]! & (CtState.SNAT | CtState.DNAT);
}

/** May parsing be skipped, because the packet remembers its connection? */
export function isRemembered(tracker: Tracker, words: Words, slot: number, action: CtAction): boolean {
  return words[slot + PacketWord.CONN] !== 0 && !action.force && remembers(tracker, words, slot, action);
}

/** Is the remembered connection still there, in this zone, and does no helper have to read the packet? */
function remembers(tracker: Tracker, words: Words, slot: number, action: CtAction): boolean {
  const records = tracker.words;
  if (isGone(tracker, words, slot)) {
    return false;
  }
  if (IS_CHECKED) {
    obtain(tracker.checks, words[slot + PacketWord.CONN]!);
  }
  const r = words[slot + PacketWord.CONN]! << UNIT_SHIFT;
  const meta = records[r + ConnWord.META]!;
  if (metaZone(meta) !== action.zone) {
    return false;
  }
  const flags = words[slot + PacketWord.CONN_FLAGS]!;
  return (flags & RememberedBit.RELATED) !== 0 || !isForHelper(records, words, slot, action);
}
