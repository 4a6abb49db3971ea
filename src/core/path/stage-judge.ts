/**
 * Stage 4, for a packet with a key: finds its connection, updates or creates it, and decides the verdict.
 *
 *   judgePacket ---- found a connection ----> judgeKnown ---- updated it --------------> verdict
 *        |                                     |      ^
 *        |                     packet starts a |      | another thread
 *        |                      new connection v      | created it first
 *        +---------- found none -----------> judgeUnknown ---- created one, or none ---> verdict
 */

import type { Words } from '../../shared/access.ts';
import type { CtAction } from '../action.ts';
import { afterUpdate, beforeUpdate, classifyByOriginal } from '../alg/control.ts';
import { helperOf, Opening, prepareOpening } from '../alg/data-connection.ts';
import { createConn, CREATED } from '../lifecycle/create.ts';
import { confirmHint, findConn, isLeftToRival } from './lookup.ts';
import { BY_ORIGINAL, findTranslated, UNCONNECTED } from '../nat/recirculate.ts';
import { NAT_STATES, translatePacket } from '../nat/translate.ts';
import { metaProtocol, ParsedWord } from '../packet/key.ts';
import { CtState, PacketWord, Protocol, RememberedBit } from '../packet/layout.ts';
import { REASON_SHIFT, VerdictReason } from '../packet/reason.ts';
import { isIcmp6Opening, isIcmpOpening } from '../proto/datagram.ts';
import { areFlagsInvalid, flagsOf, isTcpOpening } from '../proto/tcp-segment.ts';
import { Update } from '../proto/update.ts';
import { forget, isGone } from './remembered.ts';
import { killConn } from '../lifecycle/remove.ts';
import { endConnected, endUnconnected, leaveUnconnected } from './stage-verdict.ts';
import { CONN_ALG, ConnWord, UNIT_SHIFT } from '../table/conn.ts';
import type { Tracker } from '../tracker.ts';
import { updateConn } from './update-conn.ts';

/** May the lookup be skipped? A miss leads to creation, and creation searches again under the lock. */
function searchesAtCreation(tracker: Tracker, at: number, action: CtAction): boolean {
  return action.commit && action.nat === null && tracker.scratch.parsed[at + ParsedWord.RELATED] === 0;
}

/** Judges the packet at `slot`, whose key stands at `parsed[at...]`. */
export function judgePacket(
  tracker: Tracker,
  words: Words,
  slot: number,
  at: number,
  action: CtAction,
  now: number,
): void {
  if (words[slot + PacketWord.CONN] !== 0 && isGone(tracker, words, slot)) {
    forget(words, slot);
  }
  /* A state from another zone does not count. */
  const state = words[slot + PacketWord.ZONE] === action.zone ? words[slot + PacketWord.STATE]! : 0;
  let match = 0;
  if ((state & NAT_STATES) !== 0) {
    match = findTranslated(tracker, words, slot, at, action, now) | 0;
    if (match === UNCONNECTED) {
      leaveUnconnected(tracker, words, slot, at, action, state);
      return;
    }
  } else if (tracker.scratch.parsed[at + ParsedWord.HINT] !== 0) {
    match = confirmHint(tracker, at, now) | 0;
    if (match === 0) {
      match = findConn(tracker, at, now) | 0;
    }
  } else if (!searchesAtCreation(tracker, at, action)) {
    match = findConn(tracker, at, now) | 0;
  }
  const record = (match & ~BY_ORIGINAL) >>> 1;
  const reply = match & 1;
  if (record !== 0) {
    if (reply === 0 || !action.force || (match & BY_ORIGINAL) !== 0) {
      judgeKnown(tracker, words, slot, at, action, match, state, now);
      return;
    }
    if (cutByForce(tracker, words, slot, at, action, record, state, now)) {
      return;
    }
  }
  judgeUnknown(tracker, words, slot, at, action, reply, 0, state, now);
}

/**
 * Judges a packet of a connection, which it updates.
 * @param match as in lookup.ts, perhaps with BY_ORIGINAL (nat/recirculate.ts)
 */
function judgeKnown(
  tracker: Tracker,
  words: Words,
  slot: number,
  at: number,
  action: CtAction,
  match: number,
  state: number,
  now: number,
): void {
  const isByOriginal = (match & BY_ORIGINAL) !== 0;
  const record = (match & ~BY_ORIGINAL) >>> 1;
  const reply = match & 1;
  if (tracker.scratch.parsed[at + ParsedWord.RELATED] !== 0) {
    const related = reply !== 0 ? CtState.REL | CtState.RPL : CtState.REL;
    endTranslated(tracker, words, slot, at, action, record, reply, reply, state | related, RememberedBit.RELATED);
    return;
  }
  const r = record << UNIT_SHIFT;
  const isAlg = (tracker.words[r + ConnWord.FLAGS]! & CONN_ALG) !== 0;
  if (isAlg) {
    state |= isByOriginal
      ? classifyByOriginal(tracker, words, slot, at, r, action) | 0
      : beforeUpdate(tracker, words, slot, at, r, reply, action) | 0;
  }
  let remembered = 0;
  const update = updateConn(tracker, words, at, record, reply, now) | 0;
  if (isAlg && update !== Update.NEW && !isByOriginal) {
    afterUpdate(tracker, words, slot, at, r, reply, action);
  }
  if (update === Update.VALID) {
    state = (state & ~CtState.NEW) | (reply !== 0 ? CtState.EST | CtState.RPL : CtState.EST);
  } else if (update === Update.VALID_NEW) {
    state |= CtState.NEW;
  } else if (update === Update.INVALID) {
    state = CtState.INV;
    remembered = tcpReason(tracker, words, at) << REASON_SHIFT;
  } else {
    openAnew(tracker, words, slot, at, action, match, state, now);
    return;
  }
  endTranslated(tracker, words, slot, at, action, record, reply, reply, state, remembered);
}

/** Why the update of a TCP connection refused the segment. */
function tcpReason(tracker: Tracker, words: Words, at: number): number {
  const flags = flagsOf(words, tracker.scratch.parsed[at + ParsedWord.L4]!);
  return areFlagsInvalid(flags) ? VerdictReason.TCP_FLAGS : VerdictReason.TCP_WINDOW;
}

/** The packet ends its connection and starts another one with the same tuple. @param match as in judgeKnown */
export function openAnew(
  tracker: Tracker,
  words: Words,
  slot: number,
  at: number,
  action: CtAction,
  match: number,
  state: number,
  now: number,
): void {
  const isByOriginal = (match & BY_ORIGINAL) !== 0;
  const record = (match & ~BY_ORIGINAL) >>> 1;
  const reply = match & 1;
  /* Open vSwitch passes the helper on to the new connection. */
  const helper = isByOriginal ? 0 : helperOf(tracker.words, record << UNIT_SHIFT) | 0;
  killConn(tracker, record);
  if (isByOriginal ? findConn(tracker, at, now) !== 0 : isLeftToRival(tracker, record, at, now)) {
    /* Another connection holds the tuple. The packet gets a verdict of the dead connection, as in Open vSwitch. */
    const remembered = reply !== 0 ? RememberedBit.REPLY : 0;
    endConnected(tracker, words, slot, at, action, record, state, remembered, reply);
    return;
  }
  judgeUnknown(tracker, words, slot, at, action, reply, helper, state, now);
}

/**
 * Judges a packet without a connection. The packet creates one if it may.
 * @param cutReply 1: the packet has ended a connection with `force`, in reply direction; helpers see that direction
 * @param inherited the helper of the connection that the packet has ended (helperOf), or 0
 */
export function judgeUnknown(
  tracker: Tracker,
  words: Words,
  slot: number,
  at: number,
  action: CtAction,
  cutReply: number,
  inherited: number,
  state: number,
  now: number,
): void {
  if (tracker.scratch.parsed[at + ParsedWord.RELATED] !== 0) {
    /* An ICMP error never creates a connection. */
    endUnconnected(tracker, words, slot, at, action, CtState.INV, 0);
    return;
  }
  for (;;) {
    let match: number;
    if (opensConnection(tracker, words, at)) {
      const opening = prepareOpening(tracker, words, slot, at, action, inherited) | 0;
      const opened = (opening & Opening.EXPECTED) !== 0 ? CtState.NEW | CtState.REL : CtState.NEW;
      const made = action.commit ? createConn(tracker, words, at, action, now) | 0 : 0;
      if (made === 0) {
        endUnconnected(tracker, words, slot, at, action, opened, opening);
        return;
      }
      if ((made & CREATED) !== 0) {
        endTranslated(tracker, words, slot, at, action, made >>> 2, 0, cutReply, opened, 0);
        return;
      }
      match = made >>> 1;
    } else {
      /* The lookup was skipped for this packet, so search now. */
      match = searchesAtCreation(tracker, at, action) ? findConn(tracker, at, now) | 0 : 0;
      if (match === 0) {
        const opening = prepareOpening(tracker, words, slot, at, action, inherited) | 0;
        endUnconnected(tracker, words, slot, at, action, CtState.INV, opening);
        return;
      }
    }
    if ((match & 1) === 0 || !action.force) {
      judgeKnown(tracker, words, slot, at, action, match, state, now);
      return;
    }
    if (cutByForce(tracker, words, slot, at, action, match >>> 1, state, now)) {
      return;
    }
    cutReply = 1;
  }
}

/**
 * Translates a packet of a connection, and writes its verdict.
 * @param direction the direction that helpers see: 1 for the reply direction
 * @param remembered RememberedBits without the direction's, and the reason if the packet is invalid (packet/reason.ts)
 */
function endTranslated(
  tracker: Tracker,
  words: Words,
  slot: number,
  at: number,
  action: CtAction,
  record: number,
  reply: number,
  direction: number,
  state: number,
  remembered: number,
): void {
  if (action.nat !== null) {
    state = translatePacket(tracker, words, slot, at, record << UNIT_SHIFT, reply, state) | 0;
  }
  const bits = remembered | (reply !== 0 ? RememberedBit.REPLY : 0);
  endConnected(tracker, words, slot, at, action, record, state, bits, direction);
}

/**
 * Kills the connection that a packet with `force` met in reply direction.
 * @returns whether the packet is done: a rival holds its tuple, so it creates no connection
 */
export function cutByForce(
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

/** May this packet create a connection? */
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
