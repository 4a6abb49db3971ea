/**
 * conntrackExecute: a batch of packets through the tracker.
 *
 * The batch goes in stages, so that the cache misses of its packets overlap instead of following each other:
 *
 *   1. parse all packets to keys, hash the keys
 *   2. touch their index lines
 *   3. search the lines, touch the records that they name
 *   4. one packet after another: confirm what was found, update or create, write the verdict
 *
 * Stages 1 to 3 only read what others may change, and what they find is a hint. Stage 4 asks again (still linked? dead?
 * a miss that an earlier packet of the batch filled?), so that the result is as if the packets had come one by one.
 *
 * Nothing is allocated, and nothing that a packet holds makes it throw. Arguments are checked by the caller (Conntrack.execute).
 */

import { CHECKED, load, peek, type Words } from '../shared/access.ts';
import { ParticipantWord } from '../shared/participant.ts';
import type { CtAction } from './action.ts';
import { afterUpdate, beforeUpdate, classifyByOriginal, handleControl, isForHelper } from './alg/control.ts';
import { helperOf, Opening, prepareOpening, writeExpected } from './alg/data-connection.ts';
import { obtain } from './checks.ts';
import { tellTime } from './clock.ts';
import { Counter } from './counters.ts';
import { createConn, CREATED } from './create.ts';
import { closeWhole, finishFragments, hasFragmentWork, openWhole, takeFragments } from './fragments/fragments.ts';
import { FragmentsWord } from './fragments/region.ts';
import { copyWords } from './fragments/store.ts';
import { hashParsed } from './key-hash.ts';
import { confirmHint, findConn, isLeftToRival } from './lookup.ts';
import { BY_ORIGINAL, findTranslated, UNCONNECTED } from './nat/recirculate.ts';
import { NAT_STATES, translatePacket } from './nat/translate.ts';
import { MAX_BATCH, type PacketBatch } from './packet/batch.ts';
import { metaProtocol, metaZone, PARSED_WORDS, ParsedKind, ParsedWord } from './packet/key.ts';
import { ChecksumBit, CtState, PacketWord, Protocol, RememberedBit } from './packet/layout.ts';
import { parseAny, parsePacket } from './packet/parse.ts';
import { isIcmp6Opening, isIcmpOpening } from './proto/datagram.ts';
import { isTcpOpening } from './proto/tcp-segment.ts';
import { Update } from './proto/update.ts';
import { killConn } from './remove.ts';
import {
  CONN_ALG,
  CONN_NAT,
  ConnFlag,
  ConnWord,
  LIFE_CLEANED,
  LIFE_GENERATION_SHIFT,
  RecordClass,
  UNIT_SHIFT,
} from './table/conn.ts';
import type { Tracker } from './tracker.ts';
import { updateConn } from './update-conn.ts';
import { applyMarks, readMarks, writeConnected, writeInvalid, writeUnconnected } from './verdict.ts';

/** A constant of this module, which V8 folds. */
const IS_CHECKED: boolean = CHECKED;

/**
 * Sends a batch through the tracker. Verdicts (state, zone, mark, label, original tuple) are written beside the
 * packets. The calling thread has entered an epoch (`tracker.enter()`); the end of the batch is a quiescent point.
 *
 * @param nowMs the time, in ms of any origin; never runs backwards by more than a few minutes
 */
export function conntrackExecute(tracker: Tracker, batch: PacketBatch, action: CtAction, nowMs: number): void {
  let count = batch.count;
  if (count > MAX_BATCH) {
    executeInParts(tracker, batch, action, nowMs);
    return;
  }
  tracker.counters[Counter.packets]! += count;
  const words = batch.words;
  const now = tellTime(tracker, nowMs);
  const serial = tracker.participant.base + ParticipantWord.BATCH;
  tracker.words[serial] = tracker.words[serial]! + 1;
  const fragments = parseAndHash(tracker, batch, action, count) | 0;
  if (fragments > 0) {
    count = takeFragments(tracker.fragments, batch, count, action, now, judgeFragment, tracker) | 0;
  }
  touchLines(tracker, count);
  const missing = touchRecords(tracker, action, count) | 0;
  const ahead = missing > 1 ? tracker.quota.pools.takeAhead(tracker.quota.pool, missing, tracker.participant) | 0 : 0;
  for (let i = 0; i < count; i++) {
    const at = i * PARSED_WORDS;
    const kind = tracker.scratch.parsed[at + ParsedWord.KIND]!;
    const slot = batch.slots[i]!;
    if (kind === ParsedKind.KEYED) {
      processPacket(tracker, words, slot, at, action, now);
    } else if (kind === ParsedKind.INVALID) {
      rejectPacket(tracker, words, slot, at, action);
    } else if (kind === ParsedKind.REMEMBERED) {
      processRemembered(tracker, words, slot, at, action, now);
    } else {
      processWhole(tracker, at, action, now);
    }
  }
  if (ahead > 0) {
    const { participant } = tracker;
    const left = tracker.words[participant.base + ParticipantWord.ROOM_AHEAD]!;
    tracker.quota.pools.endAhead(tracker.quota.pool, left, participant);
  }
  if (
    fragments > 0 ||
    (peek(tracker.fragments.words, FragmentsWord.LISTS) !== 0 && hasFragmentWork(tracker.fragments, now))
  ) {
    finishFragments(tracker.fragments, batch, count, fragments > 0, action.zone, now);
  }
  tracker.counters[Counter.batches]!++;
  tracker.quiesce();
}

/** Fragments that came back may be more than a batch takes: then it is as if they came in several. */
function executeInParts(tracker: Tracker, batch: PacketBatch, action: CtAction, nowMs: number): void {
  const { slots } = batch;
  const { inputs, returned } = tracker.fragments;
  const count = Math.min(batch.count, slots.length);
  copyWords(slots, 0, inputs, 0, count);
  let done = 0;
  for (let from = 0; from < count; from += MAX_BATCH) {
    const part = Math.min(MAX_BATCH, count - from);
    copyWords(inputs, from, slots, 0, part);
    batch.count = part;
    /* The other parts are to find room for what comes back of them. */
    tracker.fragments.room = slots.length - done - (count - from - part);
    conntrackExecute(tracker, batch, action, nowMs);
    copyWords(slots, 0, returned, done, batch.count);
    done += batch.count;
  }
  tracker.fragments.room = slots.length;
  copyWords(returned, 0, slots, 0, done);
  batch.count = done;
}

/** @returns how many fragments there are */
function parseAndHash(tracker: Tracker, batch: PacketBatch, action: CtAction, count: number): number {
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
        parsed[at + ParsedWord.HINT] = table.homeLine(hashParsed(tracker.keys, tracker.scratch.parsed, at) | 0);
      } else if (kind === ParsedKind.FRAGMENT) {
        fragments++;
      }
    }
    parsed[at + ParsedWord.KIND] = kind;
  }
  return fragments;
}

function touchLines(tracker: Tracker, count: number): void {
  const { words: shared } = tracker;
  const { parsed } = tracker.scratch;
  let sink = 0;
  for (let at = 0; at < count * PARSED_WORDS; at += PARSED_WORDS) {
    if (parsed[at + ParsedWord.KIND] === ParsedKind.KEYED) {
      sink ^= peek(shared, parsed[at + ParsedWord.HINT]!);
    }
  }
  tracker.scratch.sink = sink;
}

/** @returns how many packets may open a connection */
function touchRecords(tracker: Tracker, action: CtAction, count: number): number {
  const { table, words: shared } = tracker;
  const { parsed } = tracker.scratch;
  let sink = 0;
  let missing = 0;
  for (let at = 0; at < count * PARSED_WORDS; at += PARSED_WORDS) {
    if (parsed[at + ParsedWord.KIND] !== ParsedKind.KEYED) {
      continue;
    }
    const hash = parsed[at + ParsedWord.HASH]!;
    const line = parsed[at + ParsedWord.HINT]!;
    let hint = table.findHint(line, hash) | 0;
    if (hint === 0 && table.hasOverflow(line)) {
      hint = table.next(table.blockOf(hash), hash, 0) | 0;
    }
    parsed[at + ParsedWord.HINT] = hint;
    if (hint !== 0) {
      sink ^= peek(shared, peek(shared, hint) << UNIT_SHIFT);
    } else if (action.commit) {
      missing++;
      table.pullForWriting(hash, line);
    }
  }
  if (missing > 0) {
    sink ^= tracker.slab.touchNext(tracker.participant, RecordClass.ipv4, missing);
  }
  tracker.scratch.sink ^= sink;
  return missing;
}

/** The packet has no key. */
function rejectPacket(tracker: Tracker, words: Words, slot: number, at: number, action: CtAction): void {
  writeInvalid(words, slot, action.zone);
  const counters = tracker.counters;
  counters[Counter.invalid]!++;
  counters[Counter.unconnected]!++;
  const { parsed } = tracker.scratch;
  if (
    (words[slot + PacketWord.CHECKSUMS]! & (ChecksumBit.IP_BAD | ChecksumBit.L4_BAD)) !== 0 ||
    parsed[at + ParsedWord.BAD_ICMP_SUM] !== 0
  ) {
    counters[Counter.checksumErrors]!++;
    parsed[at + ParsedWord.BAD_ICMP_SUM] = 0;
  }
}

/** Was the connection that the packet remembers removed? Its record may be another connection's by now. */
function isGone(tracker: Tracker, words: Words, slot: number): boolean {
  const life = load(tracker.words, (words[slot + PacketWord.CONN]! << UNIT_SHIFT) + ConnWord.LIFE);
  return (life & LIFE_CLEANED) !== 0 || life >>> LIFE_GENERATION_SHIFT !== words[slot + PacketWord.CONN_GENERATION];
}

/** The packet is as if it had not met that connection, but for having been translated. */
function forget(words: Words, slot: number): void {
  words[slot + PacketWord.CONN] = 0;
  words[slot + PacketWord.STATE] = words[slot + PacketWord.STATE]! & (CtState.SNAT | CtState.DNAT);
}

/** Is nothing to be parsed, since the packet remembers its connection? */
function isRemembered(tracker: Tracker, words: Words, slot: number, action: CtAction): boolean {
  return words[slot + PacketWord.CONN] !== 0 && !action.force && remembers(tracker, words, slot, action);
}

/** Is the connection that the packet remembers still there, in this zone, and not one that a helper looks into? */
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

/** Parses and judges a packet in one go, fragments by their headers. */
function processAfresh(tracker: Tracker, words: Words, slot: number, at: number, action: CtAction, now: number): void {
  if (parseAny(words, slot, tracker.scratch.parsed, at, action.zone, false)) {
    hashParsed(tracker.keys, tracker.scratch.parsed, at);
    tracker.scratch.parsed[at + ParsedWord.HINT] = 0;
    processPacket(tracker, words, slot, at, action, now);
  } else {
    rejectPacket(tracker, words, slot, at, action);
  }
}

/** What a fragment is that reassembly does not take: a packet of its own, judged by its headers. @returns a ParsedKind */
function judgeFragment(tracker: Tracker, words: Words, slot: number, at: number, action: CtAction): number {
  const { table } = tracker;
  const { parsed } = tracker.scratch;
  if (isRemembered(tracker, words, slot, action)) {
    return ParsedKind.REMEMBERED;
  }
  if (!parseAny(words, slot, parsed, at, action.zone, false)) {
    return ParsedKind.INVALID;
  }
  parsed[at + ParsedWord.HINT] = table.homeLine(hashParsed(tracker.keys, tracker.scratch.parsed, at) | 0);
  return ParsedKind.KEYED;
}

/** The datagram that a fragment has completed, in place of the fragment. */
function processWhole(tracker: Tracker, at: number, action: CtAction, now: number): void {
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

/** A later pass of a packet whose connection is known: its state stays, the connection is not moved on. */
function processRemembered(
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

/** A later pass that translates: the packet then forgets its connection, as after any pass that does. */
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

/** Stage 4 for a packet with a key. */
function processPacket(tracker: Tracker, words: Words, slot: number, at: number, action: CtAction, now: number): void {
  const isRelated = tracker.scratch.parsed[at + ParsedWord.RELATED] !== 0;
  if (words[slot + PacketWord.CONN] !== 0 && isGone(tracker, words, slot)) {
    forget(words, slot);
  }
  /* A packet that enters another zone starts afresh. */
  let state = words[slot + PacketWord.ZONE] === action.zone ? words[slot + PacketWord.STATE]! : 0;

  /* Where a miss leads to creation, that looks once more under the lock: no need to search here. */
  const searchesAgain = action.commit && !isRelated && action.nat === null;
  let match = 0;
  let isByOriginal = false;
  if ((state & NAT_STATES) !== 0) {
    match = findTranslated(tracker, words, slot, at, action, now);
    if (match === UNCONNECTED) {
      leaveUnconnected(tracker, words, slot, at, action, state);
      return;
    }
    isByOriginal = (match & BY_ORIGINAL) !== 0;
    match &= ~BY_ORIGINAL;
  } else if (tracker.scratch.parsed[at + ParsedWord.HINT] !== 0) {
    match = confirmHint(tracker, at, now);
    if (match === 0) {
      match = findConn(tracker, at, now);
    }
  } else if (!searchesAgain) {
    match = findConn(tracker, at, now);
  }
  let record = match >>> 1;
  let reply = match & 1;
  if (record !== 0 && reply !== 0 && action.force && !isByOriginal) {
    if (cutByForce(tracker, words, slot, at, action, record, state, now)) {
      return;
    }
    record = 0;
  }

  /* What helpers have to do with the connection that the packet opens. */
  let opening = 0;
  let inheritedHelper = 0;
  /* Of the connection that was cut for a new one: Open vSwitch keeps that for the helper of the new one. */
  let cutReply = 0;
  for (;;) {
    if (record !== 0) {
      if (isRelated) {
        state |= reply !== 0 ? CtState.REL | CtState.RPL : CtState.REL;
        break;
      }
      const r = record << UNIT_SHIFT;
      const isAlg = (tracker.words[r + ConnWord.FLAGS]! & CONN_ALG) !== 0;
      if (isAlg) {
        state |= isByOriginal
          ? classifyByOriginal(tracker, words, slot, at, r, action) | 0
          : beforeUpdate(tracker, words, slot, at, r, reply, action) | 0;
      }
      const update = updateConn(tracker, words, at, record, reply, now);
      if (isAlg && update !== Update.NEW && !isByOriginal) {
        afterUpdate(tracker, words, slot, at, r, reply, action);
      }
      if (update === Update.VALID) {
        state = (state & ~CtState.NEW) | (reply !== 0 ? CtState.EST | CtState.RPL : CtState.EST);
        break;
      }
      if (update === Update.VALID_NEW) {
        state |= CtState.NEW;
        break;
      }
      if (update === Update.INVALID) {
        state = CtState.INV;
        break;
      }
      inheritedHelper = isByOriginal ? 0 : helperOf(tracker.words, r) | 0;
      killConn(tracker, record);
      if (isByOriginal ? findConn(tracker, at, now) !== 0 : isLeftToRival(tracker, record, at, now)) {
        leaveWithKilled(tracker, words, slot, at, action, record, reply, state);
        return;
      }
      isByOriginal = false;
      record = 0;
    } else if (isRelated) {
      /* An error about a connection that is not known opens none. */
      state = CtState.INV;
      break;
    }

    if (!opensConnection(tracker, words, at)) {
      /* Only now does it matter whether the hint was right that there is no such connection. */
      match = searchesAgain ? findConn(tracker, at, now) : 0;
      if (match === 0) {
        opening = prepareOpening(tracker, words, slot, at, action, inheritedHelper) | 0;
        state = CtState.INV;
        break;
      }
      record = match >>> 1;
      reply = match & 1;
      if (reply !== 0 && action.force) {
        if (cutByForce(tracker, words, slot, at, action, record, state, now)) {
          return;
        }
        record = 0;
      }
      continue;
    }
    opening = prepareOpening(tracker, words, slot, at, action, inheritedHelper) | 0;
    const openingState = (opening & Opening.EXPECTED) !== 0 ? CtState.NEW | CtState.REL : CtState.NEW;
    if (!action.commit) {
      state = openingState;
      break;
    }
    const made = createConn(tracker, words, at, action, now);
    if (made === 0 || (made & CREATED) !== 0) {
      record = made >>> 2;
      cutReply = reply;
      reply = 0;
      state = openingState;
      break;
    }
    record = made >>> 2;
    reply = (made >>> 1) & 1;
    if (reply !== 0 && action.force) {
      if (cutByForce(tracker, words, slot, at, action, record, state, now)) {
        return;
      }
      record = 0;
    }
  }

  if (record === 0) {
    endUnconnected(tracker, words, slot, at, action, state, opening);
    return;
  }
  if (action.nat !== null) {
    state = translatePacket(tracker, words, slot, at, record << UNIT_SHIFT, reply, state) | 0;
  }
  const remembered = (reply !== 0 ? RememberedBit.REPLY : 0) | (isRelated ? RememberedBit.RELATED : 0);
  endConnected(tracker, words, slot, at, action, record, state, remembered, reply | cutReply);
}

/** Writes the verdict on a packet of no connection. @param opening what prepareOpening said, or 0 */
function endUnconnected(
  tracker: Tracker,
  words: Words,
  slot: number,
  at: number,
  action: CtAction,
  state: number,
  opening: number,
): void {
  writeUnconnected(words, slot, tracker.scratch.parsed, at, state | CtState.TRK, action.zone);
  tracker.counters[Counter.unconnected]!++;
  if ((opening & Opening.EXPECTED) !== 0) {
    writeExpected(tracker, words, slot);
  }
  count(tracker, state);
}

/**
 * Writes the verdict on a packet of a connection, after its translation.
 * @param remembered RememberedBits @param direction for a helper: 1 in reply direction
 */
function endConnected(
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

/**
 * Kills the connection that a packet in reply direction has met with `force`.
 * @returns whether the packet is done: its tuple is a rival's, so it opens nothing
 */
function cutByForce(
  tracker: Tracker,
  words: Words,
  slot: number,
  at: number,
  action: CtAction,
  record: number,
  state: number,
  now: number,
): boolean {
  killConn(tracker, record);
  const isDone = tracker.scratch.parsed[at + ParsedWord.RELATED] === 0 && isLeftToRival(tracker, record, at, now);
  if (isDone) {
    leaveUnconnected(tracker, words, slot, at, action, state);
  }
  return isDone;
}

/** A packet whose tuple is somebody else's: it opens nothing, and has no connection. */
function leaveUnconnected(
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

/** A packet that has killed its connection to open it anew, but whose tuple is somebody else's: it keeps the dead one. */
function leaveWithKilled(
  tracker: Tracker,
  words: Words,
  slot: number,
  at: number,
  action: CtAction,
  record: number,
  reply: number,
  state: number,
): void {
  const remembered = reply !== 0 ? RememberedBit.REPLY : 0;
  endConnected(tracker, words, slot, at, action, record, state, remembered, reply);
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

/** May this packet open a connection? */
function opensConnection(tracker: Tracker, words: Words, at: number): boolean {
  const parsed = tracker.scratch.parsed;
  const l4 = parsed[at + ParsedWord.L4]!;
  switch (metaProtocol(parsed[at + ParsedWord.META]!)) {
    case Protocol.TCP:
      return isTcpOpening(words, l4);
    case Protocol.ICMP:
      return parsed[at + ParsedWord.L4_BYTES]! > 0 && isIcmpOpening(words[l4]! & 0xff);
    case Protocol.ICMPV6:
      return parsed[at + ParsedWord.L4_BYTES]! > 0 && isIcmp6Opening(words[l4]! & 0xff);
    default:
      return true;
  }
}
