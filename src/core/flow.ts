/**
 * Which worker gets a packet: a hash of its flow, the same for both directions. An ICMP error goes where the packet
 * that it quotes goes. Packets without a key go to the first worker.
 */

import { PacketBatch } from './packet/batch.ts';
import { hashIpv4, hashIpv6 } from './packet/hash.ts';
import { META_IPV6, PARSED_WORDS, ParsedKind, ParsedWord } from './packet/key.ts';
import { ChecksumBit } from './packet/layout.ts';
import { parsePacket } from './packet/parse.ts';

/** The key of this hash need not be secret: who chooses a worker chooses among a handful. */
const KEY0 = 0x5bd1e995;
const KEY1 = 0x1b873593;

/** Largest frame that can be steered. */
export const MAX_FRAME_BYTES = 262_144;

/** Steers packets; allocates nothing per packet. */
export class FlowSteering {
  readonly #staging = PacketBatch.allocate(MAX_FRAME_BYTES);
  readonly #parsed = new Int32Array(PARSED_WORDS);
  readonly #metadata = { checksums: ChecksumBit.IP_GOOD | ChecksumBit.L4_GOOD };

  /** The worker, 0..workers-1, for an Ethernet frame. */
  workerOf(frame: Uint8Array, workers: number): number {
    if (workers === 1) {
      return 0;
    }
    const staging = this.#staging;
    const parsed = this.#parsed;
    staging.clear();
    staging.add(frame, this.#metadata);
    if (parsePacket(staging.words, staging.slots[0]!, parsed, 0, 0) !== ParsedKind.KEYED) {
      return 0;
    }
    const meta = parsed[ParsedWord.META]!;
    const ports = parsed[ParsedWord.PORTS]!;
    const hash =
      (meta & META_IPV6) === 0
        ? hashIpv4(parsed[ParsedWord.SRC]!, parsed[ParsedWord.DST]!, ports, meta, KEY0, KEY1)
        : hashIpv6(parsed, ParsedWord.SRC6, ParsedWord.DST6, ports, meta, KEY0, KEY1);
    return (hash >>> 0) % workers;
  }
}
