/** IPv6 extension headers (RFC 8200; authentication header: RFC 4302). */

const HOP_BY_HOP = 0;
const ROUTING = 43;
const FRAGMENT = 44;
const AUTHENTICATION = 51;
const DESTINATION_OPTIONS = 60;

/** Fragment offset in the upper half of a fragment header's first word, in memory order. */
const FRAGMENT_OFFSET = 0xf8ff;

/**
 * Walks the IPv6 extension headers of a whole packet.
 * @param word where the first header after the IPv6 header starts
 * @param bytes bytes from there to the end of the packet
 * @returns bytes skipped << 8 | transport protocol; -1: a header does not fit, or the packet is a fragment
 */
export function findTransport(words: Int32Array, word: number, bytes: number, nextHeader: number): number {
  let skipped = 0;
  for (;;) {
    let headerBytes: number;
    switch (nextHeader) {
      case HOP_BY_HOP:
      case DESTINATION_OPTIONS:
      case ROUTING:
      case AUTHENTICATION:
      case FRAGMENT:
        break;
      default:
        return (skipped << 8) | nextHeader;
    }
    if (bytes - skipped < 8) {
      return -1;
    }
    const first = words[word + (skipped >>> 2)]!;
    const lengthField = (first >>> 8) & 0xff;
    if (nextHeader === AUTHENTICATION) {
      headerBytes = (lengthField + 2) << 2;
    } else if (nextHeader === FRAGMENT) {
      /* Offset and more-fragments bit. A fragment header with neither belongs to a whole packet (RFC 6946). */
      if (first >>> 16 !== 0) {
        return -1;
      }
      headerBytes = 8;
    } else {
      headerBytes = (lengthField + 1) << 3;
    }
    if (headerBytes > bytes - skipped) {
      return -1;
    }
    nextHeader = first & 0xff;
    skipped += headerBytes;
  }
}

/**
 * Walks the extension headers of a packet that may be a fragment, as Open vSwitch does. After the fragment header of a
 * first fragment the walk goes on; after that of a later one it ends. The last fragment header counts.
 * @returns bytes skipped * 2^16 + bytes before the last fragment header; -1: a header does not fit, or it is no
 * fragment
 */
export function findFragment(words: Int32Array, word: number, bytes: number, nextHeader: number): number {
  let skipped = 0;
  let fragment = -1;
  let isFragment = false;
  for (;;) {
    const isExtension =
      nextHeader === HOP_BY_HOP ||
      nextHeader === DESTINATION_OPTIONS ||
      nextHeader === ROUTING ||
      nextHeader === AUTHENTICATION ||
      nextHeader === FRAGMENT;
    if (!isExtension) {
      break;
    }
    if (bytes - skipped < 8) {
      return -1;
    }
    const first = words[word + (skipped >>> 2)]!;
    const lengthField = (first >>> 8) & 0xff;
    let headerBytes = (lengthField + 1) << 3;
    if (nextHeader === AUTHENTICATION) {
      headerBytes = (lengthField + 2) << 2;
    } else if (nextHeader === FRAGMENT) {
      headerBytes = 8;
      fragment = skipped;
      isFragment ||= first >>> 16 !== 0;
    }
    if (headerBytes > bytes - skipped) {
      return -1;
    }
    const isLater = nextHeader === FRAGMENT && ((first >>> 16) & FRAGMENT_OFFSET) !== 0;
    nextHeader = first & 0xff;
    skipped += headerBytes;
    if (isLater) {
      break;
    }
  }
  return isFragment ? skipped * 0x10000 + fragment : -1;
}
