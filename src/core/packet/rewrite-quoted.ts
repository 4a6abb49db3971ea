/** Replaces addresses and ports in the packet that an ICMP error quotes. */

import { difference, replaceIpv6Address, setIdentifier, updateTcp, updateUdp, updateUpper } from './checksum-update.ts';
import { pseudoHeaderSum, sctpChecksum, sumWords } from './checksum.ts';
import { ICMP_HEADER_BYTES, TCP_HEADER_BYTES, UDP_HEADER_BYTES } from './headers.ts';
import { Protocol } from './layout.ts';

/** Bytes of a TCP header up to the end of its checksum. */
const TCP_CHECKSUM_END = 18;
/** Bytes that every ICMPv6 header has. */
const ICMP6_COMMON_BYTES = 4;

/**
 * Rewrites the packet that an ICMP error quotes. The quoted packet may be cut off after 8 bytes of its transport
 * header. Its checksums may be wrong; they stay as wrong as they were. The checksum of the error itself is computed
 * anew.
 */
export function rewriteQuotedIpv4(
  words: Int32Array,
  icmp: number,
  icmpBytes: number,
  isSource: boolean,
  address: number,
  ports: number,
): void {
  const l3 = icmp + 2;
  const headerBytes = (words[l3]! & 0xf) << 2;
  const l4 = l3 + (headerBytes >>> 2);
  const l4Bytes = icmpBytes - ICMP_HEADER_BYTES - headerBytes;
  const addressAt = l3 + (isSource ? 3 : 4);
  const change = difference(words[addressAt]!, address);
  words[addressAt] = address;
  updateUpper(words, l3 + 2, change);
  const protocol = (words[l3 + 2]! >>> 8) & 0xff;
  if (protocol === Protocol.ICMP) {
    setIdentifier(words, l4, ports >>> 16);
  } else {
    rewriteQuotedPorts(words, l4, l4Bytes, protocol, change, ports);
  }
  const first = words[icmp]! & 0xffff;
  words[icmp] = first;
  words[icmp] = first | ((~sumWords(words, icmp, icmpBytes, 0) & 0xffff) << 16);
}

function rewriteQuotedPorts(
  words: Int32Array,
  l4: number,
  l4Bytes: number,
  protocol: number,
  addressChange: number,
  ports: number,
): void {
  if (protocol === Protocol.TCP) {
    const portsChange = difference(words[l4]!, ports);
    words[l4] = ports;
    if (l4Bytes >= TCP_HEADER_BYTES) {
      updateTcp(words, l4, addressChange + portsChange);
    } else if (l4Bytes >= TCP_CHECKSUM_END) {
      updateTcp(words, l4, portsChange);
    }
  } else if (protocol === Protocol.UDP && l4Bytes >= UDP_HEADER_BYTES) {
    const change = addressChange + difference(words[l4]!, ports);
    words[l4] = ports;
    updateUdp(words, l4, change);
  } else if (protocol === Protocol.SCTP) {
    rewriteQuotedSctp(words, l4, l4Bytes, ports);
  }
}

/** Updates the part of the checksum that was quoted, by the change of the CRC over the quoted bytes. */
function rewriteQuotedSctp(words: Int32Array, l4: number, l4Bytes: number, ports: number): void {
  const before = sctpChecksum(words, l4, l4Bytes);
  words[l4] = ports;
  const change = before ^ sctpChecksum(words, l4, l4Bytes);
  const present = l4Bytes - 8;
  if (present > 0) {
    words[l4 + 2] = words[l4 + 2]! ^ (present >= 4 ? change : change & ((1 << (present * 8)) - 1));
  }
}

/**
 * As rewriteQuotedIpv4. The quoted transport header starts at word `quotedL4`; the new address stands at `from[at...]`.
 */
export function rewriteQuotedIpv6(
  words: Int32Array,
  l3: number,
  icmp: number,
  icmpBytes: number,
  quotedL4: number,
  protocol: number,
  isSource: boolean,
  from: Int32Array,
  at: number,
  ports: number,
): void {
  const quotedL3 = icmp + 2;
  const change = replaceIpv6Address(words, quotedL3 + (isSource ? 2 : 6), from, at);
  const l4Bytes = icmpBytes - (quotedL4 - icmp) * 4;
  if (protocol === Protocol.ICMPV6) {
    if (l4Bytes >= ICMP6_COMMON_BYTES) {
      updateUpper(words, quotedL4, change);
    }
  } else {
    rewriteQuotedPorts(words, quotedL4, l4Bytes, protocol, change, ports);
  }
  const first = words[icmp]! & 0xffff;
  words[icmp] = first;
  const pseudo = sumWords(words, l3 + 2, 32, pseudoHeaderSum(Protocol.ICMPV6, icmpBytes));
  words[icmp] = first | ((~sumWords(words, icmp, icmpBytes, pseudo) & 0xffff) << 16);
}
