/** The table's secret, and the hash of a key in scratch memory with it. */

import { hashIpv4, hashIpv6 } from '../packet/hash.ts';
import { META_IPV6, ParsedWord } from '../packet/key.ts';
import { Protocol } from '../packet/layout.ts';

/** A META that no packet has, an ICMP kind in UDP: derived keys never equal the hash of a packet. */
const DERIVED_META: number = (Protocol.UDP << 8) | (1 << 2);

/**
 * Derives a key from the table's secret, one for each purpose. It is for choices whose results others see, such as a
 * translated port. Such results tell nothing about the secret, nor in which bucket a connection stands.
 */
export function derivedKey(hashKey: readonly [number, number], purpose: number): number {
  return hashIpv4(purpose, -1, 0, DERIVED_META, hashKey[0], hashKey[1]);
}

/** The keys of a table's hashes, two words each. */
export class HashKeys {
  /** For the index. */
  readonly key0: number;
  readonly key1: number;
  /** For choices that others see: translated ports and addresses. */
  readonly natKey0: number;
  readonly natKey1: number;

  constructor(hashKey: readonly [number, number]) {
    this.key0 = hashKey[0];
    this.key1 = hashKey[1];
    this.natKey0 = derivedKey(hashKey, 0);
    this.natKey1 = derivedKey(hashKey, 1);
  }

  /** What is hashed of a META: all of it. */
  hashedMeta(meta: number): number {
    return meta;
  }

  /** The hash of a key as the index has it. @param hash of its addresses, ports and hashedMeta */
  indexed(hash: number, _meta: number): number {
    return hash;
  }
}

/** The keys of most engines. */
export function hashKeys(hashKey: readonly [number, number]): HashKeys {
  return new HashKeys(hashKey);
}

/** Hashes the key at `parsed[at...]`, and writes the hash beside it. @returns the hash */
export function hashParsed(keys: HashKeys, parsed: Int32Array, at: number): number {
  const { key0, key1 } = keys;
  const whole = parsed[at + ParsedWord.META]!;
  const meta = keys.hashedMeta(whole);
  const ports = parsed[at + ParsedWord.PORTS]!;
  /* "| 0" tells V8 that the result is an int32. Without it the value would go through a double. */
  const hash =
    (meta & META_IPV6) === 0
      ? hashIpv4(parsed[at + ParsedWord.SRC]!, parsed[at + ParsedWord.DST]!, ports, meta, key0, key1) | 0
      : hashIpv6(parsed, at + ParsedWord.SRC6, at + ParsedWord.DST6, ports, meta, key0, key1) | 0;
  const indexed = keys.indexed(hash, whole) | 0;
  parsed[at + ParsedWord.HASH] = indexed;
  return indexed;
}
