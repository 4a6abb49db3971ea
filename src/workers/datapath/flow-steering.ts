/**
 * Which worker gets a packet: a hash of its flow, the same for both directions. An ICMP error goes where the packet
 * that it quotes goes. Packets without a key go to the first worker.
 *
 * Fragments have no ports, so by flow they part from the other packets of their flow. Fragments of one datagram may
 * well go to different workers, and whole packets may overtake them; where the order within a flow must be kept all
 * the same, packets are steered by their pair of addresses.
 */

import { shown, UsageError } from '../../core/errors.ts';
import { PacketBatch } from '../../core/packet/batch.ts';
import { hashIpv4, hashIpv6 } from '../../core/packet/hash.ts';
import { META_IPV6, PARSED_WORDS, ParsedKind, ParsedWord } from '../../core/packet/key.ts';
import { ChecksumBit } from '../../core/packet/layout.ts';
import { parsePacket } from '../../core/packet/parse.ts';

/** The key of this hash need not be secret: who chooses a worker chooses among a handful. */
const KEY0 = 0x5bd1e995;
const KEY1 = 0x1b873593;

/** Largest frame that can be steered. */
export const MAX_FRAME_BYTES = 262_144;

/** What of a packet chooses its worker: addresses, protocol and ports, or the two addresses alone. */
export type Steering = 'flow' | 'addresses';

/** Steers packets; allocates nothing per packet. */
export class FlowSteering {
  readonly #staging = PacketBatch.allocate(MAX_FRAME_BYTES);
  readonly #parsed = new Int32Array(PARSED_WORDS);
  readonly #metadata = { checksums: ChecksumBit.IP_GOOD | ChecksumBit.L4_GOOD };
  readonly #byAddresses: boolean;

  /** @throws UsageError if it is no Steering. */
  constructor(steering: Steering = 'flow') {
    if (steering !== 'flow' && steering !== 'addresses') {
      throw new UsageError(`steering must be 'flow' or 'addresses', not ${shown(steering)}`);
    }
    this.#byAddresses = steering === 'addresses';
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
    const family = parsed[ParsedWord.META]! & META_IPV6;
    const meta = isWholeKey ? parsed[ParsedWord.META]! : family;
    const ports = isWholeKey ? parsed[ParsedWord.PORTS]! : 0;
    const hash =
      family === 0
        ? hashIpv4(parsed[ParsedWord.SRC]!, parsed[ParsedWord.DST]!, ports, meta, KEY0, KEY1)
        : hashIpv6(parsed, ParsedWord.SRC6, ParsedWord.DST6, ports, meta, KEY0, KEY1);
    return (hash >>> 0) % workers;
  }

  /** Is this frame a fragment that reassembly may hold? */
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
