/** The end of a packet's path: writes and counts its verdict, and makes the packet remember its connection. */

import { peek, type Words } from '../../shared/access.ts';
import type { CtAction } from '../action.ts';
import { handleControl } from '../alg/control.ts';
import { Opening, prepareOpening, writeExpected } from '../alg/data-connection.ts';
import { Counter } from '../counters.ts';
import { NoteWord } from '../packet/batch-scratch.ts';
import { metaProtocol, ParsedWord } from '../packet/key.ts';
import { ChecksumBit, CtState, PacketWord, Protocol } from '../packet/layout.ts';
import { REASON_SHIFT, unusableReason, VerdictReason } from '../packet/reason.ts';
import { areFlagsInvalid, flagsOf } from '../proto/tcp-segment.ts';
import { ConnFlag, ConnWord, LIFE_GENERATION_SHIFT, UNIT_SHIFT } from '../table/conn.ts';
import type { Tracker } from '../tracker.ts';
import { applyMarks, writeConnected, writeInvalid, writeUnconnected } from './verdict.ts';

/** Writes the verdict on a packet without a key. */
export function rejectPacket(tracker: Tracker, words: Words, slot: number, at: number, action: CtAction): void {
  writeInvalid(words, slot, action.zone);
  const counters = tracker.counters;
  counters[Counter.invalid]!++;
  counters[Counter.unconnected]!++;
  const { parsed } = tracker.scratch;
  const isIcmpSumBad = parsed[at + ParsedWord.BAD_ICMP_SUM] !== 0;
  words[slot + PacketWord.REASON] = unusableReason(words, slot, isIcmpSumBad) << REASON_SHIFT;
  if (
    (words[slot + PacketWord.CHECKSUMS]! & (ChecksumBit.IP_BAD | ChecksumBit.L4_BAD)) !== 0 ||
    parsed[at + ParsedWord.BAD_ICMP_SUM] !== 0
  ) {
    counters[Counter.checksumErrors]!++;
    parsed[at + ParsedWord.BAD_ICMP_SUM] = 0;
  }
}

/** Writes the verdict on a packet without a connection. @param opening the result of prepareOpening, or 0 */
export function endUnconnected(
  tracker: Tracker,
  words: Words,
  slot: number,
  at: number,
  action: CtAction,
  state: number,
  opening: number,
): void {
  writeUnconnected(words, slot, tracker.scratch.parsed, at, state | CtState.TRK, action.zone);
  words[slot + PacketWord.REASON] = unconnectedReason(tracker, words, at, state) << REASON_SHIFT;
  tracker.counters[Counter.unconnected]!++;
  if ((opening & Opening.EXPECTED) !== 0) {
    writeExpected(tracker, words, slot);
  }
  count(tracker, state);
}

/** Why a packet with a key has no connection. */
function unconnectedReason(tracker: Tracker, words: Words, at: number, state: number): number {
  const { parsed, notes } = tracker.scratch;
  const refusal = notes[NoteWord.REFUSAL]!;
  notes[NoteWord.REFUSAL] = VerdictReason.NONE;
  if (refusal !== VerdictReason.NONE || (state & CtState.INV) === 0) {
    return refusal;
  }
  const isTcp = parsed[at + ParsedWord.RELATED] === 0 && metaProtocol(parsed[at + ParsedWord.META]!) === Protocol.TCP;
  return isTcp && areFlagsInvalid(flagsOf(words, parsed[at + ParsedWord.L4]!))
    ? VerdictReason.TCP_FLAGS
    : VerdictReason.NO_CONNECTION;
}

/**
 * Writes the verdict on a packet of a connection, after its translation.
 * @param remembered RememberedBits, and the reason if the packet is invalid (packet/reason.ts)
 * @param direction the direction that helpers see: 1 for the reply direction
 */
export function endConnected(
  tracker: Tracker,
  words: Words,
  slot: number,
  at: number,
  action: CtAction,
  record: number,
  state: number,
  remembered: number,
  direction: number,
): void {
  const r = record << UNIT_SHIFT;
  writeConnected(words, slot, tracker.words, r, state | CtState.TRK, action.zone);
  if (action.hasMark || action.hasLabel) {
    applyMarks(tracker.words, tracker.participant, words, slot, r, action);
  }
  words[slot + PacketWord.CONN] = action.nat === null ? record : 0;
  words[slot + PacketWord.CONN_GENERATION] = peek(tracker.words, r + ConnWord.LIFE) >>> LIFE_GENERATION_SHIFT;
  words[slot + PacketWord.CONN_FLAGS] = remembered;
  const isControl = (tracker.words[r + ConnWord.FLAGS]! & ConnFlag.HELPER) !== 0;
  count(tracker, isControl ? handleControl(tracker, words, slot, at, r, direction, action, state) | 0 : state);
}

/** Writes the verdict on a packet whose tuple another connection holds: the packet creates none and has none. */
export function leaveUnconnected(
  tracker: Tracker,
  words: Words,
  slot: number,
  at: number,
  action: CtAction,
  state: number,
): void {
  const opening =
    peek(tracker.words, tracker.alg.expectations.count) === 0
      ? 0
      : prepareOpening(tracker, words, slot, at, action, 0) | 0;
  endUnconnected(tracker, words, slot, at, action, state, opening);
}

function count(tracker: Tracker, state: number): void {
  const counters = tracker.counters;
  if ((state & CtState.EST) !== 0) {
    counters[Counter.established]!++;
  } else if ((state & CtState.NEW) !== 0) {
    counters[Counter.new]!++;
  } else if ((state & CtState.INV) !== 0) {
    counters[Counter.invalid]!++;
  } else {
    counters[Counter.related]!++;
  }
}
