/** Stage 1: packets become hashed keys. Packets that remember their connection are skipped. */

import type { Words } from '../../shared/access.ts';
import type { CtAction } from '../action.ts';
import { hashParsed } from './key-hash.ts';
import type { PacketBatch } from '../packet/batch.ts';
import { PARSED_WORDS, ParsedKind, ParsedWord } from '../packet/key.ts';
import { PacketWord, RememberedBit } from '../packet/layout.ts';
import { parseAny, parsePacket } from '../packet/parse.ts';
import { isRemembered } from './remembered.ts';
import type { Tracker } from '../tracker.ts';

/** Parses a batch into scratch memory, and writes the ParsedKind of each packet. @returns the number of fragments */
export function parseAndHash(tracker: Tracker, batch: PacketBatch, action: CtAction, count: number): number {
  const words = batch.words;
  const slots = batch.slots;
  const { table } = tracker;
  const { parsed } = tracker.scratch;
  let fragments = 0;
  for (let i = 0; i < count; i++) {
    const slot = slots[i]!;
    const at = i * PARSED_WORDS;
    let kind: number;
    if (
      isRemembered(tracker, words, slot, action) &&
      (words[slot + PacketWord.CONN_FLAGS]! & RememberedBit.FRAGMENT) === 0
    ) {
      kind = ParsedKind.REMEMBERED;
    } else {
      kind = parsePacket(words, slot, parsed, at, action.zone) | 0;
      if (kind === ParsedKind.KEYED) {
        const hash = hashParsed(tracker.keys, parsed, at) | 0;
        parsed[at + ParsedWord.HINT] = table.homeLine(hash, parsed, at + ParsedWord.META);
      } else if (kind === ParsedKind.FRAGMENT) {
        fragments++;
      }
    }
    parsed[at + ParsedWord.KIND] = kind;
  }
  return fragments;
}

/** Parses a fragment that reassembly does not take, as a packet of its own. @returns a ParsedKind */
export function judgeFragment(tracker: Tracker, words: Words, slot: number, at: number, action: CtAction): number {
  const { table } = tracker;
  const { parsed } = tracker.scratch;
  if (isRemembered(tracker, words, slot, action)) {
    return ParsedKind.REMEMBERED;
  }
  if (!parseAny(words, slot, parsed, at, action.zone, false)) {
    return ParsedKind.INVALID;
  }
  const hash = hashParsed(tracker.keys, parsed, at) | 0;
  parsed[at + ParsedWord.HINT] = table.homeLine(hash, parsed, at + ParsedWord.META);
  return ParsedKind.KEYED;
}
