/** Sizes and marks of protocol headers. 16-bit fields are as they read in memory order. */

export const ETHERTYPE_IPV4 = 0x0008;
export const ETHERTYPE_IPV6 = 0xdd86;
export const ETHERTYPE_VLAN = 0x0081;
export const ETHERTYPE_QINQ = 0xa888;

export const ETHERNET_HEADER_BYTES = 14;
export const MAX_VLAN_TAGS = 2;
/** DSAP, SSAP, control and the first byte of the organisation code of an EtherType in LLC/SNAP (RFC 1042). */
export const LLC_SNAP = 0x0003aaaa;
export const LLC_SNAP_BYTES = 8;

/** Without options. */
export const IPV4_HEADER_BYTES = 20;
export const IPV6_HEADER_BYTES = 40;
/** The fragment offset in the second word of an IPv4 header. */
export const IPV4_FRAGMENT_OFFSET = 0xff1f0000 | 0;
/** The same with "more fragments": not 0 in every fragment. */
export const IPV4_FRAGMENT = 0xff3f0000 | 0;

/** Without options. */
export const TCP_HEADER_BYTES = 20;
export const UDP_HEADER_BYTES = 8;
export const SCTP_HEADER_BYTES = 12;
export const ICMP_HEADER_BYTES = 8;
