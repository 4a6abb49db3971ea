/** Creation of connections with helpers, and of connections that helpers expect. */

import { peek, type Words } from '../../shared/access.ts';
import type { CtAction } from '../action.ts';
import { hashParsed } from '../path/key-hash.ts';
import { linkTranslated, turnKey } from '../nat/link.ts';
import { NoteWord, SCRATCH_AT } from '../packet/batch-scratch.ts';
import { META_IPV6, metaProtocol, ParsedWord } from '../packet/key.ts';
import { PacketWord, Protocol } from '../packet/layout.ts';
import {
  ConnFlag,
  ConnWord,
  HELPER_KIND_MASK,
  HELPER_KIND_SHIFT,
  HELPER_NAME_MASK,
  UNIT_SHIFT,
} from '../table/conn.ts';
import type { Tracker } from '../tracker.ts';
import { writeTuple } from '../path/verdict.ts';
import { writeAddress } from './clean.ts';
import { EntryWord } from './expectation-layout.ts';
import { HelperKind } from './helper-names.ts';

/** Bits of NoteWord.OPENING. */
export const Opening = {
  /** The connection is expected: `Alg.entry` is the expectation. */
  EXPECTED: 1,
  /** The connection gets the helper `Alg.openingHelper`. */
  HELPER: 2,
} as const;

/** Ports of the protocols with helpers, in network order. */
const FTP_PORT = 0x1500;
const TFTP_PORT = 0x4500;

/**
 * Which helper reads a packet. FTP: one of its ports or the helper's name says so, in either direction. TFTP: the name
 * says so, or the packet goes to the server's port.
 * @param helperKind the kind that the helper's name has
 * @param ports as in a key: the source port in the low half
 * @returns a HelperKind
 */
export function packetKindOf(helperKind: number, protocol: number, ports: number): number {
  if (protocol === Protocol.TCP) {
    const isFtp = helperKind === HelperKind.ftp || (ports & 0xffff) === FTP_PORT || ports >>> 16 === FTP_PORT;
    return isFtp ? HelperKind.ftp : HelperKind.none;
  }
  if (protocol === Protocol.UDP) {
    return helperKind === HelperKind.tftp || ports >>> 16 === TFTP_PORT ? HelperKind.tftp : HelperKind.none;
  }
  return HelperKind.none;
}

/** The helper of a connection (name and kind, as in ConnWord.HELPER); 0 without one. */
export function helperOf(records: Words, r: number): number {
  return (records[r + ConnWord.FLAGS]! & ConnFlag.HELPER) === 0
    ? 0
    : records[r + ConnWord.HELPER]! & (HELPER_NAME_MASK | HELPER_KIND_MASK);
}

/**
 * Finds the expectation and the helper of the connection that the packet at `parsed[at...]` is about to create.
 * createConn and the verdict use the result.
 * @param inherited the helper of the connection that this one replaces (helperOf), or 0. The helper of the connection
 * that the packet remembers (of another zone, or killed by force) takes precedence
 * @returns Opening bits, also in `NoteWord.OPENING`
 */
export function prepareOpening(
  tracker: Tracker,
  words: Words,
  slot: number,
  at: number,
  action: CtAction,
  inherited: number,
): number {
  const { alg } = tracker;
  const remembered = words[slot + PacketWord.CONN]!;
  if (!action.hasHelper && (inherited | remembered) === 0 && peek(tracker.words, alg.expectations.count) === 0) {
    tracker.scratch.notes[NoteWord.OPENING] = 0;
    return 0;
  }
  return prepareSpecial(tracker, words, slot, at, action, inherited);
}

/** The rest of prepareOpening: a helper may have to do with the connection. */
export function prepareSpecial(
  tracker: Tracker,
  words: Words,
  slot: number,
  at: number,
  action: CtAction,
  given: number,
): number {
  const { alg, participant } = tracker;
  const remembered = words[slot + PacketWord.CONN]!;
  /*
   * The remembered connection was there when this packet's turn came, so no other connection gets its record in this
   * epoch.
   */
  const known = remembered === 0 ? 0 : helperOf(tracker.words, remembered << UNIT_SHIFT);
  const inherited = known !== 0 ? known : given;
  const { parsed } = tracker.scratch;
  let opening =
    peek(tracker.words, alg.expectations.count) !== 0 && findExpectation(tracker, at) ? Opening.EXPECTED : 0;

  const helperKind = action.hasHelper ? action.helperKind : inherited >>> HELPER_KIND_SHIFT;
  const protocol = metaProtocol(parsed[at + ParsedWord.META]!);
  const packetKind = packetKindOf(helperKind, protocol, words[parsed[at + ParsedWord.L4]!]!);
  alg.packetKind = packetKind;
  /* If a helper would act, the name must be its own; else any name is stored. */
  if (action.commit && (packetKind === HelperKind.none || packetKind === helperKind)) {
    let helper = inherited;
    if (action.hasHelper) {
      const number = alg.names.numberOf(action.helperName, participant);
      helper = number === 0 ? 0 : number | (helperKind << HELPER_KIND_SHIFT);
    }
    if (helper !== 0) {
      alg.openingHelper = helper;
      opening |= Opening.HELPER;
    }
  }
  tracker.scratch.notes[NoteWord.OPENING] = opening;
  return opening;
}

/** Finds the expectation of the key at `parsed[at...]`, with any source port, and copies it into `Alg.entry`. */
function findExpectation(tracker: Tracker, at: number): boolean {
  const { alg, participant } = tracker;
  const { parsed } = tracker.scratch;
  const { entry } = alg;
  const meta = parsed[at + ParsedWord.META]!;
  const isIpv6 = (meta & META_IPV6) !== 0;
  entry[EntryWord.META] = meta;
  entry[EntryWord.PORTS] = parsed[at + ParsedWord.PORTS]! & 0xffff0000;
  writeAddress(parsed, at + (isIpv6 ? ParsedWord.SRC6 : ParsedWord.SRC), entry, EntryWord.SRC, isIpv6);
  writeAddress(parsed, at + (isIpv6 ? ParsedWord.DST6 : ParsedWord.DST), entry, EntryWord.DST, isIpv6);
  hashEntry(tracker);
  return alg.expectations.find(entry, participant);
}

/** Writes the hash of the entry's key. Overwrites SCRATCH_AT. */
export function hashEntry(tracker: Tracker): void {
  const { parsed } = tracker.scratch;
  const { entry } = tracker.alg;
  const isIpv6 = (entry[EntryWord.META]! & META_IPV6) !== 0;
  parsed[SCRATCH_AT + ParsedWord.META] = entry[EntryWord.META]!;
  parsed[SCRATCH_AT + ParsedWord.PORTS] = entry[EntryWord.PORTS]!;
  const src = SCRATCH_AT + (isIpv6 ? ParsedWord.SRC6 : ParsedWord.SRC);
  const dst = SCRATCH_AT + (isIpv6 ? ParsedWord.DST6 : ParsedWord.DST);
  for (let i = 0; i < (isIpv6 ? 4 : 1); i++) {
    parsed[src + i] = entry[EntryWord.SRC + i]!;
    parsed[dst + i] = entry[EntryWord.DST + i]!;
  }
  entry[EntryWord.HASH] = hashParsed(tracker.keys, tracker.scratch.parsed, SCRATCH_AT) | 0;
}

/** Writes the results of `prepareOpening` into a record that is not linked yet. */
export function fillOpening(tracker: Tracker, r: number): void {
  const { words: records, alg } = tracker;
  const { entry } = alg;
  const opening = tracker.scratch.notes[NoteWord.OPENING]!;
  if ((opening & Opening.HELPER) !== 0) {
    records[r + ConnWord.FLAGS]! |= ConnFlag.HELPER;
    records[r + ConnWord.HELPER] = alg.openingHelper;
    records[r + ConnWord.SEQ_ADJ] = 0;
  }
  if ((opening & Opening.EXPECTED) === 0) {
    return;
  }
  const meta = entry[EntryWord.META]!;
  const isIpv6 = (meta & META_IPV6) !== 0;
  records[r + ConnWord.FLAGS]! |= isIpv6 ? ConnFlag.RELATED_TO_PARENT : ConnFlag.RELATED_TO_PARENT | ConnFlag.TWO_UNITS;
  records[r + ConnWord.PARENT_META] = meta;
  records[r + ConnWord.PARENT_PORTS] = entry[EntryWord.PARENT_PORTS]!;
  if (isIpv6) {
    writeAddress(entry, EntryWord.PARENT_SRC, records, r + ConnWord.PARENT_SRC6, true);
    writeAddress(entry, EntryWord.PARENT_DST, records, r + ConnWord.PARENT_DST6, true);
  } else {
    records[r + ConnWord.PARENT_SRC] = entry[EntryWord.PARENT_SRC]!;
    records[r + ConnWord.PARENT_DST] = entry[EntryWord.PARENT_DST]!;
  }
  records[r + ConnWord.MARK] = entry[EntryWord.MARK]!;
  let bits = 0;
  for (let i = 0; i < 4; i++) {
    const word = entry[EntryWord.LABEL + i]!;
    records[r + ConnWord.LABEL + i] = word;
    bits |= word;
  }
  /* Even and not 0: the label was set. */
  records[r + ConnWord.LABEL_SEQUENCE] = bits !== 0 ? 2 : 0;
}

/**
 * Links the complete record of a data connection in a pass that translates. It is translated as its control connection
 * is; the range of the pass does not matter.
 * @returns as linkTranslated
 */
export function linkExpected(tracker: Tracker, record: number, at: number, now: number): number {
  const { alg } = tracker;
  const { parsed } = tracker.scratch;
  const { entry } = alg;
  const isIpv6 = (entry[EntryWord.META]! & META_IPV6) !== 0;
  const kind = entry[EntryWord.NAT_KIND]!;
  turnKey(tracker, at);
  let word: number;
  if (kind === ConnFlag.SNAT) {
    word = SCRATCH_AT + (isIpv6 ? ParsedWord.DST6 : ParsedWord.DST);
  } else {
    word = SCRATCH_AT + (isIpv6 ? ParsedWord.SRC6 : ParsedWord.SRC);
  }
  for (let i = 0; i < (isIpv6 ? 4 : 1); i++) {
    parsed[word + i] = entry[EntryWord.NAT_ADDRESS + i]!;
  }
  hashParsed(tracker.keys, tracker.scratch.parsed, SCRATCH_AT);
  return linkTranslated(tracker, record, at, kind, now);
}

/**
 * Writes the verdict of an expected packet that created no connection: mark, label and tuple of the control connection.
 */
export function writeExpected(tracker: Tracker, words: Words, slot: number): void {
  const { entry } = tracker.alg;
  words[slot + PacketWord.MARK] = entry[EntryWord.MARK]!;
  for (let i = 0; i < 4; i++) {
    words[slot + PacketWord.LABEL + i] = entry[EntryWord.LABEL + i]!;
  }
  /* In an entry the IPv4 destination does not directly follow the source. */
  const isIpv6 = (entry[EntryWord.META]! & META_IPV6) !== 0;
  const src = EntryWord.PARENT_SRC;
  writeTuple(words, slot, entry, EntryWord.META, EntryWord.PARENT_PORTS, src, src);
  if (!isIpv6) {
    words[slot + PacketWord.ORIG_DST] = entry[EntryWord.PARENT_DST]!;
  }
}
