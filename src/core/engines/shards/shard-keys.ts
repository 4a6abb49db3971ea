/**
 * The hash of the engine `shards`. Its high bits name the shard. They depend on addresses, protocol and ports, but not on the zone: the
 * datapath steers a packet before any action gives it a zone, and a packet that passes several zones stays on its PMD. The zone goes
 * into the low bits, which choose the line in the shard.
 *
 *      addresses, protocol, ports --> HalfSipHash (packet/hash.ts) --> shard | low bits
 *                                                                        |        ^ XOR zone * ZONE_FACTOR
 *                                                                        v        v
 *                                       the PMD: shard % PMDs          the bucket | the home line
 *
 * Both directions have the same hash, so also the same shard. The key of the hash is secret, as in every table. So nobody can choose
 * flows that meet in one shard.
 */

import { metaZone } from '../../packet/key.ts';
import { HashKeys } from '../../path/key-hash.ts';

/** Any odd number: then different zones give different low bits. */
const ZONE_FACTOR = 0x9e3779b1;
const ALL_BUT_ZONE = 0xffff;
const HASH_BITS = 32;
/** Shards of each PMD, at least, if the number of PMDs is no power of two. */
const SPREAD = 8;

/**
 * Shards for this many PMDs: one for each, if their number is a power of two. Otherwise several, so that a PMD has at most an eighth
 * more than another.
 */
export function shardsFor(pmds: number): number {
  const isPowerOfTwo = (pmds & (pmds - 1)) === 0;
  return isPowerOfTwo ? pmds : 2 ** Math.ceil(Math.log2(SPREAD * pmds));
}

export class ShardKeys extends HashKeys {
  private readonly shift: number;
  /** The bits of a hash that name the shard. */
  private readonly shardBits: number;

  /** @param bucketBits log2 of the shards */
  constructor(hashKey: readonly [number, number], bucketBits: number) {
    super(hashKey);
    this.shift = HASH_BITS - bucketBits;
    this.shardBits = bucketBits === 0 ? 0 : -1 << this.shift;
  }

  override hashedMeta(meta: number): number {
    return meta & ALL_BUT_ZONE;
  }

  override indexed(hash: number, meta: number): number {
    return hash ^ (Math.imul(metaZone(meta), ZONE_FACTOR) & ~this.shardBits);
  }

  /** The shard of a hash. */
  shardOf(hash: number): number {
    return this.shift === HASH_BITS ? 0 : hash >>> this.shift;
  }
}
