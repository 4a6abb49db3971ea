/**
 * The table of link types, which finds the IP packet of a record. The tracker reads Ethernet frames. A record of another link type gets an
 * Ethernet header instead of its own. This also aligns the IP header to a word.
 *
 * A record of a known link type without IP (ARP, LCP, a beacon) stays a packet: its verdict is `inv`, as for ARP on Ethernet. Records of
 * unknown link types are not tracked: nothing is known about their content.
 *
 * Numbers and headers: https://www.tcpdump.org/linktypes.html
 */

import { CaptureError, MAX_FRAME_BYTES } from './bytes.ts';
import {
  behind,
  Found,
  type Finder,
  findEnc,
  findEtherType,
  findFrameRelay,
  findIpoib,
  findIpv4,
  findIpv6,
  findLinuxCooked,
  findLinuxCooked2,
  findLlcSnap,
  findLoopback,
  findMpls,
  findNflog,
  findPflog,
  findPpp,
  findPppOrCisco,
  findPppd,
  findPppoe,
  findRaw,
  findTokenRing,
  taggedEthernet,
} from './link-finders.ts';
import { findIn80211, findInRadiotap } from './wireless.ts';

export const ETHERNET = 1;

/** A link type, with its name in messages. Without a finder it is not tracked. */
interface LinkType {
  name: string;
  find?: Finder;
}

const LINK_TYPES: ReadonlyMap<number, LinkType> = new Map<number, LinkType>([
  [0, { name: 'BSD loopback', find: findLoopback }],
  [ETHERNET, { name: 'Ethernet' }],
  [6, { name: 'token ring', find: findTokenRing }],
  [8, { name: 'SLIP', find: behind(16, findRaw) }],
  [9, { name: 'PPP', find: findPpp }],
  [10, { name: 'FDDI', find: behind(13, findLlcSnap) }],
  [12, { name: 'raw IP', find: findRaw }],
  [14, { name: 'raw IP', find: findRaw }],
  [50, { name: 'PPP in HDLC', find: findPppOrCisco }],
  [51, { name: 'PPPoE', find: findPppoe }],
  [100, { name: 'LLC over ATM', find: findLlcSnap }],
  [101, { name: 'raw IP', find: findRaw }],
  [104, { name: 'Cisco HDLC', find: findPppOrCisco }],
  [105, { name: 'IEEE 802.11', find: findIn80211 }],
  [107, { name: 'frame relay', find: findFrameRelay }],
  [108, { name: 'OpenBSD loopback', find: findLoopback }],
  [109, { name: 'OpenBSD IPsec', find: findEnc }],
  [113, { name: 'Linux cooked', find: findLinuxCooked }],
  [117, { name: 'OpenBSD pf log', find: findPflog }],
  [122, { name: 'IP over Fibre Channel', find: behind(16, findLlcSnap) }],
  [127, { name: 'IEEE 802.11 radiotap', find: findInRadiotap }],
  [138, { name: 'IP over IEEE 1394', find: behind(16, findEtherType) }],
  [166, { name: 'PPP of pppd', find: findPppd }],
  [189, { name: 'USB' }],
  [195, { name: 'IEEE 802.15.4' }],
  [204, { name: 'PPP with direction', find: behind(1, findPpp) }],
  [205, { name: 'Cisco HDLC with direction', find: behind(1, findPppOrCisco) }],
  [206, { name: 'frame relay with direction', find: behind(1, findFrameRelay) }],
  [219, { name: 'MPLS', find: findMpls }],
  [220, { name: 'Linux USB' }],
  [227, { name: 'CAN' }],
  [228, { name: 'IPv4', find: findIpv4 }],
  [229, { name: 'IPv6', find: findIpv6 }],
  [239, { name: 'netfilter log', find: findNflog }],
  [240, { name: 'netANALYZER', find: taggedEthernet(4) }],
  [241, { name: 'netANALYZER with preamble', find: taggedEthernet(12) }],
  [242, { name: 'IP over InfiniBand', find: findIpoib }],
  [253, { name: 'netlink' }],
  [274, { name: 'Ethernet with preamble', find: taggedEthernet(8) }],
  [276, { name: 'Linux cooked v2', find: findLinuxCooked2 }],
  [281, { name: 'Broadcom switch tag', find: taggedEthernet(4) }],
  [282, { name: 'Broadcom switch tag in front', find: taggedEthernet(4) }],
  [283, { name: 'Marvell switch tag', find: taggedEthernet(4) }],
  [284, { name: 'long Marvell switch tag', find: taggedEthernet(8) }],
]);

/** Whether packets of this link type can be tracked. */
export function isTrackable(linkType: number): boolean {
  return linkType === ETHERNET || LINK_TYPES.get(linkType)?.find !== undefined;
}

/** For messages: number and name. */
export function linkTypeText(linkType: number): string {
  const name = LINK_TYPES.get(linkType)?.name ?? (linkType >= 147 && linkType <= 162 ? 'private use' : undefined);
  return name === undefined ? `link type ${linkType}` : `link type ${linkType} (${name})`;
}

/** @throws CaptureError with the name of the link type, and what to do */
export function requireTrackable(offset: number, linkType: number): void {
  if (!isTrackable(linkType)) {
    const advice = 'the tracker cannot read its packets: capture on an interface of Ethernet or IP';
    throw new CaptureError(offset, `${linkTypeText(linkType)}: ${advice}`);
  }
}

const ETHERNET_HEADER_BYTES = 14;
const NO_FRAME = new Uint8Array(0);

/** Makes Ethernet frames out of the records of a capture. */
export class Wrapper {
  /** Memory for the frame of a record that is not Ethernet. */
  #frame = NO_FRAME;
  readonly #found = new Found();

  /**
   * The record as an Ethernet frame, valid until the next call. An Ethernet record is its own frame.
   * @param linkType a trackable one
   */
  frame(linkType: number, record: Uint8Array): Uint8Array {
    if (linkType === ETHERNET) {
      return record;
    }
    const found = this.#found;
    LINK_TYPES.get(linkType)!.find!(record, found, 0);
    const start = Math.min(found.start, record.length);
    /* Cuts off padding only: no IP packet is as long as the longest record. */
    const bytes = Math.min(record.length - start, MAX_FRAME_BYTES - ETHERNET_HEADER_BYTES);
    const frameBytes = ETHERNET_HEADER_BYTES + bytes;
    if (this.#frame.length < frameBytes) {
      this.#frame = new Uint8Array(Math.min(MAX_FRAME_BYTES, 2 * frameBytes));
    }
    /* The addresses stay 0. */
    this.#frame[12] = found.etherType >>> 8;
    this.#frame[13] = found.etherType & 0xff;
    this.#frame.set(record.subarray(start, start + bytes), ETHERNET_HEADER_BYTES);
    return this.#frame.subarray(0, frameBytes);
  }
}
