/**
 * From an ICMP message to a key. A request or a reply has a key of its own. An error has the reversed key of the packet that
 * it quotes.
 */

import { findTransport } from './extension-headers.ts';
import {
  ICMP_HEADER_BYTES,
  IPV4_FRAGMENT_OFFSET,
  IPV4_HEADER_BYTES,
  IPV6_HEADER_BYTES,
  SCTP_HEADER_BYTES,
  TCP_HEADER_BYTES,
  UDP_HEADER_BYTES,
} from './headers.ts';
import { icmp6Meta, icmpMeta, META_IPV6, ParsedWord, reverseMeta, takeIdentifier, takePorts } from './key.ts';
import { Protocol, swapPorts } from './layout.ts';

/** An ICMP error quotes at least this many bytes behind the IP header (RFC 792). */
const QUOTED_BYTES = 8;

/** Is this the type of an ICMP error? An error quotes the packet that caused it (RFC 792). */
function isIcmpError(type: number): boolean {
  return type === 3 || type === 4 || type === 5 || type === 11 || type === 12;
}

/** The same for ICMPv6: unreachable, too big, time exceeded, parameter problem (RFC 4443). */
function isIcmp6Error(type: number): boolean {
  return type >= 1 && type <= 4;
}

/** Completes the key of an ICMP message. @returns whether it has a key */
export function parseIcmp(words: Int32Array, parsed: Int32Array, at: number, l4: number, bytes: number): boolean {
  const first = words[l4]!;
  const type = first & 0xff;
  const kindAndReply = icmpMeta(type);
  if (kindAndReply !== 0) {
    takeIdentifier(words, parsed, at, l4, kindAndReply);
    return (first & 0xff00) === 0;
  }
  return isIcmpError(type) && parseQuotedIpv4(words, parsed, at, l4 + 2, bytes - ICMP_HEADER_BYTES);
}

/**
 * Makes the reversed key of the packet that an ICMP error quotes the key of the error. The quoted checksums and total
 * length are ignored, since routers may change them. The quoted source must be the destination of the error.
 */
function parseQuotedIpv4(words: Int32Array, parsed: Int32Array, at: number, l3: number, bytes: number): boolean {
  if (bytes < IPV4_HEADER_BYTES) {
    return false;
  }
  const headerBytes = (words[l3]! & 0xf) << 2;
  if (headerBytes < IPV4_HEADER_BYTES || headerBytes > bytes || (words[l3 + 1]! & IPV4_FRAGMENT_OFFSET) !== 0) {
    return false;
  }
  const src = words[l3 + 3]!;
  if (src !== parsed[at + ParsedWord.DST]) {
    return false;
  }
  const protocol = (words[l3 + 2]! >>> 8) & 0xff;
  const zone = parsed[at + ParsedWord.META]! & 0xffff0000;
  parsed[at + ParsedWord.META] = zone | (protocol << 8);
  const l4 = l3 + (headerBytes >>> 2);
  const l4Bytes = bytes - headerBytes;
  switch (protocol) {
    case Protocol.TCP:
    case Protocol.UDP:
    case Protocol.SCTP:
      if (l4Bytes < QUOTED_BYTES || !takePorts(words, parsed, at, l4)) {
        return false;
      }
      break;
    case Protocol.ICMP: {
      const kindAndReply = l4Bytes < QUOTED_BYTES ? 0 : icmpMeta(words[l4]! & 0xff);
      /* No host sends an error about an error (RFC 1122, 3.2.2). */
      if (kindAndReply === 0 || (words[l4]! & 0xff00) !== 0) {
        return false;
      }
      takeIdentifier(words, parsed, at, l4, kindAndReply);
      break;
    }
    default:
      parsed[at + ParsedWord.PORTS] = 0;
      break;
  }
  parsed[at + ParsedWord.SRC] = words[l3 + 4]!;
  parsed[at + ParsedWord.DST] = src;
  reverseRest(parsed, at);
  return true;
}

/** The same for ICMPv6. */
export function parseIcmp6(words: Int32Array, parsed: Int32Array, at: number, l4: number, bytes: number): boolean {
  const first = words[l4]!;
  const type = first & 0xff;
  const kindAndReply = icmp6Meta(type);
  if (kindAndReply !== 0) {
    takeIdentifier(words, parsed, at, l4, kindAndReply);
    return (first & 0xff00) === 0;
  }
  return isIcmp6Error(type) && parseQuotedIpv6(words, parsed, at, l4 + 2, bytes - ICMP_HEADER_BYTES);
}

/** As parseQuotedIpv4, but the whole upper-layer header must be quoted (RFC 4443, 2.4: as much as fits). */
function parseQuotedIpv6(words: Int32Array, parsed: Int32Array, at: number, l3: number, bytes: number): boolean {
  if (bytes < IPV6_HEADER_BYTES) {
    return false;
  }
  const found = findTransport(words, l3 + 10, bytes - IPV6_HEADER_BYTES, (words[l3 + 1]! >>> 16) & 0xff);
  if (found < 0) {
    return false;
  }
  for (let i = 0; i < 4; i++) {
    if (words[l3 + 2 + i] !== parsed[at + ParsedWord.DST6 + i]) {
      return false;
    }
  }
  const protocol = found & 0xff;
  const skippedBytes = found >>> 8;
  const zone = parsed[at + ParsedWord.META]! & 0xffff0000;
  parsed[at + ParsedWord.META] = zone | (protocol << 8) | META_IPV6;
  const l4 = l3 + 10 + (skippedBytes >>> 2);
  const l4Bytes = bytes - IPV6_HEADER_BYTES - skippedBytes;
  switch (protocol) {
    case Protocol.TCP:
      if (l4Bytes < TCP_HEADER_BYTES || !takePorts(words, parsed, at, l4)) {
        return false;
      }
      break;
    case Protocol.UDP:
      if (l4Bytes < UDP_HEADER_BYTES || !takePorts(words, parsed, at, l4)) {
        return false;
      }
      break;
    case Protocol.SCTP:
      if (l4Bytes < SCTP_HEADER_BYTES || !takePorts(words, parsed, at, l4)) {
        return false;
      }
      break;
    case Protocol.ICMPV6: {
      const kindAndReply = l4Bytes < ICMP_HEADER_BYTES ? 0 : icmp6Meta(words[l4]! & 0xff);
      if (kindAndReply === 0 || (words[l4]! & 0xff00) !== 0) {
        return false;
      }
      takeIdentifier(words, parsed, at, l4, kindAndReply);
      break;
    }
    default:
      parsed[at + ParsedWord.PORTS] = 0;
      break;
  }
  for (let i = 0; i < 4; i++) {
    parsed[at + ParsedWord.SRC6 + i] = words[l3 + 6 + i]!;
    parsed[at + ParsedWord.DST6 + i] = words[l3 + 2 + i]!;
  }
  reverseRest(parsed, at);
  return true;
}

/** Reverses ports and ICMP direction of a quoted packet's key, and marks the packet as related. */
function reverseRest(parsed: Int32Array, at: number): void {
  parsed[at + ParsedWord.PORTS] = swapPorts(parsed[at + ParsedWord.PORTS]!);
  parsed[at + ParsedWord.META] = reverseMeta(parsed[at + ParsedWord.META]!);
  parsed[at + ParsedWord.RELATED] = 1;
}
