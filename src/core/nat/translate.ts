/** Translates a packet of a translated connection, in either direction. */

import type { Words } from '../../shared/access.ts';
import { findTransport } from '../packet/extension-headers.ts';
import { ICMP_HEADER_BYTES, IPV6_HEADER_BYTES } from '../packet/headers.ts';
import { META_IPV6, metaProtocol, ParsedKind, ParsedWord } from '../packet/key.ts';
import { CtState, swapPorts } from '../packet/layout.ts';
import { completeByNibble, hasOddVersion } from '../packet/odd-version.ts';
import { networkHeaderOf } from '../packet/parse.ts';
import { rewriteIpv4, rewriteIpv4Address, rewriteIpv6, rewriteIpv6Error } from '../packet/rewrite.ts';
import { rewriteQuotedIpv4, rewriteQuotedIpv6 } from '../packet/rewrite-quoted.ts';
import { CONN_NAT, ConnFlag, ConnWord } from '../table/conn.ts';
import type { BatchScratch } from '../packet/batch-scratch.ts';

/** The part of a thread's tracker that translation needs. */
interface Translated {
  readonly words: Words;
  readonly scratch: BatchScratch;
}

/** Set if the packet was translated in this zone. */
export const NAT_STATES: number = CtState.SNAT | CtState.DNAT;

/** Word offsets of the addresses in IPv4 and IPv6 headers. */
const IPV4_SRC = 3;
const IPV4_DST = 4;
const IPV6_SRC = 2;
const IPV6_DST = 6;

/**
 * Translates the packet parsed at `parsed[at...]`, if its connection (word `r` of the records) is translated and the
 * packet was not translated in this zone yet.
 *
 * In the original direction the packet gets the reverse of the reverse key, in reply direction the reverse of the key.
 * Only the address that the connection translates changes. An ICMP error is sent to the source of the packet that it
 * quotes, and the quoted packet gets the addresses that this source knows.
 * @returns the state, with SNAT or DNAT set if the packet is translated now
 */
export function translatePacket(
  tracker: Translated,
  words: Words,
  slot: number,
  at: number,
  r: number,
  reply: number,
  state: number,
): number {
  const records = tracker.words;
  const flags = records[r + ConnWord.FLAGS]!;
  if ((flags & CONN_NAT) === 0 || (state & NAT_STATES) !== 0) {
    return state;
  }
  const { parsed } = tracker.scratch;
  const isSource = ((flags & ConnFlag.SNAT) !== 0) === (reply === 0);
  const translated = state | (isSource ? CtState.SNAT : CtState.DNAT);
  const key = reply === 0 ? ConnWord.REV_PORTS : ConnWord.PORTS;
  const ports = records[r + key]!;
  const l3 = networkHeaderOf(words, slot, parsed, at);
  if (parsed[at + ParsedWord.RELATED] !== 0) {
    translateError(records, words, parsed, at, l3, r, reply, isSource, ports);
    return translated;
  }
  const l4 = parsed[at + ParsedWord.L4]!;
  const l4Bytes = parsed[at + ParsedWord.L4_BYTES]!;
  const meta = records[r + ConnWord.META]!;
  if ((meta & META_IPV6) === 0) {
    const addressAt = l3 + (isSource ? IPV4_SRC : IPV4_DST);
    rewriteIpv4(words, l3, l4, l4Bytes, addressAt, records[r + ipv4Word(reply, isSource)]!, swapPorts(ports));
  } else {
    const addressAt = l3 + (isSource ? IPV6_SRC : IPV6_DST);
    const from = r + ipv6Word(reply, isSource);
    const isPlain = l4 === l3 + IPV6_HEADER_BYTES / 4 || parsed[at + ParsedWord.KIND] === ParsedKind.WHOLE;
    rewriteIpv6(words, l3, l4, l4Bytes, metaProtocol(meta), addressAt, records, from, swapPorts(ports), isPlain);
  }
  if (hasOddVersion(words, l3, (meta & META_IPV6) !== 0)) {
    completeByNibble(words, slot, l3, l4, l4Bytes, metaProtocol(meta));
  }
  return translated;
}

/** The word of the record with the new address: an end of the key of the opposite direction. */
function ipv4Word(reply: number, isSource: boolean): number {
  if (reply === 0) {
    return isSource ? ConnWord.REV_DST : ConnWord.REV_SRC;
  }
  return isSource ? ConnWord.DST : ConnWord.SRC;
}

function ipv6Word(reply: number, isSource: boolean): number {
  if (reply === 0) {
    return isSource ? ConnWord.REV_DST6 : ConnWord.REV_SRC6;
  }
  return isSource ? ConnWord.DST6 : ConnWord.SRC6;
}

function translateError(
  records: Words,
  words: Words,
  parsed: Int32Array,
  at: number,
  l3: number,
  r: number,
  reply: number,
  isSource: boolean,
  ports: number,
): void {
  const icmp = parsed[at + ParsedWord.L4]!;
  const icmpBytes = parsed[at + ParsedWord.L4_BYTES]!;
  const meta = records[r + ConnWord.META]!;
  if ((meta & META_IPV6) === 0) {
    const address = records[r + ipv4Word(reply, isSource)]!;
    rewriteIpv4Address(words, l3, l3 + (isSource ? IPV4_SRC : IPV4_DST), address);
    rewriteQuotedIpv4(words, icmp, icmpBytes, !isSource, address, ports);
    return;
  }
  const from = r + ipv6Word(reply, isSource);
  const addressAt = l3 + (isSource ? IPV6_SRC : IPV6_DST);
  rewriteIpv6Error(words, icmp, icmpBytes, metaProtocol(meta), addressAt, records, from);
  const quoted = icmp + ICMP_HEADER_BYTES / 4;
  const rest = icmpBytes - ICMP_HEADER_BYTES - IPV6_HEADER_BYTES;
  const found = findTransport(words, quoted + IPV6_HEADER_BYTES / 4, rest, (words[quoted + 1]! >>> 16) & 0xff) | 0;
  if (found >= 0) {
    const quotedL4 = quoted + IPV6_HEADER_BYTES / 4 + (found >>> 10);
    rewriteQuotedIpv6(words, l3, icmp, icmpBytes, quotedL4, found & 0xff, !isSource, records, from, ports);
  }
}
