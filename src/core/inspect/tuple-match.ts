/** Conditions on a tuple, as a part of a filter (filter.ts). */

import { parseIpv4, parseIpv6 } from './address.ts';
import { expectWhole, shown, UsageError } from '../errors.ts';
import { expectConditions, type OptionNames } from '../options/option-names.ts';
import { icmpTypeOf, META_IPV6, metaProtocol } from '../packet/key.ts';
import { Protocol, swapHalf } from '../packet/layout.ts';

/** The members of a tuple. A member that is not given matches any value. */
export interface TupleFilter {
  /** IPv4 or IPv6 address. */
  src?: string;
  dst?: string;
  /** Of connections other than ICMP. */
  sport?: number;
  dport?: number;
  /** Of ICMP and ICMPv6 connections, with type and code as the tuple's source sends them. */
  id?: number;
  type?: number;
  code?: number;
}

const TUPLE_NAMES: OptionNames<TupleFilter> = {
  src: true,
  dst: true,
  sport: true,
  dport: true,
  id: true,
  type: true,
  code: true,
};
/** Checks a tuple. One without members is refused, since it would match everything. */
export function tupleOf(given: TupleFilter): TupleFilter {
  const tuple = expectConditions('a tuple of a filter', given, TUPLE_NAMES);
  if (Object.keys(tuple).length === 0) {
    const known = Object.keys(TUPLE_NAMES).join(', ');
    throw new UsageError(`a tuple of a filter names nothing: give it one of ${known}, or leave the tuple out`);
  }
  return Object.freeze(tuple);
}

/** In place of a number: any value matches. */
export const ANY = -1;

/** A condition on a number; ANY if it is not given. @throws UsageError above `max` */
export function numberOrAny(what: string, value: number | undefined, max: number): number {
  return value === undefined ? ANY : expectWhole(what, value, 0, max);
}

/** Does the value satisfy the condition? */
export function is(wanted: number, value: number): boolean {
  return wanted === ANY || wanted === value;
}

interface AddressMatch {
  isIpv6: boolean;
  words: Int32Array;
}

function addressMatch(text: string | undefined): AddressMatch | undefined {
  if (text === undefined) {
    return undefined;
  }
  const ipv4 = parseIpv4(text);
  if (ipv4 !== undefined) {
    return { isIpv6: false, words: Int32Array.of(ipv4) };
  }
  const ipv6 = parseIpv6(text);
  if (ipv6 === undefined) {
    throw new UsageError(`not an IPv4 or IPv6 address: ${shown(text)}`);
  }
  return { isIpv6: true, words: ipv6 };
}

/** The compiled members of a tuple. */
export class TupleMatch {
  readonly #src: AddressMatch | undefined;
  readonly #dst: AddressMatch | undefined;
  readonly #sport: number;
  readonly #dport: number;
  readonly #id: number;
  readonly #type: number;
  readonly #code: number;
  readonly #hasPorts: boolean;
  readonly #hasIcmp: boolean;

  constructor(filter: TupleFilter) {
    this.#src = addressMatch(filter.src);
    this.#dst = addressMatch(filter.dst);
    this.#sport = numberOrAny('sport', filter.sport, 0xffff);
    this.#dport = numberOrAny('dport', filter.dport, 0xffff);
    this.#id = numberOrAny('id', filter.id, 0xffff);
    this.#type = numberOrAny('type', filter.type, 0xff);
    this.#code = numberOrAny('code', filter.code, 0xff);
    this.#hasPorts = this.#sport !== ANY || this.#dport !== ANY;
    this.#hasIcmp = this.#id !== ANY || this.#type !== ANY || this.#code !== ANY;
    if (this.#src !== undefined && this.#dst !== undefined && this.#src.isIpv6 !== this.#dst.isIpv6) {
      throw new UsageError(`the addresses of a tuple must be of one family: ${filter.src}, ${filter.dst}`);
    }
  }

  /** The address family; undefined if no address is given. */
  get isIpv6(): boolean | undefined {
    return (this.#src ?? this.#dst)?.isIpv6;
  }

  /**
   * Does a key match?
   * @param ports the source port in the low half
   * @param src word index of the IPv4 address, or of the first of four words
   */
  matches(records: Int32Array, meta: number, ports: number, src: number, dst: number): boolean {
    if (!isAddress(records, src, meta, this.#src) || !isAddress(records, dst, meta, this.#dst)) {
      return false;
    }
    const protocol = metaProtocol(meta);
    const isIcmp = protocol === Protocol.ICMP || protocol === Protocol.ICMPV6;
    if (isIcmp ? this.#hasPorts : this.#hasIcmp) {
      return false;
    }
    const first = swapHalf(ports & 0xffff);
    if (isIcmp) {
      /* Connections have ICMP code 0. */
      return is(this.#id, first) && is(this.#type, icmpTypeOf(meta)) && is(this.#code, 0);
    }
    return is(this.#sport, first) && is(this.#dport, swapHalf(ports >>> 16));
  }
}

function isAddress(records: Int32Array, at: number, meta: number, wanted: AddressMatch | undefined): boolean {
  if (wanted === undefined) {
    return true;
  }
  if (wanted.isIpv6 !== ((meta & META_IPV6) !== 0)) {
    return false;
  }
  return wanted.words.every((word, i) => records[at + i] === word);
}
