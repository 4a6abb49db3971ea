/**
 * Packets of connections with a helper. A message that names an endpoint becomes an expectation. With NAT the address
 * in the message is translated. If that changed the length of the stream earlier, sequence numbers are adjusted. The
 * TCP state machine works with the numbers of the end whose payload grows.
 */

import { areSameWords } from '../../shared/memory/word-runs.ts';
import { CHECKED, peek, type Words } from '../../shared/access.ts';
import { LockSite } from '../../shared/sync/lock-sites.ts';
import type { CtAction } from '../action.ts';
import { assertReference } from '../table/reference-checks.ts';
import { Counter } from '../counters.ts';
import { META_IPV6, metaProtocol, ParsedWord } from '../packet/key.ts';
import { CtState, PacketWord, RememberedBit, swapHalf, swapPorts } from '../packet/layout.ts';
import { lockConn, unlockConn } from '../table/conn-lock.ts';
import { CONN_NAT, ConnFlag, ConnWord, HELPER_KIND_SHIFT, UNIT_SHIFT } from '../table/conn.ts';
import type { Tracker } from '../tracker.ts';
import { writeIpv4Text, writeIpv6Text } from './address-text.ts';
import { writeAddress, writeParent } from './clean.ts';
import { hashEntry, helperOf, packetKindOf } from './data-connection.ts';
import { EntryWord } from './expectation-layout.ts';
import { Added } from './expectations.ts';
import type { FtpMessage } from './ftp.ts';
import { HelperKind } from './helper-names.ts';
import { finishTcp, NO_SPACE, replaceInPayload, tcpHeaderBytes } from './payload.ts';
import { shiftNumbers, adjustBy } from './sequence.ts';

/**
 * Which helper reads this packet? The result is also noted in `Alg.packetKind`. The helper of the pass comes first.
 * Then comes that of the connection that the packet remembers (of another zone, or killed by force). `found`, the
 * helper of the packet's own connection (as from helperOf), comes last.
 * @returns a HelperKind
 */
function classify(tracker: Tracker, words: Words, slot: number, at: number, found: number, action: CtAction): number {
  const { alg } = tracker;
  const { parsed } = tracker.scratch;
  let { helperKind } = action;
  if (!action.hasHelper) {
    const remembered = words[slot + PacketWord.CONN]!;
    const known = remembered === 0 ? 0 : helperOf(tracker.words, remembered << UNIT_SHIFT);
    helperKind = (known !== 0 ? known : found) >>> HELPER_KIND_SHIFT;
  }
  const protocol = metaProtocol(parsed[at + ParsedWord.META]!);
  alg.packetKind = packetKindOf(helperKind, protocol, words[parsed[at + ParsedWord.L4]!]!);
  return alg.packetKind;
}

/**
 * Does a helper read this packet? It remembers its connection and is not parsed yet. Its ports are those of the
 * connection's key of its direction; if it was translated, those of the reversed key of the other direction.
 */
export function isForHelper(records: Words, words: Words, slot: number, action: CtAction): boolean {
  const r = words[slot + PacketWord.CONN]! << UNIT_SHIFT;
  const flags = records[r + ConnWord.FLAGS]!;
  const isReply = (words[slot + PacketWord.CONN_FLAGS]! & RememberedBit.REPLY) !== 0;
  let ports = isReply ? swapPorts(records[r + ConnWord.PORTS]!) : records[r + ConnWord.PORTS]!;
  if ((flags & CONN_NAT) !== 0) {
    const isTranslated = (words[slot + PacketWord.STATE]! & (CtState.SNAT | CtState.DNAT)) !== 0;
    if (isTranslated !== isReply) {
      ports = isReply ? records[r + ConnWord.REV_PORTS]! : swapPorts(records[r + ConnWord.REV_PORTS]!);
    }
  }
  const helperKind = action.hasHelper ? action.helperKind : helperOf(records, r) >>> HELPER_KIND_SHIFT;
  return packetKindOf(helperKind, metaProtocol(records[r + ConnWord.META]!), ports) !== HelperKind.none;
}

/** Reads the payload of the packet into `Alg.message`. @returns whether the message may name an endpoint */
function takeMessage(tracker: Tracker, words: Words, at: number): boolean {
  const { alg } = tracker;
  const { parsed } = tracker.scratch;
  const l4 = parsed[at + ParsedWord.L4]!;
  const headerBytes = tcpHeaderBytes(words, l4);
  const isIpv6 = (parsed[at + ParsedWord.META]! & META_IPV6) !== 0;
  return alg.message.take(words, l4 * 4 + headerBytes, parsed[at + ParsedWord.L4_BYTES]! - headerBytes, isIpv6);
}

/**
 * Replaces beforeUpdate for a connection that was found by the packet's original tuple: its helper does not count.
 * @returns state flags to add
 */
export function classifyByOriginal(
  tracker: Tracker,
  words: Words,
  slot: number,
  at: number,
  r: number,
  action: CtAction,
): number {
  classify(tracker, words, slot, at, 0, action);
  return (tracker.words[r + ConnWord.FLAGS]! & ConnFlag.RELATED_TO_PARENT) !== 0 ? CtState.REL : 0;
}

/**
 * Call before a packet updates a connection with CONN_ALG. Subtracts the growth of the other end's payload from the
 * acknowledgement number.
 * @returns state flags to add
 */
export function beforeUpdate(
  tracker: Tracker,
  words: Words,
  slot: number,
  at: number,
  r: number,
  reply: number,
  action: CtAction,
): number {
  const records = tracker.words;
  const flags = records[r + ConnWord.FLAGS]!;
  if (
    (flags & ConnFlag.HELPER) !== 0 &&
    classify(tracker, words, slot, at, helperOf(records, r), action) === HelperKind.ftp
  ) {
    if (action.nat !== null && peek(records, r + ConnWord.SEQ_ADJ) !== 0 && !takeMessage(tracker, words, at)) {
      shiftNumbers(tracker, words, slot, at, r, reply, false);
    }
  }
  return (flags & ConnFlag.RELATED_TO_PARENT) !== 0 ? CtState.REL : 0;
}

/** Call after the update. Adds the growth of the sender's payload to the sequence number. */
export function afterUpdate(
  tracker: Tracker,
  words: Words,
  slot: number,
  at: number,
  r: number,
  reply: number,
  action: CtAction,
): void {
  const records = tracker.words;
  if (
    action.nat !== null &&
    (records[r + ConnWord.FLAGS]! & ConnFlag.HELPER) !== 0 &&
    tracker.alg.packetKind === HelperKind.ftp &&
    peek(records, r + ConnWord.SEQ_ADJ) !== 0 &&
    !takeMessage(tracker, words, at)
  ) {
    shiftNumbers(tracker, words, slot, at, r, reply, true);
  }
}

/**
 * The last step for a packet of a connection with a helper: its verdict is written, and it is translated.
 * @returns the packet's state; with INV if its message makes no sense
 */
export function handleControl(
  tracker: Tracker,
  words: Words,
  slot: number,
  at: number,
  r: number,
  reply: number,
  action: CtAction,
  state: number,
): number {
  const { alg } = tracker;
  if (alg.packetKind === HelperKind.none || tracker.scratch.parsed[at + ParsedWord.RELATED] !== 0) {
    return state;
  }
  if (alg.packetKind === HelperKind.tftp) {
    expect(tracker, r, state, tracker.words[r + ConnWord.PORTS]! & 0xffff);
    return state;
  }
  if (!takeMessage(tracker, words, at)) {
    return state;
  }
  const { message } = alg;
  if (!message.parse() || !isOwnAddress(tracker, r, message)) {
    return refuse(words, slot, state);
  }
  if (action.nat !== null) {
    const growth = rewrite(tracker, words, slot, at, r) | 0;
    if (growth === NO_SPACE) {
      tracker.counters[Counter.ftpNoRoom]!++;
      return refuse(words, slot, state);
    }
    adjustBy(tracker, words, at, r, reply, growth);
    finishTcp(words, slot, tracker.scratch.parsed, at);
  }
  expect(tracker, r, state, swapHalf(message.port));
  return state;
}

function refuse(words: Words, slot: number, state: number): number {
  words[slot + PacketWord.STATE]! |= CtState.INV;
  return state | CtState.INV;
}

/** The word of the record at which an address of the key starts. */
function addressAt(r: number, isIpv6: boolean, isSource: boolean): number {
  if (isIpv6) {
    return r + (isSource ? ConnWord.SRC6 : ConnWord.DST6);
  }
  return r + (isSource ? ConnWord.SRC : ConnWord.DST);
}

function reverseAddressAt(records: Words, r: number, isIpv6: boolean, isSource: boolean): number {
  if ((records[r + ConnWord.FLAGS]! & CONN_NAT) === 0) {
    return addressAt(r, isIpv6, !isSource);
  }
  if (isIpv6) {
    return r + (isSource ? ConnWord.REV_SRC6 : ConnWord.REV_DST6);
  }
  return r + (isSource ? ConnWord.REV_SRC : ConnWord.REV_DST);
}

/**
 * Does the message name the end that sent it, by either of its addresses? Any other address would let anybody open
 * holes to a third party ("FTP bounce").
 */
function isOwnAddress(tracker: Tracker, r: number, message: FtpMessage): boolean {
  if (message.addressBytes === 0) {
    return true;
  }
  const records = tracker.words;
  const isIpv6 = (records[r + ConnWord.META]! & META_IPV6) !== 0;
  const count = isIpv6 ? 4 : 1;
  const isClient = message.isActive;
  const { address } = message;
  return (
    areSameWords(records, addressAt(r, isIpv6, isClient), address, 0, count) ||
    areSameWords(records, reverseAddressAt(records, r, isIpv6, !isClient), address, 0, count)
  );
}

/** Replaces the address in the message by the one that the other end knows. @returns as replaceInPayload */
function rewrite(tracker: Tracker, words: Words, slot: number, at: number, r: number): number {
  const { words: records, alg } = tracker;
  const { parsed } = tracker.scratch;
  const { message, text } = alg;
  if (message.addressBytes === 0) {
    return 0;
  }
  const isIpv6 = (records[r + ConnWord.META]! & META_IPV6) !== 0;
  const known = message.isActive ? reverseAddressAt(records, r, isIpv6, false) : addressAt(r, isIpv6, false);
  const bytes = isIpv6
    ? writeIpv6Text(text, 0, records, known, true)
    : writeIpv4Text(text, 0, records[known]!, message.separator);
  return replaceInPayload(words, slot, parsed, at, message.addressAt, message.addressBytes, text, bytes);
}

/**
 * Adds the expectation of a data connection to `port` (network order) of the end that sent the message, from the other
 * end. A packet counts as a reply only if its verdict says so.
 */
function expect(tracker: Tracker, r: number, state: number, port: number): void {
  const { words: records, alg, participant, counters } = tracker;
  const { entry } = alg;
  const flags = records[r + ConnWord.FLAGS]!;
  const meta = records[r + ConnWord.META]!;
  const isIpv6 = (meta & META_IPV6) !== 0;
  const isReply = (state & CtState.RPL) !== 0;
  const isDnat = (flags & ConnFlag.DNAT) !== 0;

  if (CHECKED) {
    assertReference(tracker.checks, r >>> UNIT_SHIFT);
  }
  writeParent(records, r, entry);
  entry[EntryWord.PORTS] = port << 16;
  const src = isReply ? addressAt(r, isIpv6, true) : reverseAddressAt(records, r, isIpv6, true);
  const dst = isReply ? addressAt(r, isIpv6, false) : reverseAddressAt(records, r, isIpv6, false);
  writeAddress(records, src, entry, EntryWord.SRC, isIpv6);
  writeAddress(records, dst, entry, EntryWord.DST, isIpv6);

  /* The same end is translated as in the control connection, seen from the end that opens the data connection. */
  let translated: number;
  if (isReply) {
    translated = reverseAddressAt(records, r, isIpv6, isDnat);
  } else {
    translated = addressAt(r, isIpv6, !isDnat);
  }
  entry[EntryWord.NAT_KIND] = isReply === isDnat ? ConnFlag.DNAT : ConnFlag.SNAT;
  writeAddress(records, translated, entry, EntryWord.NAT_ADDRESS, isIpv6);

  lockConn(records, r, participant, LockSite.helperExpect);
  entry[EntryWord.MARK] = records[r + ConnWord.MARK]!;
  const isLabelled = records[r + ConnWord.LABEL_SEQUENCE] !== 0;
  for (let i = 0; i < 4; i++) {
    entry[EntryWord.LABEL + i] = isLabelled ? records[r + ConnWord.LABEL + i]! : 0;
  }
  unlockConn(records, r);
  hashEntry(tracker);
  const outcome = alg.expectations.add(entry, participant) | 0;
  if (outcome === Added.done) {
    counters[Counter.expectationsAdded]!++;
  } else if (outcome === Added.full) {
    counters[Counter.expectationsRefused]!++;
  }
}
