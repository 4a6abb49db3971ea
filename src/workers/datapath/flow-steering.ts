/**
 * Chooses the worker of a packet by a hash of its flow. Both directions have the same hash. An ICMP error goes to the worker
 * of the packet that it quotes. Packets without a key go to the first worker.
 *
 * Fragments have no ports. Steered by flow, fragments of one datagram may go to different workers, and whole packets of their
 * flow may overtake them. Steered by addresses, all of them keep their order.
 *
 * A table of the engine `shards` has a shard for each worker, or several. The flow's shard then tells the worker: steering and table
 * use one function (engines/shards/shard-keys.ts).
 */

import { ShardKeys } from '../../core/engines/shards/shard-keys.ts';
import { shown, UsageError } from '../../core/errors.ts';
import { PacketBatch } from '../../core/packet/batch.ts';
import { hashIpv4, hashIpv6 } from '../../core/packet/hash.ts';
import { META_IPV6, PARSED_WORDS, ParsedKind, ParsedWord } from '../../core/packet/key.ts';
import { ChecksumBit } from '../../core/packet/layout.ts';
import { parsePacket } from '../../core/packet/parse.ts';
import { type HashKeys, hashParsed } from '../../core/path/key-hash.ts';

/** The key need not be secret. An attacker who can predict the hash can only choose among a few workers. */
const KEY0 = 0x5bd1e995;
const KEY1 = 0x1b873593;

/** Largest frame that can be steered. */
export const MAX_FRAME_BYTES = 262_144;

/** Packets are steered by addresses, protocol and ports (`flow`), or by the two addresses alone. */
export type Steering = 'flow' | 'addresses';

/** Steers packets; allocates nothing per packet. */
export class FlowSteering {
  readonly #staging = PacketBatch.allocate(MAX_FRAME_BYTES);
  readonly #parsed = new Int32Array(PARSED_WORDS);
  readonly #metadata = { checksums: ChecksumBit.IP_GOOD | ChecksumBit.L4_GOOD };
  readonly #byAddresses: boolean;
  readonly #keys: ShardKeys | undefined;

  /**
   * @param keys of the table whose shards the workers have (engine `shards`). undefined: of another table
   * @throws UsageError for an unknown mode
   */
  constructor(steering: Steering = 'flow', keys?: HashKeys) {
    if (steering !== 'flow' && steering !== 'addresses') {
      throw new UsageError(`steering must be 'flow' or 'addresses', not ${shown(steering)}`);
    }
    this.#byAddresses = steering === 'addresses';
    this.#keys = keys instanceof ShardKeys ? keys : undefined;
  }

  /** The worker, 0..workers-1, for an Ethernet frame. */
  workerOf(frame: Uint8Array, workers: number): number {
    if (workers === 1) {
      return 0;
    }
    const parsed = this.#parsed;
    const kind = this.#parse(frame);
    if (kind !== ParsedKind.KEYED && kind !== ParsedKind.FRAGMENT) {
      return 0;
    }
    const isWholeKey = kind === ParsedKind.KEYED && !this.#byAddresses;
    const keys = this.#keys;
    if (isWholeKey && keys !== undefined) {
      return keys.shardOf(hashParsed(keys, parsed, 0)) % workers;
    }
    const family = parsed[ParsedWord.META]! & META_IPV6;
    const meta = isWholeKey ? parsed[ParsedWord.META]! : family;
    const ports = isWholeKey ? parsed[ParsedWord.PORTS]! : 0;
    const hash =
      family === 0
        ? hashIpv4(parsed[ParsedWord.SRC]!, parsed[ParsedWord.DST]!, ports, meta, KEY0, KEY1)
        : hashIpv6(parsed, ParsedWord.SRC6, ParsedWord.DST6, ports, meta, KEY0, KEY1);
    return (hash >>> 0) % workers;
  }

  /** Whether this frame is a fragment that reassembly may hold. */
  isFragment(frame: Uint8Array): boolean {
    return this.#parse(frame) === ParsedKind.FRAGMENT;
  }

  #parse(frame: Uint8Array): number {
    const staging = this.#staging;
    staging.clear();
    staging.add(frame, this.#metadata);
    return parsePacket(staging.words, staging.slots[0]!, this.#parsed, 0, 0);
  }
}
