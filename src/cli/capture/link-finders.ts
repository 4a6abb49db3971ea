/** Finders. Each reads the wrapper of one kind of record and finds the packet in it. link-types.ts chooses the finder. */

export const EtherType = { ipv4: 0x0800, ipv6: 0x86dd, none: 0xffff } as const;

/** The result of a finder. One object serves all records. */
export class Found {
  /** Index of the packet's first byte. */
  start = 0;
  /** Type of the packet; EtherType.none if it cannot be tracked. Below 0x600 it is a length, and LLC follows. */
  etherType: number = EtherType.none;

  set(start: number, etherType: number): void {
    this.start = start;
    this.etherType = etherType;
  }
}

/** Reads the wrapper of a record. Reading beyond the end is harmless: missing bytes count as 0. */
export type Finder = (record: Uint8Array, found: Found, at: number) => void;

/** 16 bits in network order. */
export function halfAt(record: Uint8Array, at: number): number {
  return (record[at]! << 8) | record[at + 1]!;
}

/** IP without a wrapper. Its version field says which. */
export function findRaw(record: Uint8Array, found: Found, at: number): void {
  const version = record[at]! >>> 4;
  found.set(at, version === 4 ? EtherType.ipv4 : version === 6 ? EtherType.ipv6 : EtherType.none);
}

/** AF_INET6 of BSD/OS and NetBSD, FreeBSD, macOS, Linux, Solaris, Windows. AF_INET is 2 everywhere. */
const INET6_FAMILIES: ReadonlySet<number> = new Set([24, 28, 30, 10, 26, 23]);

function etherTypeOfFamily(family: number): number {
  return family === 2 ? EtherType.ipv4 : INET6_FAMILIES.has(family) ? EtherType.ipv6 : EtherType.none;
}

/** Four bytes with the address family, in the byte order of the capturing machine. Families are small numbers. */
export function findLoopback(record: Uint8Array, found: Found, at: number): void {
  const high = halfAt(record, at);
  const low = halfAt(record, at + 2);
  const family = high === 0 ? low : low === 0 ? ((high & 0xff) << 8) | (high >>> 8) : 0;
  found.set(at + 4, etherTypeOfFamily(family));
}

/** A PPP protocol number, then the packet. The number takes one byte if that byte is odd (RFC 1661, 6.5). */
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

/** A serial line: the first byte tells Cisco's HDLC from PPP. */
export function findPppOrCisco(record: Uint8Array, found: Found, at: number): void {
  const find = record[at] === 0x0f || record[at] === 0x8f ? findCiscoHdlc : findPpp;
  find(record, found, at);
}

/** PPP as pppd writes it, with the direction in place of the address. */
export function findPppd(record: Uint8Array, found: Found, at: number): void {
  findPppProtocol(record, found, record[at + 1] === 0x03 ? at + 2 : at);
}

/** A session header, then PPP (RFC 2516). Discovery (a code other than 0) holds no packets. */
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

/** Attributes of a netlink message (`tcpdump -i nflog`). One of them is the packet. Lengths are read as little-endian. */
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

/** Token ring: two control bytes, addresses, a route if the highest bit of the source is set, then LLC. */
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

/** The log of OpenBSD's pf: length of its header, address family. */
export function findPflog(record: Uint8Array, found: Found, at: number): void {
  found.set(at + ((record[at]! + 3) & ~3), etherTypeOfFamily(record[at + 1]!));
}

/** IP over InfiniBand: an EtherType and two reserved bytes behind the address. */
export function findIpoib(record: Uint8Array, found: Found, at: number): void {
  found.set(at + 44, halfAt(record, at + 40));
}

/** Ethernet with `bytes` in front, or with a tag of `bytes` behind the addresses: the EtherType is at the same place in both. */
export function taggedEthernet(bytes: number): Finder {
  return behind(12 + bytes, findEtherType);
}

/** A header of fixed length, then a record for `find`. */
export function behind(headerBytes: number, find: Finder): Finder {
  return (record, found, at) => find(record, found, at + headerBytes);
}

/** The link type IPv4. Some programs write IPv6 under it, too, so a clear version field decides. */
export function findIpv4(record: Uint8Array, found: Found, at: number): void {
  found.set(at, record[at]! >>> 4 === 6 ? EtherType.ipv6 : EtherType.ipv4);
}

export function findIpv6(record: Uint8Array, found: Found, at: number): void {
  found.set(at, record[at]! >>> 4 === 4 ? EtherType.ipv4 : EtherType.ipv6);
}

export function findEtherType(record: Uint8Array, found: Found, at: number): void {
  found.set(at + 2, halfAt(record, at));
}
