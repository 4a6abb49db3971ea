/**
 * Filters as text, with the arguments of Open vSwitch's `dpctl/flush-conntrack`:
 *
 *   zone=N  mark=VALUE[/MASK]  labels=VALUE[/MASK]  [ORIGINAL-TUPLE [REPLY-TUPLE]]
 *
 * A tuple is one argument of fields separated by commas or spaces, '' if only the reply tuple is wanted:
 *
 *   ct_nw_src ct_nw_dst (IPv4)  ct_ipv6_src ct_ipv6_dst  ct_nw_proto  ct_tp_src ct_tp_dst  icmp_type icmp_code icmp_id
 *
 * Numbers are read as in C: 0x17 is hexadecimal, 017 octal. As in Open vSwitch:
 *
 *   - an IPv6 address of zeros, or a port of 0, matches any, and fixes the address family
 *   - a field may be repeated, and the last one counts; an address may not be repeated
 *   - the protocol applies to both tuples, wherever it stands
 *
 * Beyond Open vSwitch, ct_nw_proto also takes the names of conntrack(8), the first four arguments may come in any order, and
 * there are two more:
 *
 *   state=TCP-STATE   seen=replied|unreplied|established
 *
 * Unlike Open vSwitch:
 *
 *   - an ICMP field that is not given matches any value; Open vSwitch reads it as 0
 *   - 0.0.0.0 matches any IPv4 address, as :: matches any IPv6 address; Open vSwitch matches 0.0.0.0 itself
 *   - text after a number, or a wrong mask, is an error; Open vSwitch ignores it. A wrong filter must not remove connections
 */

import { parseIpv4, parseIpv6 } from './address.ts';
import { shown, UsageError } from '../errors.ts';
import { ConnFilter, type ConnFilterOptions, type TcpStateName, type TupleFilter } from './filter.ts';
import { MAX_ZONE } from '../zones/zone.ts';
import { didYouMean } from '../options/nearest-name.ts';
import { Protocol } from '../packet/layout.ts';
import { protocolNumber } from '../options/protocol-names.ts';
import { parseWhole } from '../options/whole-number-text.ts';

/** Separate arguments, and the fields of a tuple. */
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
  const value = parseWhole(text);
  if (value === undefined || value > BigInt(max)) {
    throw new UsageError(`failed to parse field ${field}: ${shown(text)} is not a number from 0 to ${max}`);
  }
  return Number(value);
}

/** A zone number. Unlike the other numbers it is never octal. */
function parseZone(text: string): number {
  return parseNumber('zone', text.replace(/^0+(?=\d)/, ''), MAX_ZONE);
}

/** Parses VALUE[/MASK] of `bits` bits. Without a mask all bits are compared. Decimal numbers have at most 64 bits. */
function parseMasked(field: string, text: string, bits: bigint): { value: bigint; mask: bigint } {
  const all = (1n << bits) - 1n;
  const parts = text.split('/', 3);
  const [value, mask = all] = parts.map((part) => {
    const number = parseWhole(part);
    if (number === undefined || number > all || parts.length > 2) {
      const limits = `of ${bits} bits${bits > 64n ? ', those beyond 64 in hexadecimal' : ''}`;
      throw new UsageError(`failed to parse ${field}: ${shown(text)} is not VALUE or VALUE/MASK ${limits}`);
    }
    return number;
  });
  return { value: value!, mask };
}

/** The parts that both tuples of a filter share. */
interface Shared {
  family?: 'ipv4' | 'ipv6';
  proto?: number;
}

/**
 * A tuple while it is being read. The protocol may be given again later, so only the end shows whether its numbers are
 * ports, or identifier, type and code of ICMP. Until then both share their place, as in Open vSwitch.
 */
interface RawTuple {
  src?: string;
  dst?: string;
  /** Source port or identifier. */
  first?: number;
  /** Type, or lower half of the destination port; code, or upper half. */
  type?: number;
  code?: number;
}

function destinationPort({ type = 0, code = 0 }: RawTuple): number {
  return (code << 8) | type;
}

/** The fields of a tuple, as `NAME=VALUE`, `NAME:VALUE` or `NAME(VALUE)`, with commas or white space between them. */
function* fieldsOf(text: string): Generator<[field: string, value: string]> {
  const pattern = /[, \t]*([^:=(, \t]*)(?:[:=]([^, \t]*)|\(([^)]*)\)?)?/gy;
  for (;;) {
    const [all, field, value, bracketed] = pattern.exec(text) ?? [''];
    if (field === undefined || (field === '' && /^[, \t]*$/.test(all))) {
      return;
    }
    yield [field, value ?? bracketed ?? ''];
  }
}

function parseRawTuple(text: string, shared: Shared): RawTuple {
  const tuple: RawTuple = {};
  for (const [field, value] of fieldsOf(text)) {
    if (value === '') {
      if (!(TUPLE_FIELDS as readonly string[]).includes(field)) {
        throw unknownField(field);
      }
      throw new UsageError(`field ${field} missing value`);
    }
    parseField(tuple, field, value, shared);
  }
  if (shared.proto === undefined && ((tuple.first ?? 0) !== 0 || destinationPort(tuple) !== 0)) {
    throw new UsageError('port is set without protocol: give ct_nw_proto as well');
  }
  return tuple;
}

function parseAddress(tuple: RawTuple, field: string, value: string, shared: Shared): void {
  const end = field.endsWith('_src') ? 'src' : 'dst';
  const family = field.startsWith('ct_ipv6') ? 'ipv6' : 'ipv4';
  if (shared.family !== undefined && shared.family !== family) {
    throw new UsageError(`the L3 protocol does not match ${value}`);
  }
  if (tuple[end] !== undefined) {
    throw new UsageError(`${field} is set multiple times`);
  }
  const words = family === 'ipv6' ? parseIpv6(value) : parseIpv4(value);
  if (words === undefined) {
    const kind = family === 'ipv6' ? 'an IPv6' : 'an IPv4';
    throw new UsageError(`failed to parse field ${field}: ${shown(value)} is not ${kind} address`);
  }
  shared.family = family;
  const isAny = typeof words === 'number' ? words === 0 : words.every((word) => word === 0);
  if (!isAny) {
    tuple[end] = value;
  }
}

function parseField(tuple: RawTuple, field: string, value: string, shared: Shared): void {
  switch (field) {
    case 'ct_nw_src':
    case 'ct_nw_dst':
    case 'ct_ipv6_src':
    case 'ct_ipv6_dst':
      parseAddress(tuple, field, value, shared);
      return;
    case 'ct_nw_proto': {
      const proto = protocolNumber(field, value);
      if (proto === 0) {
        delete shared.proto;
      } else {
        shared.proto = proto;
      }
      return;
    }
    case 'ct_tp_src':
      tuple.first = parseNumber(field, value, 0xffff);
      return;
    case 'ct_tp_dst': {
      const port = parseNumber(field, value, 0xffff);
      tuple.type = port & 0xff;
      tuple.code = port >>> 8;
      return;
    }
    case 'icmp_type':
    case 'icmp_code':
    case 'icmp_id':
      if (!isIcmp(shared.proto)) {
        throw new UsageError(`invalid L4 fields: ${field} needs ct_nw_proto=1 or ct_nw_proto=58 before it`);
      }
      if (field === 'icmp_id') {
        tuple.first = parseNumber(field, value, 0xffff);
      } else {
        tuple[field === 'icmp_type' ? 'type' : 'code'] = parseNumber(field, value, 0xff);
      }
      return;
    default:
      throw unknownField(field);
  }
}

function isIcmp(proto: number | undefined): boolean {
  return proto === Protocol.ICMP || proto === Protocol.ICMPV6;
}

/** The filter of a tuple, once the protocol is known. Undefined: no condition. */
function tupleFilter(raw: RawTuple, proto: number | undefined): TupleFilter | undefined {
  const { src, dst, first, type, code } = raw;
  const sport = first === 0 ? undefined : first;
  const dport = destinationPort(raw) === 0 ? undefined : destinationPort(raw);
  const members = isIcmp(proto) ? { src, dst, id: first, type, code } : { src, dst, sport, dport };
  const given = Object.entries(members).filter(([, value]) => value !== undefined);
  return given.length === 0 ? undefined : Object.fromEntries(given);
}

function hexLabel(value: bigint): string {
  return value.toString(16).padStart(32, '0');
}

/**
 * Parses the arguments of a filter.
 * @throws UsageError with one line that names the argument
 */
export function parseConnFilter(args: readonly string[]): ConnFilter {
  if (!Array.isArray(args) || args.some((arg) => typeof arg !== 'string')) {
    throw new UsageError(`the arguments of a filter must be a list of texts, not ${shown(args)}`);
  }
  const options: ConnFilterOptions = {};
  const shared: Shared = {};
  const tuples: RawTuple[] = [];
  const given = new Set<string>();
  for (const arg of args) {
    const [, name, value] = /^(zone|mark|labels|state|seen)=(.*)$/s.exec(arg) ?? [];
    if (name === undefined || value === undefined) {
      if (tuples.length === 2) {
        throw new UsageError(`invalid arguments: ${shown(arg)} after two tuples`);
      }
      tuples.push(parseRawTuple(arg, shared));
      continue;
    }
    if (given.has(name)) {
      throw new UsageError(`${name} is set multiple times`);
    }
    given.add(name);
    switch (name) {
      case 'zone':
        options.zone = parseZone(value);
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
  const { family, proto } = shared;
  const [orig, reply] = tuples.map((tuple) => tupleFilter(tuple, proto));
  return new ConnFilter({
    ...options,
    ...(family === undefined ? {} : { family }),
    ...(proto === undefined ? {} : { proto }),
    ...(orig === undefined ? {} : { orig }),
    ...(reply === undefined ? {} : { reply }),
  });
}
