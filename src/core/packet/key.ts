/**
 * The key of a packet, which identifies its connection and direction, and its place in a batch's scratch memory.
 *
 * A key is zone, network protocol, transport protocol and the two endpoints. Few words hold it, so that comparing is
 * fast. Addresses and ports are in network order:
 *
 *   META    zone << 16 | protocol << 8 | ICMP kind << 2 | ICMP reply << 1 | IPv6
 *   PORTS   source port | destination port << 16; ICMP: the identifier in both halves
 *   SRC, DST           IPv4 addresses
 *   SRC6, DST6         IPv6 addresses, four words each
 *
 * ICMP messages that come in pairs (echo, timestamp, information) have a kind. `ICMP reply` says which message of the
 * pair the key's source sends. Reversing a key swaps addresses and ports and inverts `ICMP reply`.
 */

/** Words of a packet's parse result in scratch memory. */
export const ParsedWord = {
  /** A ParsedKind. */
  KIND: 0,
  /**
   * 1: INVALID because of its ICMP checksum. The code that counts it clears it. The packet remembers other wrong
   * checksums.
   */
  BAD_ICMP_SUM: 1,
  /** Word index of the network header. Not set for plain packets (parse-plain.ts). */
  L3: 2,
  /** Word index of the transport header. */
  L4: 3,
  /** Bytes from the transport header to the end of the IP packet. */
  L4_BYTES: 4,
  /** 1: the packet is an ICMP error, and the key is the reversed key of the packet that it quotes. */
  RELATED: 5,
  HASH: 6,
  /** Word index in the bucket index at which the record was seen; 0: not seen. A hint. */
  HINT: 7,
  META: 8,
  PORTS: 9,
  SRC: 10,
  DST: 11,
  SRC6: 12,
  DST6: 16,
  /**
   * Of a fragment: the offset in bytes, plus 1 if more fragments follow. 0: not a fragment. Not set for plain packets.
   */
  FRAGMENT_BITS: 26,
  /** Of a fragment: its identification, network order. */
  FRAGMENT_ID: 27,
  /** Of an IPv6 fragment: word index of the fragment header. */
  FRAGMENT_HEADER: 28,
  /** Of a WHOLE: the number of the list of its fragments. */
  LIST: 29,
} as const;

/** Words from one packet's parse result to the next. */
export const PARSED_WORDS = 32;

export const ParsedKind = {
  /** Not trackable: the verdict is `inv`. */
  INVALID: 0,
  /** Has a key. */
  KEYED: 1,
  /** Remembers its connection; was not parsed. */
  REMEMBERED: 2,
  /** A fragment that may be held. Only what its list needs was parsed. */
  FRAGMENT: 3,
  /** A fragment that has completed its datagram, and stands for it. */
  WHOLE: 4,
} as const;

export const META_IPV6 = 1;
export const META_REPLY = 2;
const KIND_SHIFT = 2;
const KIND_MASK = 0x3f;

/** ICMP message pairs (RFC 792; echo also RFC 4443). */
export const IcmpKind = { none: 0, echo: 1, timestamp: 2, information: 3 } as const;

/** For each ICMP type: kind << KIND_SHIFT | META_REPLY for a reply; 0 if the type is not one of a pair. */
export const ICMP_META: Uint8Array = (() => {
  const table = new Uint8Array(256);
  table[8] = IcmpKind.echo << KIND_SHIFT;
  table[0] = (IcmpKind.echo << KIND_SHIFT) | META_REPLY;
  table[13] = IcmpKind.timestamp << KIND_SHIFT;
  table[14] = (IcmpKind.timestamp << KIND_SHIFT) | META_REPLY;
  table[15] = IcmpKind.information << KIND_SHIFT;
  table[16] = (IcmpKind.information << KIND_SHIFT) | META_REPLY;
  return table;
})();

/** For each kind: the ICMP types of request and reply. */
export const ICMP_TYPES: Uint8Array = Uint8Array.of(0, 0, 8, 0, 13, 14, 15, 16);
const ICMP6_ECHO_REQUEST = 128;
const ICMP6_ECHO_REPLY = 129;

/** The kind and reply bits of META for an ICMP type; 0 if it is not one of a pair. */
export function icmpMeta(type: number): number {
  return ICMP_META[type]!;
}

/** The same for ICMPv6. */
export function icmp6Meta(type: number): number {
  if (type === ICMP6_ECHO_REQUEST) {
    return IcmpKind.echo << KIND_SHIFT;
  }
  return type === ICMP6_ECHO_REPLY ? (IcmpKind.echo << KIND_SHIFT) | META_REPLY : 0;
}

/** The ICMP or ICMPv6 type that the source of a key with this META sends; 0 if META has no kind. */
export function icmpTypeOf(meta: number): number {
  const kind = (meta >>> KIND_SHIFT) & KIND_MASK;
  const reply = (meta >>> 1) & 1;
  if ((meta & META_IPV6) !== 0) {
    return kind === IcmpKind.echo ? ICMP6_ECHO_REQUEST + reply : 0;
  }
  return ICMP_TYPES[kind * 2 + reply]!;
}

/** The META of the reversed key. */
export function reverseMeta(meta: number): number {
  return (meta & (KIND_MASK << KIND_SHIFT)) !== 0 ? meta ^ META_REPLY : meta;
}

export function metaZone(meta: number): number {
  return meta >>> 16;
}

export function metaProtocol(meta: number): number {
  return (meta >>> 8) & 0xff;
}

/** Takes the ports into the key. @returns false if one of them is 0 */
export function takePorts(words: Int32Array, parsed: Int32Array, at: number, l4: number): boolean {
  const ports = words[l4]!;
  parsed[at + ParsedWord.PORTS] = ports;
  return (ports & 0xffff) !== 0 && ports >>> 16 !== 0;
}

/** Takes the identifier of an ICMP message into the key, with the kind and reply bits of its type. */
export function takeIdentifier(
  words: Int32Array,
  parsed: Int32Array,
  at: number,
  l4: number,
  kindAndReply: number,
): void {
  const identifier = words[l4 + 1]! & 0xffff;
  parsed[at + ParsedWord.PORTS] = identifier | (identifier << 16);
  parsed[at + ParsedWord.META] = parsed[at + ParsedWord.META]! | kindAndReply;
}
