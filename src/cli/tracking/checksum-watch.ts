/**
 * Finds hosts whose checksums are all wrong. With checksum offload, the packets of the capturing host are captured before its interface
 * writes their checksums. So one whole direction of such a capture is invalid.
 */

import { formatIpv4, formatIpv6 } from '../../core/inspect/address.ts';
import { ChecksumBit, PacketWord } from '../../core/packet/layout.ts';
import { counted } from '../capture/occurrences.ts';

const GOOD = ChecksumBit.L4_GOOD;
const BAD = ChecksumBit.IP_BAD | ChecksumBit.L4_BAD;

/* EtherTypes in memory order. */
const ETHERTYPE_IPV4 = 0x0008;
const ETHERTYPE_IPV6 = 0xdd86;
const VLAN_ETHERTYPES: ReadonlySet<number> = new Set([0x0081, 0xa888]);
const MAX_VLAN_TAGS = 2;

/** Words from a packet to the network header of a frame without tags. */
const NETWORK_HEADER: number = PacketWord.FRAME + 4;

/** One wrong packet proves nothing. */
const LEAST_PACKETS = 2;
/** Most hosts that are watched. */
const MAX_HOSTS = 65_536;

interface Host {
  address: string;
  good: number;
  bad: number;
}

export class ChecksumWatch {
  readonly #hosts = new Map<number | string, Host>();

  /** Counts a tracked packet. */
  see(words: Int32Array, slot: number): void {
    const checksums = words[slot + PacketWord.CHECKSUMS]!;
    const isBad = (checksums & BAD) !== 0;
    if (!isBad && (checksums & GOOD) === 0) {
      return;
    }
    let l3 = slot + NETWORK_HEADER;
    for (let tags = 0; tags < MAX_VLAN_TAGS && VLAN_ETHERTYPES.has(words[l3 - 1]! >>> 16); tags++) {
      l3++;
    }
    const etherType = words[l3 - 1]! >>> 16;
    if (etherType === ETHERTYPE_IPV4) {
      const key = words[l3 + 3]!;
      this.#count(this.#hosts.get(key) ?? this.#add(key, () => formatIpv4(key)), isBad);
    } else if (etherType === ETHERTYPE_IPV6) {
      const key = `${words[l3 + 2]},${words[l3 + 3]},${words[l3 + 4]},${words[l3 + 5]}`;
      this.#count(this.#hosts.get(key) ?? this.#add(key, () => formatIpv6(words, l3 + 2)), isBad);
    }
  }

  #add(key: number | string, address: () => string): Host | undefined {
    if (this.#hosts.size === MAX_HOSTS) {
      return undefined;
    }
    const host = { address: address(), good: 0, bad: 0 };
    this.#hosts.set(key, host);
    return host;
  }

  #count(host: Host | undefined, isBad: boolean): void {
    if (host !== undefined) {
      host[isBad ? 'bad' : 'good']++;
    }
  }

  /** A line for standard error if there are such hosts. */
  lines(): string[] {
    const hosts = [...this.#hosts.values()].filter(({ good, bad }) => good === 0 && bad >= LEAST_PACKETS);
    if (hosts.length === 0) {
      return [];
    }
    const packets = hosts.reduce((sum, { bad }) => sum + bad, 0);
    const others = hosts.length === 1 ? '' : ` and of ${counted(hosts.length - 1, 'other host')}`;
    return [
      `all checksums of ${hosts[0]!.address}${others} are wrong (${counted(packets, 'packet')}), probably because of checksum ` +
        'offload: --checksums trust accepts them',
    ];
  }
}
