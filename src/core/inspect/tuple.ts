/** Tuples as users see them: text addresses, numbers in host order. */

import { formatIpv4, formatIpv6, parseIpv4, parseIpv6 } from './address.ts';
import { expectObject, expectWhole, shown, UsageError } from '../errors.ts';
import { expectOptions, type OptionNames } from '../options/option-names.ts';
import { icmp6Meta, icmpMeta, icmpTypeOf, META_IPV6, metaProtocol, ParsedWord } from '../packet/key.ts';
import { ORIG_IPV6, PacketWord, Protocol, swapHalf, swapPorts } from '../packet/layout.ts';

export interface TupleEnds {
  src: string;
  dst: string;
  /** IP protocol number. */
  proto: number;
}

/** TCP, UDP and SCTP. Other protocols: both ports are 0. */
export interface PortTuple extends TupleEnds {
  sport: number;
  dport: number;
}

/** ICMP and ICMPv6, with type and code as the source of the tuple sends them. */
export interface IcmpTuple extends TupleEnds {
  id: number;
  type: number;
  code: number;
}

export type Tuple = PortTuple | IcmpTuple;

const PORT_NAMES: OptionNames<PortTuple> = { src: true, dst: true, proto: true, sport: true, dport: true };
const ICMP_NAMES: OptionNames<IcmpTuple> = { src: true, dst: true, proto: true, id: true, type: true, code: true };

/** The word indexes of the parts of a key. */
export interface KeyPlace {
  words: Int32Array;
  ports: number;
  /** The ports are those of the other direction. */
  turnsPorts?: boolean;
  src: number;
  dst: number;
  src6: number;
  dst6: number;
}

/** The tuple of a key. */
export function formatTuple(meta: number, place: KeyPlace): Tuple {
  const { words } = place;
  const proto = metaProtocol(meta);
  const isIpv6 = (meta & META_IPV6) !== 0;
  const src = isIpv6 ? formatIpv6(words, place.src6) : formatIpv4(words[place.src]!);
  const dst = isIpv6 ? formatIpv6(words, place.dst6) : formatIpv4(words[place.dst]!);
  const ports = place.turnsPorts === true ? swapPorts(words[place.ports]!) : words[place.ports]!;
  if (proto === Protocol.ICMP || proto === Protocol.ICMPV6) {
    return { src, dst, proto, id: swapHalf(ports & 0xffff), type: icmpTypeOf(meta), code: 0 };
  }
  return { src, dst, proto, sport: swapHalf(ports & 0xffff), dport: swapHalf(ports >>> 16) };
}

/** The tuple of the original direction, as the tracker attached it to a packet. */
export interface OriginalTuple {
  src: string;
  dst: string;
  proto: number;
  /** ICMP over IPv4, ICMPv6 over IPv6: type and code. */
  type?: number;
  code?: number;
  sport?: number;
  dport?: number;
}

/** The original tuple of the packet at `slot`; null if it has none. */
export function originalTuple(words: Int32Array, slot: number): OriginalTuple | null {
  const kind = words[slot + PacketWord.ORIG_PROTOCOL]!;
  const proto = kind & 0xff;
  const isIpv6 = (kind & ORIG_IPV6) !== 0;
  const at = slot + PacketWord.ORIG_SRC;
  const to = slot + PacketWord.ORIG_DST;
  const ports = words[slot + PacketWord.ORIG_PORTS]!;
  const first = swapHalf(ports & 0xffff);
  const second = swapHalf(ports >>> 16);
  if (kind === 0 && ports === 0 && words[at] === 0 && words[to] === 0) {
    return null;
  }
  const src = isIpv6 ? formatIpv6(words, at) : formatIpv4(words[at]!);
  const dst = isIpv6 ? formatIpv6(words, to) : formatIpv4(words[to]!);
  if (proto === (isIpv6 ? Protocol.ICMPV6 : Protocol.ICMP)) {
    return { src, dst, proto, type: first, code: second };
  }
  return { src, dst, proto, sport: first, dport: second };
}

function half(what: string, value: unknown): number {
  return swapHalf(expectWhole(`${what} of a tuple`, value, 0, 0xffff));
}

/**
 * Writes the key of a tuple in a zone to `parsed[at...]`.
 * @returns false if no packet can have this key (an ICMP type that is neither a request nor a reply)
 * @throws UsageError if it is not a tuple
 */
export function parseTuple(given: Tuple, zone: number, parsed: Int32Array, at: number): boolean {
  expectObject('a tuple', given);
  const tuple: Tuple =
    'id' in given
      ? expectOptions('an ICMP tuple', given, ICMP_NAMES)
      : expectOptions<PortTuple>('a tuple', given, PORT_NAMES);
  const proto = expectWhole('proto of a tuple', tuple.proto, 0, 0xff);
  const src = parseIpv4(tuple.src);
  const dst = parseIpv4(tuple.dst);
  const src6 = src === undefined ? parseIpv6(tuple.src) : undefined;
  const dst6 = dst === undefined ? parseIpv6(tuple.dst) : undefined;
  if ((src === undefined && src6 === undefined) || (dst === undefined && dst6 === undefined)) {
    throw new UsageError(`not an address: ${shown(src === undefined && src6 === undefined ? tuple.src : tuple.dst)}`);
  }
  if ((src === undefined) !== (dst === undefined)) {
    throw new UsageError(`the addresses of a tuple must be of one family: ${tuple.src}, ${tuple.dst}`);
  }
  const isIpv6 = src6 !== undefined;
  let meta = (zone << 16) | (proto << 8) | (isIpv6 ? META_IPV6 : 0);
  let ports: number;
  if ('id' in tuple) {
    const identifier = half('id', tuple.id);
    const type = expectWhole('type of a tuple', tuple.type, 0, 0xff);
    const code = expectWhole('code of a tuple', tuple.code, 0, 0xff);
    ports = identifier | (identifier << 16);
    const isOwnFamily = proto === (isIpv6 ? Protocol.ICMPV6 : Protocol.ICMP);
    const kindAndReply = isIpv6 ? icmp6Meta(type) : icmpMeta(type);
    if (isOwnFamily && (kindAndReply === 0 || code !== 0)) {
      return false;
    }
    meta |= isOwnFamily ? kindAndReply : 0;
  } else {
    ports = half('sport', tuple.sport) | (half('dport', tuple.dport) << 16);
  }
  parsed[at + ParsedWord.META] = meta;
  parsed[at + ParsedWord.PORTS] = ports;
  if (isIpv6) {
    parsed.set(src6, at + ParsedWord.SRC6);
    parsed.set(dst6!, at + ParsedWord.DST6);
  } else {
    parsed[at + ParsedWord.SRC] = src!;
    parsed[at + ParsedWord.DST] = dst!;
  }
  return true;
}
