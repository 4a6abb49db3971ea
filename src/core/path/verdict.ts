/** The verdict beside a packet: state, zone, mark, label and the tuple of the original direction. */

import { load, peek, poke, store, type Words } from '../../shared/access.ts';
import { LockSite } from '../../shared/sync/lock-sites.ts';
import type { Participant } from '../../shared/memory/participant.ts';
import type { CtAction } from '../action.ts';
import { icmpTypeOf, META_IPV6, metaProtocol, ParsedWord } from '../packet/key.ts';
import { CtState, ORIG_IPV6, PacketWord, Protocol, swapHalf } from '../packet/layout.ts';
import { lockConn, unlockConn } from '../table/conn-lock.ts';
import { ConnFlag, ConnWord } from '../table/conn.ts';

/** LABEL_SEQUENCE while a label is written for the first time: the words still hold the label of another connection. */
export const FIRST_WRITE = 1;

/**
 * How long a reader waits for a label that is being written. The write takes less than a microsecond, unless its thread
 * has died or lost the processor.
 */
const LABEL_TIMEOUT_MS = 2000;
/** Polls of a label that is being written, before the clock is read once. */
const POLLS_PER_TIME = 1000;

/** The verdict on a packet without a key: no connection, no tuple. */
export function writeInvalid(words: Words, slot: number, zone: number): void {
  words[slot + PacketWord.STATE] = CtState.INV | CtState.TRK;
  words[slot + PacketWord.ZONE] = zone;
  words[slot + PacketWord.CONN] = 0;
  clearMarks(words, slot);
  words[slot + PacketWord.ORIG_PROTOCOL] = 0;
  words[slot + PacketWord.ORIG_PORTS] = 0;
  words[slot + PacketWord.ORIG_SRC] = 0;
  words[slot + PacketWord.ORIG_DST] = 0;
}

function clearMarks(words: Words, slot: number): void {
  words[slot + PacketWord.MARK] = 0;
  words[slot + PacketWord.LABEL] = 0;
  words[slot + PacketWord.LABEL + 1] = 0;
  words[slot + PacketWord.LABEL + 2] = 0;
  words[slot + PacketWord.LABEL + 3] = 0;
}

/** The verdict on a packet with a key but without a connection: the tuple is the packet's own. */
export function writeUnconnected(
  words: Words,
  slot: number,
  parsed: Int32Array,
  at: number,
  state: number,
  zone: number,
): void {
  words[slot + PacketWord.STATE] = state;
  words[slot + PacketWord.ZONE] = zone;
  words[slot + PacketWord.CONN] = 0;
  clearMarks(words, slot);
  writeTuple(
    words,
    slot,
    parsed,
    at + ParsedWord.META,
    at + ParsedWord.PORTS,
    at + ParsedWord.SRC,
    at + ParsedWord.SRC6,
  );
}

/** The verdict on a packet of the connection at word `r` of the records, with its mark, label and original tuple. */
export function writeConnected(
  words: Words,
  slot: number,
  records: Words,
  r: number,
  state: number,
  zone: number,
): void {
  words[slot + PacketWord.STATE] = state;
  words[slot + PacketWord.ZONE] = zone;
  readMarks(records, r, words, slot);
  if ((records[r + ConnWord.FLAGS]! & ConnFlag.RELATED_TO_PARENT) !== 0) {
    writeParentTuple(words, slot, records, r);
  } else {
    writeTuple(words, slot, records, r + ConnWord.META, r + ConnWord.PORTS, r + ConnWord.SRC, r + ConnWord.SRC6);
  }
}

/** The packets of a data connection carry the tuple of its control connection. */
export function writeParentTuple(words: Words, slot: number, records: Words, r: number): void {
  const src = r + ConnWord.PARENT_SRC;
  writeTuple(words, slot, records, r + ConnWord.PARENT_META, r + ConnWord.PARENT_PORTS, src, r + ConnWord.PARENT_SRC6);
}

/**
 * Writes the original tuple, from a key whose parts stand at these word indexes of `from`. Destination addresses follow
 * the sources.
 */
export function writeTuple(
  words: Words,
  slot: number,
  from: Int32Array,
  metaAt: number,
  portsAt: number,
  src: number,
  src6: number,
): void {
  const meta = from[metaAt]!;
  const protocol = metaProtocol(meta);
  if ((meta & META_IPV6) === 0) {
    words[slot + PacketWord.ORIG_PROTOCOL] = protocol;
    words[slot + PacketWord.ORIG_SRC] = from[src]!;
    words[slot + PacketWord.ORIG_DST] = from[src + 1]!;
    /* ICMP: the type replaces the source port, the code (always 0) the destination port. */
    words[slot + PacketWord.ORIG_PORTS] = protocol === Protocol.ICMP ? swapHalf(icmpTypeOf(meta)) : from[portsAt]!;
    return;
  }
  words[slot + PacketWord.ORIG_PROTOCOL] = protocol | ORIG_IPV6;
  for (let i = 0; i < 4; i++) {
    words[slot + PacketWord.ORIG_SRC + i] = from[src6 + i]!;
    words[slot + PacketWord.ORIG_DST + i] = from[src6 + 4 + i]!;
  }
  words[slot + PacketWord.ORIG_PORTS] = protocol === Protocol.ICMPV6 ? swapHalf(icmpTypeOf(meta)) : from[portsAt]!;
}

/** Copies the connection's mark and label to the packet. */
export function readMarks(records: Words, r: number, words: Words, slot: number): void {
  words[slot + PacketWord.MARK] = peek(records, r + ConnWord.MARK);
  if (peek(records, r + ConnWord.LABEL_SEQUENCE) === 0) {
    words[slot + PacketWord.LABEL] = 0;
    words[slot + PacketWord.LABEL + 1] = 0;
    words[slot + PacketWord.LABEL + 2] = 0;
    words[slot + PacketWord.LABEL + 3] = 0;
  } else {
    readLabel(records, r, words, slot);
  }
}

/** Sets mark and label of the connection as the action says, and copies them to the packet. */
export function applyMarks(
  records: Words,
  participant: Participant,
  words: Words,
  slot: number,
  r: number,
  action: CtAction,
): void {
  /* A data connection keeps the mark and label of its control connection. */
  if ((records[r + ConnWord.FLAGS]! & ConnFlag.RELATED_TO_PARENT) !== 0) {
    return;
  }
  if (action.hasMark) {
    applyMark(records, participant, words, slot, r, action);
  }
  if (action.hasLabel) {
    applyLabel(records, participant, words, slot, r, action);
  }
}

/**
 * Copies the label of a connection to `words[slot + PacketWord.LABEL...]`. If a thread is writing it, the copy is
 * repeated. After LABEL_TIMEOUT_MS the label is taken as it stands: the writer has died, and a repair would leave it
 * so, too.
 */
export function readLabel(records: Words, r: number, words: Int32Array, slot: number): void {
  if (peek(records, r + ConnWord.LABEL_SEQUENCE) === 0) {
    clearLabel(words, slot);
    return;
  }
  let isGivenUp = false;
  for (;;) {
    const sequence = load(records, r + ConnWord.LABEL_SEQUENCE);
    for (let i = 0; i < 4; i++) {
      words[slot + PacketWord.LABEL + i] = load(records, r + ConnWord.LABEL + i);
    }
    if ((sequence & 1) === 0 && load(records, r + ConnWord.LABEL_SEQUENCE) === sequence) {
      return;
    }
    if (isGivenUp) {
      if (sequence === FIRST_WRITE) {
        clearLabel(words, slot);
      }
      return;
    }
    isGivenUp = !waitForLabel(records, r, LABEL_TIMEOUT_MS);
  }
}

function clearLabel(words: Int32Array, slot: number): void {
  for (let i = 0; i < 4; i++) {
    words[slot + PacketWord.LABEL + i] = 0;
  }
}

/** Waits until the label is whole, for `timeoutMs` at most: its writer may have died. @returns whether it is whole */
export function waitForLabel(records: Words, r: number, timeoutMs: number): boolean {
  let deadline = 0;
  for (let polls = 1; (load(records, r + ConnWord.LABEL_SEQUENCE) & 1) !== 0; polls++) {
    if (polls % POLLS_PER_TIME === 0) {
      const nowMs = performance.now();
      if (deadline === 0) {
        deadline = nowMs + timeoutMs;
      } else if (nowMs >= deadline) {
        return false;
      }
    }
  }
  return true;
}

function applyMark(
  records: Words,
  participant: Participant,
  words: Words,
  slot: number,
  r: number,
  action: CtAction,
): void {
  lockConn(records, r, participant, LockSite.mark);
  /* Bits of the value outside the mask are kept, as Open vSwitch does. */
  const mark = action.markValue | (records[r + ConnWord.MARK]! & ~action.markMask);
  poke(records, r + ConnWord.MARK, mark);
  unlockConn(records, r);
  words[slot + PacketWord.MARK] = mark;
}

function applyLabel(
  records: Words,
  participant: Participant,
  words: Words,
  slot: number,
  r: number,
  action: CtAction,
): void {
  lockConn(records, r, participant, LockSite.label);
  const isSet = records[r + ConnWord.LABEL_SEQUENCE] !== 0;
  const sequence = records[r + ConnWord.LABEL_SEQUENCE]!;
  store(records, r + ConnWord.LABEL_SEQUENCE, sequence + 1);
  for (let i = 0; i < 4; i++) {
    const before = isSet ? records[r + ConnWord.LABEL + i]! : 0;
    const label = action.labelValue[i]! | (before & ~action.labelMask[i]!);
    store(records, r + ConnWord.LABEL + i, label);
    words[slot + PacketWord.LABEL + i] = label;
  }
  /* 0 means that the label was never set. */
  store(records, r + ConnWord.LABEL_SEQUENCE, (sequence + 2) | 0 || 2);
  unlockConn(records, r);
}
