/**
 * Filters as text, with the arguments of Open vSwitch's `dpctl/flush-conntrack`:
 *
 *   zone=N  mark=VALUE[/MASK]  labels=VALUE[/MASK]  [ORIGINAL-TUPLE [REPLY-TUPLE]]
 *
 * A tuple is one argument of fields separated by commas or spaces, '' if only the reply tuple is wanted:
 *
 *   ct_nw_src ct_nw_dst (IPv4)  ct_ipv6_src ct_ipv6_dst  ct_nw_proto  ct_tp_src ct_tp_dst  icmp_type icmp_code icmp_id
 *
 * Beyond Open vSwitch, ct_nw_proto also takes the names that conntrack(8) takes.
 *
 * As there, an address or port of 0 stands for any. Beyond it: the first four arguments in any order, and
 *
 *   state=TCP-STATE   seen=replied|unreplied|established
 *
 * Unlike there, an ICMP field that is not given may be anything; Open vSwitch takes it for 0.
 */

import { parseIpv4, parseIpv6 } from './address.ts';
import { shown, UsageError } from './errors.ts';
import { ConnFilter, type ConnFilterOptions, type TcpStateName, type TupleFilter } from './filter.ts';
import { didYouMean } from './nearest-name.ts';
import { Protocol } from './packet/layout.ts';
import { protocolNumber } from './protocol-names.ts';

/** Arguments of their own, and fields of a tuple. */
const ARGUMENT_NAMES = ['zone', 'mark', 'labels', 'state', 'seen'] as const;
const TUPLE_FIELDS = [
  'ct_nw_src',
  'ct_nw_dst',
  'ct_ipv6_src',
  'ct_ipv6_dst',
  'ct_nw_proto',
  'ct_tp_src',
  'ct_tp_dst',
  'icmp_type',
  'icmp_code',
  'icmp_id',
] as const;

function unknownField(field: string): UsageError {
  const known = [...ARGUMENT_NAMES, ...TUPLE_FIELDS];
  return new UsageError(
    `invalid conntrack tuple field: ${field}${didYouMean(field, known)}; known are ${known.join(', ')}`,
  );
}

function parseNumber(field: string, text: string, max: number): number {
  const value = /^(\d+|0[xX][0-9a-fA-F]+)$/.test(text) ? Number(text) : Number.NaN;
  if (!(value <= max)) {
    throw new UsageError(`failed to parse field ${field}: ${shown(text)} is not a number from 0 to ${max}`);
  }
  return value;
}

/** VALUE[/MASK] of so many bits; without a mask all bits count. */
function parseMasked(field: string, text: string, bits: bigint): { value: bigint; mask: bigint } {
  const all = (1n << bits) - 1n;
  const [value, mask] = text.split('/', 2).map((part) => {
    const number = /^(\d+|0[xX][0-9a-fA-F]+)$/.test(part) ? BigInt(part) : -1n;
    if (number < 0n || number > all) {
      throw new UsageError(`failed to parse ${field}: ${shown(text)} is not VALUE or VALUE/MASK`);
    }
    return number;
  });
  if (text.split('/').length > 2) {
    throw new UsageError(`failed to parse ${field}: ${shown(text)} is not VALUE or VALUE/MASK`);
  }
  return { value: value!, mask: mask ?? all };
}

/** What the tuples of a filter share. */
interface Shared {
  isIpv6?: boolean;
  proto?: number;
}

function parseTupleFilter(text: string, shared: Shared): TupleFilter {
  const tuple: TupleFilter = {};
  const given = new Set<string>();
  for (const part of text.split(/[, \t]+/)) {
    if (part === '') {
      continue;
    }
    const [, field, value] = /^([^=(]*)=?(.*)$/s.exec(part)!;
    if (value === '') {
      if (!(TUPLE_FIELDS as readonly string[]).includes(field!)) {
        throw unknownField(field!);
      }
      throw new UsageError(`field ${field} missing value`);
    }
    parseField(tuple, field!, value!, shared, given);
  }
  if (shared.proto === undefined && (tuple.sport !== undefined || tuple.dport !== undefined)) {
    throw new UsageError('port is set without protocol: give ct_nw_proto as well');
  }
  return tuple;
}

function parseField(tuple: TupleFilter, field: string, value: string, shared: Shared, given: Set<string>): void {
  const end = field.endsWith('_src') ? 'src' : 'dst';
  if (given.has(field)) {
    throw new UsageError(`${field} is set multiple times`);
  }
  given.add(field);
  switch (field) {
    case 'ct_nw_src':
    case 'ct_nw_dst':
    case 'ct_ipv6_src':
    case 'ct_ipv6_dst': {
      const isIpv6 = field.startsWith('ct_ipv6');
      if (shared.isIpv6 !== undefined && shared.isIpv6 !== isIpv6) {
        throw new UsageError(`the L3 protocol does not match ${value}`);
      }
      shared.isIpv6 = isIpv6;
      const words = isIpv6 ? parseIpv6(value) : parseIpv4(value);
      if (words === undefined) {
        throw new UsageError(
          `failed to parse field ${field}: ${shown(value)} is not an ${isIpv6 ? 'IPv6' : 'IPv4'} address`,
        );
      }
      const isAny = typeof words === 'number' ? words === 0 : words.every((word) => word === 0);
      if (!isAny) {
        tuple[end] = value;
      }
      return;
    }
    case 'ct_nw_proto': {
      if (shared.proto !== undefined) {
        throw new UsageError('ct_nw_proto is set multiple times');
      }
      const proto = protocolNumber(field, value);
      if (proto !== 0) {
        shared.proto = proto;
      }
      return;
    }
    case 'ct_tp_src':
    case 'ct_tp_dst': {
      const port = parseNumber(field, value, 0xffff);
      if (port !== 0) {
        tuple[end === 'src' ? 'sport' : 'dport'] = port;
      }
      return;
    }
    case 'icmp_type':
    case 'icmp_code':
    case 'icmp_id':
      if (shared.proto !== Protocol.ICMP && shared.proto !== Protocol.ICMPV6) {
        throw new UsageError(`invalid L4 fields: ${field} needs ct_nw_proto=1 or ct_nw_proto=58 before it`);
      }
      tuple[field.slice('icmp_'.length) as 'type' | 'code' | 'id'] = parseNumber(
        field,
        value,
        field === 'icmp_id' ? 0xffff : 0xff,
      );
      return;
    default:
      throw unknownField(field);
  }
}

function hexLabel(value: bigint): string {
  return value.toString(16).padStart(32, '0');
}

/**
 * The filter that these arguments describe.
 * @throws UsageError with one line that names the argument
 */
export function parseConnFilter(args: readonly string[]): ConnFilter {
  const options: ConnFilterOptions = {};
  const shared: Shared = {};
  const tuples: TupleFilter[] = [];
  const given = new Set<string>();
  for (const arg of args) {
    const [, name, value] = /^(zone|mark|labels|state|seen)=(.*)$/s.exec(arg) ?? [];
    if (name === undefined || value === undefined) {
      if (tuples.length === 2) {
        throw new UsageError(`invalid arguments: ${shown(arg)} after two tuples`);
      }
      tuples.push(parseTupleFilter(arg, shared));
      continue;
    }
    if (given.has(name)) {
      throw new UsageError(`${name} is set multiple times`);
    }
    given.add(name);
    switch (name) {
      case 'zone':
        options.zone = parseNumber('zone', value, 0xffff);
        break;
      case 'mark': {
        const mark = parseMasked('mark', value, 32n);
        options.mark = { value: Number(mark.value), mask: Number(mark.mask) };
        break;
      }
      case 'labels': {
        const label = parseMasked('labels', value, 128n);
        options.label = { value: hexLabel(label.value), mask: hexLabel(label.mask) };
        break;
      }
      case 'state':
        options.tcpState = value.toUpperCase() as TcpStateName;
        break;
      default:
        options.seen = value as NonNullable<ConnFilterOptions['seen']>;
        break;
    }
  }
  const [orig, reply] = tuples;
  return new ConnFilter({
    ...options,
    ...(shared.proto === undefined ? {} : { proto: shared.proto }),
    ...(orig === undefined || Object.keys(orig).length === 0 ? {} : { orig }),
    ...(reply === undefined || Object.keys(reply).length === 0 ? {} : { reply }),
  });
}
