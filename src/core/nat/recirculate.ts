/**
 * Finds the connection of a packet that an earlier pass through the same zone translated, and that does not remember
 * its connection. The packet's key is not a key of either direction.
 */

import { hashParsed } from '../path/key-hash.ts';
import { findConn } from '../path/lookup.ts';
import { SCRATCH_AT } from '../packet/batch-scratch.ts';
import { icmp6Meta, icmpMeta, META_IPV6, metaProtocol, ParsedWord, reverseMeta } from '../packet/key.ts';
import { ORIG_IPV6, PacketWord, Protocol, swapHalf, swapPorts } from '../packet/layout.ts';
import { killConn } from '../lifecycle/remove.ts';
import { CONN_NAT, ConnWord, UNIT_SHIFT } from '../table/conn.ts';
import type { Tracker } from '../tracker.ts';
import type { CtAction } from '../action.ts';
import { turnKey } from './link.ts';

/** Result of findTranslated: the packet has no connection and creates none. */
export const UNCONNECTED = -1;
/**
 * In a match of findTranslated: the connection has the packet's original tuple, but was not found by the packet's own
 * key. As in Open vSwitch, no helper reads the packet then, and the packet is not translated.
 */
export const BY_ORIGINAL: number = 1 << 28;

/**
 * The match of a packet that was translated before. The reverse of its key is the key of its replies, so that key is
 * searched. The packet travels in the other direction of the match, and `parsed[at...]` becomes the connection's key of
 * the packet's direction.
 *
 * If that connection is gone, another connection may have the packet's original tuple. A pass that does not translate
 * searches it. The direction is that of the first match, also if `force` has killed the connection of that match.
 * @returns a match as in lookup.ts, with record 0 if there is none, perhaps with BY_ORIGINAL; or UNCONNECTED if another
 * connection holds the packet's translated key
 */
export function findTranslated(
  tracker: Tracker,
  words: Int32Array,
  slot: number,
  at: number,
  action: CtAction,
  now: number,
): number {
  turnKey(tracker, at);
  const match = findConn(tracker, SCRATCH_AT, now) ^ 1;
  const record = match >>> 1;
  let reply = 0;
  if (record !== 0) {
    takeKey(tracker, at, record << UNIT_SHIFT, match & 1);
    if ((match & 1) === 0 || !action.force) {
      return match;
    }
    killConn(tracker, record);
    reply = 1;
  }
  if (action.nat === null && hasOriginalTuple(tracker, words, slot, at)) {
    const replacement = findOriginal(tracker, words, slot, at, now);
    if (replacement !== 0) {
      return replacement | reply | BY_ORIGINAL;
    }
  }
  const isRelated = tracker.scratch.parsed[at + ParsedWord.RELATED] !== 0;
  return !isRelated && findConn(tracker, at, now) !== 0 ? UNCONNECTED : reply;
}

/** Replaces the key at `parsed[at...]` by the key of a direction of the connection at word `r`. */
function takeKey(tracker: Tracker, at: number, r: number, reply: number): void {
  const { words: records } = tracker;
  const { parsed } = tracker.scratch;
  const meta = records[r + ConnWord.META]!;
  const isNat = (records[r + ConnWord.FLAGS]! & CONN_NAT) !== 0;
  const isIpv6 = (meta & META_IPV6) !== 0;
  parsed[at + ParsedWord.META] = reply === 0 ? meta : reverseMeta(meta);
  let src: number;
  let dst: number;
  if (reply !== 0 && isNat) {
    parsed[at + ParsedWord.PORTS] = records[r + ConnWord.REV_PORTS]!;
    parsed[at + ParsedWord.HASH] = records[r + ConnWord.REV_HASH]!;
    src = r + (isIpv6 ? ConnWord.REV_SRC6 : ConnWord.REV_SRC);
    dst = r + (isIpv6 ? ConnWord.REV_DST6 : ConnWord.REV_DST);
  } else {
    const ports = records[r + ConnWord.PORTS]!;
    parsed[at + ParsedWord.PORTS] = reply === 0 ? ports : swapPorts(ports);
    parsed[at + ParsedWord.HASH] = records[r + ConnWord.HASH]!;
    const first = r + (isIpv6 ? ConnWord.SRC6 : ConnWord.SRC);
    const second = r + (isIpv6 ? ConnWord.DST6 : ConnWord.DST);
    src = reply === 0 ? first : second;
    dst = reply === 0 ? second : first;
  }
  const count = isIpv6 ? 4 : 1;
  const toSrc = at + (isIpv6 ? ParsedWord.SRC6 : ParsedWord.SRC);
  const toDst = at + (isIpv6 ? ParsedWord.DST6 : ParsedWord.DST);
  for (let i = 0; i < count; i++) {
    parsed[toSrc + i] = records[src + i]!;
    parsed[toDst + i] = records[dst + i]!;
  }
}

/** Does the packet have an original tuple of its own address family? */
function hasOriginalTuple(tracker: Tracker, words: Int32Array, slot: number, at: number): boolean {
  const kind = words[slot + PacketWord.ORIG_PROTOCOL]!;
  const isIpv6 = (tracker.scratch.parsed[at + ParsedWord.META]! & META_IPV6) !== 0;
  return (kind & 0xff) !== 0 && ((kind & ORIG_IPV6) !== 0) === isIpv6;
}

/** The match of the packet's original tuple, without its direction. */
function findOriginal(tracker: Tracker, words: Int32Array, slot: number, at: number, now: number): number {
  const { parsed } = tracker.scratch;
  const meta = parsed[at + ParsedWord.META]!;
  const kind = words[slot + PacketWord.ORIG_PROTOCOL]!;
  const isIpv6 = (kind & ORIG_IPV6) !== 0;
  const isIcmp = metaProtocol(meta) === (isIpv6 ? Protocol.ICMPV6 : Protocol.ICMP);
  const ports = words[slot + PacketWord.ORIG_PORTS]!;
  let tupleMeta = (words[slot + PacketWord.ZONE]! << 16) | ((kind & 0xff) << 8) | (meta & META_IPV6);
  if (isIcmp) {
    const type = swapHalf(ports & 0xffff) & 0xff;
    tupleMeta |= isIpv6 ? icmp6Meta(type) : icmpMeta(type);
  }
  parsed[SCRATCH_AT + ParsedWord.META] = tupleMeta;
  parsed[SCRATCH_AT + ParsedWord.PORTS] = isIcmp ? parsed[at + ParsedWord.PORTS]! : ports;
  const count = isIpv6 ? 4 : 1;
  const src = SCRATCH_AT + (isIpv6 ? ParsedWord.SRC6 : ParsedWord.SRC);
  const dst = SCRATCH_AT + (isIpv6 ? ParsedWord.DST6 : ParsedWord.DST);
  for (let i = 0; i < count; i++) {
    parsed[src + i] = words[slot + PacketWord.ORIG_SRC + i]!;
    parsed[dst + i] = words[slot + PacketWord.ORIG_DST + i]!;
  }
  hashParsed(tracker.keys, tracker.scratch.parsed, SCRATCH_AT);
  const match = findConn(tracker, SCRATCH_AT, now);
  return (match >>> 1) << 1;
}
