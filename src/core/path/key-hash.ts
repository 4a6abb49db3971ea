/** The table's secret, and the hash of a key in scratch memory with it. */

import { hashIpv4, hashIpv6 } from '../packet/hash.ts';
import { META_IPV6, ParsedWord } from '../packet/key.ts';
import { Protocol } from '../packet/layout.ts';

/** META of no packet: a kind of ICMP message in UDP. */
const DERIVED_META: number = (Protocol.UDP << 8) | (1 << 2);

/**
 * A key derived from the table's secret for what others get to see the results of (a port that a translation chose): nothing of
 * where a connection stands in the table can be worked out from these, nor of the secret. Another one for each purpose.
 */
export function derivedKey(hashKey: readonly [number, number], purpose: number): number {
  return hashIpv4(purpose, -1, 0, DERIVED_META, hashKey[0], hashKey[1]);
}

/** The keys of a table's hashes, two words each. */
export class HashKeys {
  /** Of the index: where a connection stands. */
  readonly key0: number;
  readonly key1: number;
  /** Of choices that others see: translated ports and addresses. */
  readonly natKey0: number;
  readonly natKey1: number;

  constructor(hashKey: readonly [number, number]) {
    this.key0 = hashKey[0];
    this.key1 = hashKey[1];
    this.natKey0 = derivedKey(hashKey, 0);
    this.natKey1 = derivedKey(hashKey, 1);
  }
}

/** Hashes the key at `parsed[at...]`, and writes the hash beside it. */
export function hashParsed(keys: HashKeys, parsed: Int32Array, at: number): number {
  const { key0, key1 } = keys;
  const meta = parsed[at + ParsedWord.META]!;
  const ports = parsed[at + ParsedWord.PORTS]!;
  /* "| 0" tells V8 that the result of a call is an int32: without it the value goes through a double. */
  const hash =
    (meta & META_IPV6) === 0
      ? hashIpv4(parsed[at + ParsedWord.SRC]!, parsed[at + ParsedWord.DST]!, ports, meta, key0, key1) | 0
      : hashIpv6(parsed, at + ParsedWord.SRC6, at + ParsedWord.DST6, ports, meta, key0, key1) | 0;
  parsed[at + ParsedWord.HASH] = hash;
  return hash;
}
