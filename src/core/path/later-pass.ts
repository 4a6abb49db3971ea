/** Packets that were not parsed with the batch: they remember their connection, or were put together from fragments. */

import { CHECKED, type Words } from '../../shared/access.ts';
import type { CtAction } from '../action.ts';
import { obtain } from '../table/reference-checks.ts';
import { closeWhole, openWhole } from '../fragments/fragments.ts';
import { hashParsed } from './key-hash.ts';
import { translatePacket } from '../nat/translate.ts';
import { ParsedWord } from '../packet/key.ts';
import { PacketWord, RememberedBit } from '../packet/layout.ts';
import { parseAny } from '../packet/parse.ts';
import { isGone, isRemembered } from './remembered.ts';
import { judgePacket } from './stage-judge.ts';
import { rejectPacket } from './stage-verdict.ts';
import { CONN_NAT, ConnWord, UNIT_SHIFT } from '../table/conn.ts';
import type { Tracker } from '../tracker.ts';
import { applyMarks, readMarks } from './verdict.ts';

/** V8 folds constants of the same module only. */
const IS_CHECKED: boolean = CHECKED;

/** Judges the datagram that a fragment completed, in the place of that fragment. */
export function processWhole(tracker: Tracker, at: number, action: CtAction, now: number): void {
  const { whole } = tracker.fragments;
  const list = tracker.scratch.parsed[at + ParsedWord.LIST]!;
  openWhole(tracker.fragments, list);
  if (isRemembered(tracker, whole, 0, action)) {
    processRemembered(tracker, whole, 0, at, action, now);
  } else {
    processAfresh(tracker, whole, 0, at, action, now);
  }
  closeWhole(tracker.fragments, list);
}

/**
 * A later pass of a packet that remembers its connection. The packet keeps its state and does not update the
 * connection.
 */
export function processRemembered(
  tracker: Tracker,
  words: Words,
  slot: number,
  at: number,
  action: CtAction,
  now: number,
): void {
  /* An earlier packet of the batch may have removed it. */
  if (isGone(tracker, words, slot)) {
    processAfresh(tracker, words, slot, at, action, now);
    return;
  }
  const r = words[slot + PacketWord.CONN]! << UNIT_SHIFT;
  if (IS_CHECKED) {
    obtain(tracker.checks, words[slot + PacketWord.CONN]!);
  }
  if (action.nat !== null) {
    translateRemembered(tracker, words, slot, at, action.zone);
  }
  words[slot + PacketWord.ZONE] = action.zone;
  readMarks(tracker.words, r, words, slot);
  applyMarks(tracker.words, tracker.participant, words, slot, r, action);
}

/** Translates a packet in a later pass. Like every pass that translates, it makes the packet forget its connection. */
function translateRemembered(tracker: Tracker, words: Words, slot: number, at: number, zone: number): void {
  const r = words[slot + PacketWord.CONN]! << UNIT_SHIFT;
  if ((tracker.words[r + ConnWord.FLAGS]! & CONN_NAT) !== 0) {
    const state = words[slot + PacketWord.STATE]!;
    const reply = words[slot + PacketWord.CONN_FLAGS]! & RememberedBit.REPLY;
    if (parseAny(words, slot, tracker.scratch.parsed, at, zone, false)) {
      words[slot + PacketWord.STATE] = translatePacket(tracker, words, slot, at, r, reply, state);
    }
  }
  words[slot + PacketWord.CONN] = 0;
}

/** Parses and judges one packet. A fragment is judged by its own headers. */
function processAfresh(tracker: Tracker, words: Words, slot: number, at: number, action: CtAction, now: number): void {
  if (parseAny(words, slot, tracker.scratch.parsed, at, action.zone, false)) {
    hashParsed(tracker.keys, tracker.scratch.parsed, at);
    tracker.scratch.parsed[at + ParsedWord.HINT] = 0;
    judgePacket(tracker, words, slot, at, action, now);
  } else {
    rejectPacket(tracker, words, slot, at, action);
  }
}
