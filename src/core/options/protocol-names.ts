/** Transport protocols by name, as conntrack(8) accepts them with -p. */

import { shown, UsageError } from '../errors.ts';
import { didYouMean } from './nearest-name.ts';
import { parseWhole } from './whole-number-text.ts';

const PROTOCOLS: Readonly<Record<string, number>> = {
  icmp: 1,
  tcp: 6,
  udp: 17,
  dccp: 33,
  gre: 47,
  icmpv6: 58,
  'ipv6-icmp': 58,
  icmp6: 58,
  sctp: 132,
  udplite: 136,
};

/**
 * The number of a protocol, given by name or as a number from 0 to 255 (decimal, 0x hexadecimal, 0 octal).
 * @param field the name of the field, for errors
 * @throws UsageError
 */
export function protocolNumber(field: string, text: string): number {
  const named = PROTOCOLS[text.toLowerCase()];
  if (named !== undefined && Object.hasOwn(PROTOCOLS, text.toLowerCase())) {
    return named;
  }
  const value = parseWhole(text);
  if (value === undefined || value > 0xffn) {
    const names = Object.keys(PROTOCOLS);
    throw new UsageError(
      `failed to parse field ${field}: ${shown(text)} is not a number from 0 to 255 and not one of ` +
        `${names.join(', ')}${didYouMean(text, names)}`,
    );
  }
  return Number(value);
}
