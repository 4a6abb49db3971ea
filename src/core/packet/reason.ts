/**
 * Why a packet is `inv`, or why it created no connection: a number beside its verdict.
 *
 * PacketWord.REASON holds the number above REASON_SHIFT. Below it are the RememberedBits of a packet with a connection.
 * The tracker writes this word for every packet, so the reason costs an established packet nothing.
 */

import { findFragment, findTransport } from './extension-headers.ts';
import {
  ETHERNET_HEADER_BYTES,
  ETHERTYPE_IPV4,
  ETHERTYPE_IPV6,
  ETHERTYPE_QINQ,
  ETHERTYPE_VLAN,
  ICMP_HEADER_BYTES,
  IPV4_FRAGMENT,
  IPV4_HEADER_BYTES,
  IPV6_HEADER_BYTES,
  LLC_SNAP,
  LLC_SNAP_BYTES,
  MAX_VLAN_TAGS,
  SCTP_HEADER_BYTES,
  TCP_HEADER_BYTES,
  UDP_HEADER_BYTES,
} from './headers.ts';
import { ChecksumBit, PacketWord, Protocol } from './layout.ts';

/** Bits of PacketWord.REASON below the reason. */
export const REASON_SHIFT = 8;
export const REMEMBERED_MASK = 0xff;

/** The values of PacketWord.REASON above REASON_SHIFT. 0: there is nothing to report. */
export const VerdictReason = {
  NONE: 0,
  /* The packet may create a connection, but was refused. */
  TABLE_FULL: 1,
  ZONE_LIMIT: 2,
  NAT_EXHAUSTED: 3,
  NO_MEMORY: 4,
  /* The packet is `inv`. */
  CHECKSUM: 16,
  TRUNCATED: 17,
  MALFORMED: 18,
  NOT_IP: 19,
  FRAGMENT: 20,
  PORT_ZERO: 21,
  ICMP: 22,
  TCP_FLAGS: 23,
  TCP_WINDOW: 24,
  NO_CONNECTION: 25,
  /* The worker thread died while it had the packet: there is no verdict. Written by the datapath. */
  LOST: 32,
} as const;

/** Why a packet created no connection although the action commits. */
export type RefusedReason = 'table full' | 'zone limit' | 'NAT exhausted' | 'out of memory';

/**
 * Why a packet is `inv`:
 * - `checksum`: the IP, TCP, UDP, SCTP or ICMP checksum is wrong
 * - `truncated`: the frame is shorter than its headers say
 * - `malformed`: a header contradicts itself, or the IPv6 extension headers cannot be followed
 * - `not IP`: neither IPv4 nor IPv6
 * - `fragment`: reassembly refused the fragment (too small, overlapping, no memory), or is off
 * - `port zero`: the source or destination port is 0
 * - `ICMP`: a type or code that is not tracked, or an error that quotes no usable packet
 * - `TCP flags`: a combination that no TCP sends
 * - `TCP window`: sequence or acknowledgement number outside the connection's windows
 * - `no connection`: it needs an existing connection (a SYN|ACK, an ICMP reply or error), and there is none
 */
export type InvalidReason =
  | 'checksum'
  | 'truncated'
  | 'malformed'
  | 'not IP'
  | 'fragment'
  | 'port zero'
  | 'ICMP'
  | 'TCP flags'
  | 'TCP window'
  | 'no connection';

const REFUSED: readonly (RefusedReason | undefined)[] = [
  undefined,
  'table full',
  'zone limit',
  'NAT exhausted',
  'out of memory',
];

const INVALID: readonly InvalidReason[] = [
  'checksum',
  'truncated',
  'malformed',
  'not IP',
  'fragment',
  'port zero',
  'ICMP',
  'TCP flags',
  'TCP window',
  'no connection',
];

/** The VerdictReason of the packet at `slot`. */
export function reasonOf(words: Int32Array, slot: number): number {
  return words[slot + PacketWord.REASON]! >>> REASON_SHIFT;
}

/** Why the packet at `slot` created no connection. Undefined: it was not refused. */
export function refusedReason(words: Int32Array, slot: number): RefusedReason | undefined {
  return REFUSED[reasonOf(words, slot)];
}

/** Why the packet at `slot` is `inv`. Undefined: it is not. */
export function invalidReason(words: Int32Array, slot: number): InvalidReason | undefined {
  return INVALID[reasonOf(words, slot) - VerdictReason.CHECKSUM];
}

/** The smallest transport header, in bytes. */
const HEADER_BYTES: Readonly<Record<number, number>> = {
  [Protocol.TCP]: TCP_HEADER_BYTES,
  [Protocol.UDP]: UDP_HEADER_BYTES,
  [Protocol.SCTP]: SCTP_HEADER_BYTES,
  [Protocol.ICMP]: ICMP_HEADER_BYTES,
  [Protocol.ICMPV6]: ICMP_HEADER_BYTES,
};

/**
 * Why a packet has no key. Reads the frame again, in the order in which parse.ts does. So only the few packets that are
 * `inv` pay for the reason, and parsing need not keep track of where it stopped.
 */
export function unusableReason(words: Int32Array, slot: number, isIcmpSumBad: boolean): number {
  if (isIcmpSumBad || (words[slot + PacketWord.CHECKSUMS]! & (ChecksumBit.IP_BAD | ChecksumBit.L4_BAD)) !== 0) {
    return VerdictReason.CHECKSUM;
  }
  let left = words[slot + PacketWord.LENGTH]! - ETHERNET_HEADER_BYTES;
  if (left < 0) {
    return VerdictReason.TRUNCATED;
  }
  let typeWord = slot + PacketWord.FRAME + 3;
  for (let tags = 0; tags < MAX_VLAN_TAGS && isTag(words[typeWord]! >>> 16); tags++) {
    if (left < 4) {
      return VerdictReason.TRUNCATED;
    }
    typeWord++;
    left -= 4;
  }
  let type = words[typeWord]! >>> 16;
  let l3 = typeWord + 1;
  if (left >= LLC_SNAP_BYTES && words[l3] === LLC_SNAP) {
    type = words[l3 + 1]! >>> 16;
    l3 += 2;
    left -= LLC_SNAP_BYTES;
  }
  if (type === ETHERTYPE_IPV4) {
    return ipv4Reason(words, l3, left);
  }
  return type === ETHERTYPE_IPV6 ? ipv6Reason(words, l3, left) : VerdictReason.NOT_IP;
}

function isTag(etherType: number): boolean {
  return etherType === ETHERTYPE_VLAN || etherType === ETHERTYPE_QINQ;
}

function ipv4Reason(words: Int32Array, l3: number, left: number): number {
  if (left < IPV4_HEADER_BYTES) {
    return VerdictReason.TRUNCATED;
  }
  const headerBytes = (words[l3]! & 0xf) << 2;
  const totalBytes = ((words[l3]! >>> 8) & 0xff00) | (words[l3]! >>> 24);
  if (headerBytes < IPV4_HEADER_BYTES || headerBytes > totalBytes) {
    return VerdictReason.MALFORMED;
  }
  if (totalBytes > left) {
    return VerdictReason.TRUNCATED;
  }
  if ((words[l3 + 1]! & IPV4_FRAGMENT) !== 0) {
    return VerdictReason.FRAGMENT;
  }
  const protocol = (words[l3 + 2]! >>> 8) & 0xff;
  return transportReason(words, l3 + (headerBytes >>> 2), totalBytes - headerBytes, protocol);
}

function ipv6Reason(words: Int32Array, l3: number, left: number): number {
  if (left < IPV6_HEADER_BYTES) {
    return VerdictReason.TRUNCATED;
  }
  const second = words[l3 + 1]!;
  const payloadBytes = ((second << 8) & 0xff00) | ((second >>> 8) & 0xff);
  if (IPV6_HEADER_BYTES + payloadBytes > left) {
    return VerdictReason.TRUNCATED;
  }
  const nextHeader = (second >>> 16) & 0xff;
  const found = findTransport(words, l3 + 10, payloadBytes, nextHeader);
  if (found < 0) {
    const isFragment = findFragment(words, l3 + 10, payloadBytes, nextHeader) >= 0;
    return isFragment ? VerdictReason.FRAGMENT : VerdictReason.MALFORMED;
  }
  const skipped = found >>> 8;
  return transportReason(words, l3 + 10 + (skipped >>> 2), payloadBytes - skipped, found & 0xff);
}

function transportReason(words: Int32Array, l4: number, bytes: number, protocol: number): number {
  if (bytes < (HEADER_BYTES[protocol] ?? 0)) {
    return VerdictReason.TRUNCATED;
  }
  if (protocol === Protocol.ICMP || protocol === Protocol.ICMPV6) {
    return VerdictReason.ICMP;
  }
  if (protocol === Protocol.UDP) {
    const udpBytes = ((words[l4 + 1]! << 8) & 0xff00) | ((words[l4 + 1]! >>> 8) & 0xff);
    if (udpBytes > bytes) {
      return VerdictReason.TRUNCATED;
    }
  } else if (protocol === Protocol.TCP && ((words[l4 + 3]! >>> 4) & 0xf) << 2 > bytes) {
    return VerdictReason.TRUNCATED;
  }
  const ports = words[l4]!;
  const isPortZero = HEADER_BYTES[protocol] !== undefined && ((ports & 0xffff) === 0 || ports >>> 16 === 0);
  return isPortZero ? VerdictReason.PORT_ZERO : VerdictReason.MALFORMED;
}
