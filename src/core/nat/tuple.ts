/**
 * Chooses the reverse tuple of a new translated connection: an address of the range by a hash, then the first free port
 * in turn. The order is Open vSwitch's.
 *
 * A candidate is looked up without locks first, which costs as much as a packet's lookup. Only a candidate that looks
 * free is tried under the locks of its two buckets (link.ts). So no lock is held for longer than one candidate takes.
 * If two threads want the same tuple, one of them goes on to the next candidate.
 *
 * The search tries at most 128 ports in turn. If the range has more, it then tries 64, 32, 16 and 8 ports, each time
 * from a random port on. So a range of up to 128 ports is used up to the last one. A larger range may refuse when it is
 * nearly full.
 */

import { hashParsed } from '../path/key-hash.ts';
import { findConn } from '../path/lookup.ts';
import { hashIpv4 } from '../packet/hash.ts';
import { SCRATCH_AT } from '../packet/batch-scratch.ts';
import { META_IPV6, metaProtocol, ParsedWord } from '../packet/key.ts';
import { Protocol, swapHalf, swapWord } from '../packet/layout.ts';
import type { Tracker } from '../tracker.ts';
import { type NatAction, NatKind } from './action.ts';
import { Linked, linkTranslated, turnKey } from './link.ts';

const MAX_ATTEMPTS = 128;
/** A round with fewer attempts than this is the last one. */
const LAST_ROUND_ATTEMPTS = 16;

/*
 * Without a range of ports, a new port is chosen from the class of the old one: below 512, 600 to 1023, or 1024 and
 * above.
 */
const LOW_PORT_END = 512;
const PRIVILEGED_MIN = 600;
const EPHEMERAL_MIN = 1024;
const EPHEMERAL_MAX = 65535;

/** The halves of the reverse key's PORTS word that are tried. */
const Side = { destination: 1, source: 2, both: 3 } as const;

/** Mixes 32 bits, so that every bit of the result depends on all bits of `value`. */
function mix(value: number): number {
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return (value ^ (value >>> 16)) >>> 0;
}

/**
 * Chooses a free reverse tuple for a connection, and links the connection. `record` is complete except for that tuple.
 * The hashed key stands at `parsed[at...]`.
 * @returns a Linked (`taken`: no free tuple was found), or a match
 */
export function linkUnique(tracker: Tracker, record: number, at: number, nat: NatAction, now: number): number {
  const { parsed } = tracker.scratch;
  const meta = parsed[at + ParsedWord.META]!;
  const isIpv6 = (meta & META_IPV6) !== 0;
  turnKey(tracker, at);

  /* Others see the result, so the hash has its own key: it does not tell in which bucket the connection stands. */
  const tupleHash =
    hashIpv4(parsed[at + ParsedWord.HASH]!, nat.seed, 0, 0, tracker.keys.natKey0, tracker.keys.natKey1) >>> 0;
  if (nat.hasAddress) {
    chooseAddress(tracker, nat, isIpv6, nat.isPersistent ? persistentHash(tracker, at, nat, isIpv6) : tupleHash);
  }
  const protocol = metaProtocol(meta);
  const isIcmp = protocol === Protocol.ICMP && !isIpv6;
  if (protocol !== Protocol.TCP && protocol !== Protocol.UDP && protocol !== Protocol.SCTP && !isIcmp) {
    return tryCandidate(tracker, record, at, nat.kind, now);
  }

  const ports = parsed[at + ParsedWord.PORTS]!;
  const offset = nat.isRandom ? tracker.random.next() : tupleHash;
  const rangeStart = nat.minPort + (offset % (nat.maxPort - nat.minPort + 1));
  let start = swapHalf(ports & 0xffff);
  let min = EPHEMERAL_MIN;
  let max = EPHEMERAL_MAX;
  if (nat.kind === NatKind.src && nat.hasPorts) {
    start = rangeStart;
    min = nat.minPort;
    max = nat.maxPort;
  } else if (start < LOW_PORT_END) {
    min = 1;
    max = LOW_PORT_END - 1;
  } else if (start < EPHEMERAL_MIN) {
    min = PRIVILEGED_MIN;
    max = EPHEMERAL_MIN - 1;
  }
  if (nat.kind === NatKind.dst && nat.hasPorts) {
    const outcome = tryPorts(tracker, record, at, nat, now, Side.source, rangeStart, nat.minPort, nat.maxPort) | 0;
    if (outcome !== Linked.taken) {
      return outcome;
    }
    setPort(parsed, Side.source, rangeStart);
  }
  return tryPorts(tracker, record, at, nat, now, isIcmp ? Side.both : Side.destination, start, min, max);
}

/** A hash of the source address alone. It is the same in every process. */
function persistentHash(tracker: Tracker, at: number, nat: NatAction, isIpv6: boolean): number {
  const { parsed } = tracker.scratch;
  const count = isIpv6 ? 4 : 1;
  const src = at + (isIpv6 ? ParsedWord.SRC6 : ParsedWord.SRC);
  let hash = nat.seed;
  for (let i = 0; i < count; i++) {
    hash = mix(hash ^ parsed[src + i]!);
  }
  return hash;
}

/** Writes the address that the hash selects into the reverse key. */
function chooseAddress(tracker: Tracker, nat: NatAction, isIpv6: boolean, hash: number): void {
  const { parsed } = tracker.scratch;
  const isSource = nat.kind === NatKind.src;
  const addresses = nat.addressSpan + 1;
  const offset = hash % addresses;
  if (!isIpv6) {
    const word = isSource ? ParsedWord.DST : ParsedWord.SRC;
    parsed[SCRATCH_AT + word] = swapWord((nat.minAddress[0]! + offset) | 0);
    return;
  }
  const word = SCRATCH_AT + (isSource ? ParsedWord.DST6 : ParsedWord.SRC6);
  let carry = offset;
  for (let i = 3; i >= 0; i--) {
    const sum = (nat.minAddress[i]! >>> 0) + carry;
    parsed[word + i] = swapWord(sum | 0);
    carry = sum > 0xffffffff ? 1 : 0;
  }
}

/** Writes a port (host order) into the reverse key. */
function setPort(parsed: Int32Array, side: number, port: number): void {
  const half = swapHalf(port);
  let ports = parsed[SCRATCH_AT + ParsedWord.PORTS]!;
  if ((side & Side.source) !== 0) {
    ports = (ports & 0xffff0000) | half;
  }
  if ((side & Side.destination) !== 0) {
    ports = (ports & 0xffff) | (half << 16);
  }
  parsed[SCRATCH_AT + ParsedWord.PORTS] = ports;
}

/**
 * Tries the ports from `start` on, then the others of the range. `start` may lie outside the range.
 * @returns as linkUnique
 */
function tryPorts(
  tracker: Tracker,
  record: number,
  at: number,
  nat: NatAction,
  now: number,
  side: number,
  start: number,
  min: number,
  max: number,
): number {
  const { parsed } = tracker.scratch;
  const size = max - min + 1;
  let attempts = size < MAX_ATTEMPTS ? size : MAX_ATTEMPTS;
  for (;;) {
    let port = start;
    for (let i = 0; i < attempts; i++) {
      setPort(parsed, side, port);
      const outcome = tryCandidate(tracker, record, at, nat.kind, now) | 0;
      if (outcome !== Linked.taken) {
        return outcome;
      }
      port = port < min || port >= max ? min : port + 1;
    }
    if (attempts >= size || attempts < LAST_ROUND_ATTEMPTS) {
      return Linked.taken;
    }
    attempts >>>= 1;
    start = min + (tracker.random.next() % size);
  }
}

/** @returns a Linked, or a match */
function tryCandidate(tracker: Tracker, record: number, at: number, kind: number, now: number): number {
  hashParsed(tracker.keys, tracker.scratch.parsed, SCRATCH_AT);
  if (findConn(tracker, SCRATCH_AT, now) !== 0) {
    return Linked.taken;
  }
  return linkTranslated(tracker, record, at, kind, now);
}
