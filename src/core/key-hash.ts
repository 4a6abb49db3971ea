/** The hash of a key in scratch memory, with the table's secret. */

import { hashIpv4, hashIpv6 } from './packet/hash.ts';
import { META_IPV6, ParsedWord } from './packet/key.ts';
import { Protocol } from './packet/layout.ts';
import type { Tracker } from './tracker.ts';

/** Hashes the key at `parsed[at...]`. */
export function hashParsed(tracker: Tracker, at: number): number {
  const { parsed, hashKey0, hashKey1 } = tracker;
  const meta = parsed[at + ParsedWord.META]!;
  const ports = parsed[at + ParsedWord.PORTS]!;
  /* "| 0" tells V8 that the result of a call is an int32: without it the value goes through a double. */
  const hash =
    (meta & META_IPV6) === 0
      ? hashIpv4(parsed[at + ParsedWord.SRC]!, parsed[at + ParsedWord.DST]!, ports, meta, hashKey0, hashKey1) | 0
      : hashIpv6(parsed, at + ParsedWord.SRC6, at + ParsedWord.DST6, ports, meta, hashKey0, hashKey1) | 0;
  parsed[at + ParsedWord.HASH] = hash;
  return hash;
}

/** META of no packet: a kind of ICMP message in UDP. */
const DERIVED_META: number = (Protocol.UDP << 8) | (1 << 2);

/**
 * A key derived from the table's secret for what others get to see the results of (a port that a translation chose): nothing of
 * where a connection stands in the table can be worked out from these, nor of the secret. Another one for each purpose.
 */
export function derivedKey(hashKey: readonly [number, number], purpose: number): number {
  return hashIpv4(purpose, -1, 0, DERIVED_META, hashKey[0], hashKey[1]);
}
