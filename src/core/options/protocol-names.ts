/** Protocols by name. conntrack(8) and Open vSwitch's dpctl use the same names, but each of them has no name for one protocol. */

import { shown, UsageError } from '../errors.ts';
import { Protocol } from '../packet/layout.ts';
import { didYouMean } from './nearest-name.ts';
import { parseWhole } from './whole-number-text.ts';

const NAMES = new Map<number, string>([
  [Protocol.ICMP, 'icmp'],
  [2, 'igmp'],
  [Protocol.TCP, 'tcp'],
  [Protocol.UDP, 'udp'],
  [33, 'dccp'],
  [47, 'gre'],
  [Protocol.ICMPV6, 'icmpv6'],
  [Protocol.SCTP, 'sctp'],
  [136, 'udplite'],
]);

const UNNAMED_IN = { conntrack: 'igmp', dpctl: 'gre' } as const;

/** The name of a protocol in the output of a program. Undefined: that program prints no name for it. */
export function protocolName(proto: number, program: 'conntrack' | 'dpctl'): string | undefined {
  const name = NAMES.get(proto);
  return name === UNNAMED_IN[program] ? undefined : name;
}

/** The names that conntrack(8) takes with -p. */
const NUMBERS = new Map<string, number>([
  ...Array.from(NAMES, ([proto, name]): [string, number] => [name, proto]).filter(
    ([name]) => name !== UNNAMED_IN.conntrack,
  ),
  ['ipv6-icmp', Protocol.ICMPV6],
  ['icmp6', Protocol.ICMPV6],
]);

/**
 * The number of a protocol, given by name or as a number from 0 to 255 (decimal, 0x hexadecimal, 0 octal).
 * @param field the name of the field, for errors
 * @throws UsageError
 */
export function protocolNumber(field: string, text: string): number {
  const named = NUMBERS.get(text.toLowerCase());
  if (named !== undefined) {
    return named;
  }
  const value = parseWhole(text);
  if (value === undefined || value > 0xffn) {
    const names = [...NUMBERS.keys()];
    throw new UsageError(
      `failed to parse field ${field}: ${shown(text)} is not a number from 0 to 255 and not one of ` +
        `${names.join(', ')}${didYouMean(text, names)}`,
    );
  }
  return Number(value);
}
