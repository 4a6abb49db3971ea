/**
 * Finders: each reads the wrapper of one kind of record and says where the packet lies in it. The table of link types
 * (link-types.ts) chooses among them.
 */

export const EtherType = { ipv4: 0x0800, ipv6: 0x86dd, none: 0xffff } as const;

/** What a finder says about a record. One object serves all records. */
export class Found {
  /** Index of the packet's first byte. */
  start = 0;
  /** What the packet is; EtherType.none if it is nothing that can be tracked. Below 0x600: LLC follows, of that length. */
  etherType: number = EtherType.none;

  set(start: number, etherType: number): void {
    this.start = start;
    this.etherType = etherType;
  }
}

/** Reads the wrapper of a record. Reading beyond its end is harmless: a missing byte counts as 0. */
export type Finder = (record: Uint8Array, found: Found, at: number) => void;

/** 16 bits in network order. */
export function halfAt(record: Uint8Array, at: number): number {
  return (record[at]! << 8) | record[at + 1]!;
}

/** IP without a wrapper: the version says which. */
export function findRaw(record: Uint8Array, found: Found, at: number): void {
  const version = record[at]! >>> 4;
  found.set(at, version === 4 ? EtherType.ipv4 : version === 6 ? EtherType.ipv6 : EtherType.none);
}

/** AF_INET6 of BSD/OS and NetBSD, FreeBSD, macOS, Linux, Solaris, Windows. AF_INET is 2 everywhere. */
const INET6_FAMILIES: ReadonlySet<number> = new Set([24, 28, 30, 10, 26, 23]);

function etherTypeOfFamily(family: number): number {
  return family === 2 ? EtherType.ipv4 : INET6_FAMILIES.has(family) ? EtherType.ipv6 : EtherType.none;
}

/** Four bytes with the address family, in the byte order of the machine that captured. Families are small numbers. */
export function findLoopback(record: Uint8Array, found: Found, at: number): void {
  const high = halfAt(record, at);
  const low = halfAt(record, at + 2);
  const family = high === 0 ? low : low === 0 ? ((high & 0xff) << 8) | (high >>> 8) : 0;
  found.set(at + 4, etherTypeOfFamily(family));
}

/** From a PPP protocol number on. It takes one byte where that is odd (RFC 1661, 6.5). */
export function findPppProtocol(record: Uint8Array, found: Found, at: number): void {
  const isShort = (record[at]! & 1) !== 0;
  const protocol = isShort ? record[at]! : halfAt(record, at);
  const etherType = protocol === 0x21 ? EtherType.ipv4 : protocol === 0x57 ? EtherType.ipv6 : EtherType.none;
  found.set(at + (isShort ? 1 : 2), etherType);
}

/** PPP with or without address and control (RFC 1662). */
export function findPpp(record: Uint8Array, found: Found, at: number): void {
  const isFramed = record[at] === 0xff && record[at + 1] === 0x03;
  findPppProtocol(record, found, isFramed ? at + 2 : at);
}

/** Cisco's HDLC: address, control, EtherType. */
export function findCiscoHdlc(record: Uint8Array, found: Found, at: number): void {
  found.set(at + 4, halfAt(record, at + 2));
}

/** On a serial line the first byte says whether it is Cisco's. */
export function findPppOrCisco(record: Uint8Array, found: Found, at: number): void {
  const find = record[at] === 0x0f || record[at] === 0x8f ? findCiscoHdlc : findPpp;
  find(record, found, at);
}

/** pppd's: the direction stands where the address was. */
export function findPppd(record: Uint8Array, found: Found, at: number): void {
  findPppProtocol(record, found, record[at + 1] === 0x03 ? at + 2 : at);
}

/** A session's header, then PPP (RFC 2516). Discovery (a code other than 0) holds no packets. */
export function findPppoe(record: Uint8Array, found: Found, at: number): void {
  if (record[at + 1] === 0) {
    findPppProtocol(record, found, at + 6);
  } else {
    found.set(at, EtherType.none);
  }
}

/** `tcpdump -i any`. The protocol is an EtherType, or 4 for LLC. */
export function findLinuxProtocol(record: Uint8Array, found: Found, start: number, protocol: number): void {
  if (protocol === 4) {
    found.set(start, Math.min(record.length - start, 0x5dc));
  } else {
    found.set(start, protocol < 0x600 ? EtherType.none : protocol);
  }
}

export function findLinuxCooked(record: Uint8Array, found: Found, at: number): void {
  findLinuxProtocol(record, found, at + 16, halfAt(record, at + 14));
}

export function findLinuxCooked2(record: Uint8Array, found: Found, at: number): void {
  findLinuxProtocol(record, found, at + 20, halfAt(record, at));
}

/** LLC, and SNAP with an EtherType (RFC 1042). */
export function findLlcSnap(record: Uint8Array, found: Found, at: number): void {
  const isSnap = record[at] === 0xaa && record[at + 1] === 0xaa && record[at + 2] === 0x03;
  /* OUI 0, or of bridges that tunnel Ethernet (0000f8). */
  const hasEtherType =
    record[at + 3] === 0 && record[at + 4] === 0 && (record[at + 5] === 0 || record[at + 5] === 0xf8);
  found.set(at + 8, isSnap && hasEtherType ? halfAt(record, at + 6) : EtherType.none);
}

/** Frame relay (RFC 2427): an address, control, then a number for the protocol. */
export function findFrameRelay(record: Uint8Array, found: Found, at: number): void {
  let next = at;
  while (next < at + 4 && (record[next]! & 1) === 0) {
    next++;
  }
  next++;
  if (record[next] !== 0x03) {
    /* Cisco's: an EtherType follows the address. */
    found.set(next + 2, halfAt(record, next));
    return;
  }
  next += record[next + 1] === 0 ? 2 : 1;
  const protocol = record[next]!;
  if (protocol === 0x80) {
    found.set(next + 6, halfAt(record, next + 4));
  } else {
    found.set(next + 1, protocol === 0xcc ? EtherType.ipv4 : protocol === 0x8e ? EtherType.ipv6 : EtherType.none);
  }
}

/** OpenBSD's IPsec interface: family, index of the association, flags. */
export function findEnc(record: Uint8Array, found: Found, at: number): void {
  findLoopback(record, found, at);
  found.start = at + 12;
}

/** Attributes of a netlink message (`tcpdump -i nflog`), of which one is the packet. Lengths have the byte order of the machine. */
export function findNflog(record: Uint8Array, found: Found, at: number): void {
  for (let next = at + 4; next + 4 <= record.length; ) {
    const [first, second] = [record[next]!, record[next + 1]!];
    const bytes = first | (second << 8);
    if ((record[next + 2]! | (record[next + 3]! << 8)) === 9) {
      found.set(next + 4, etherTypeOfFamily(record[at]!));
      return;
    }
    next += Math.max(4, (bytes + 3) & ~3);
  }
  found.set(at, EtherType.none);
}

/** Token ring: two control bytes, addresses, and the way through bridges if the source's highest bit says so; then LLC. */
export function findTokenRing(record: Uint8Array, found: Found, at: number): void {
  const hasWay = (record[at + 8]! & 0x80) !== 0;
  findLlcSnap(record, found, at + 14 + (hasWay ? record[at + 14]! & 0x1f : 0));
}

/** MPLS: labels up to the one whose last bit of the third byte is set, then IP. */
export function findMpls(record: Uint8Array, found: Found, at: number): void {
  let next = at;
  while (next + 4 < record.length && (record[next + 2]! & 1) === 0) {
    next += 4;
  }
  findRaw(record, found, next + 4);
}

/** The log of OpenBSD's pf: its own length, family. */
export function findPflog(record: Uint8Array, found: Found, at: number): void {
  found.set(at + ((record[at]! + 3) & ~3), etherTypeOfFamily(record[at + 1]!));
}

/** IP over InfiniBand: an EtherType and two reserved bytes behind the address. */
export function findIpoib(record: Uint8Array, found: Found, at: number): void {
  found.set(at + 44, halfAt(record, at + 40));
}

/** `bytes` in front of an Ethernet frame, or a tag of so many behind its addresses: where the EtherType stands is the same. */
export function taggedEthernet(bytes: number): Finder {
  return behind(12 + bytes, findEtherType);
}

/** A header of fixed length, then what `find` finds. */
export function behind(headerBytes: number, find: Finder): Finder {
  return (record, found, at) => find(record, found, at + headerBytes);
}

/** Link types of one family. Some programs write both under one of them: where the version is clear it decides. */
export function findIpv4(record: Uint8Array, found: Found, at: number): void {
  found.set(at, record[at]! >>> 4 === 6 ? EtherType.ipv6 : EtherType.ipv4);
}

export function findIpv6(record: Uint8Array, found: Found, at: number): void {
  found.set(at, record[at]! >>> 4 === 4 ? EtherType.ipv4 : EtherType.ipv6);
}

export function findEtherType(record: Uint8Array, found: Found, at: number): void {
  found.set(at + 2, halfAt(record, at));
}
