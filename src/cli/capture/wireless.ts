/** IEEE 802.11: finds the packet in data frames that are not encrypted. */

import { EtherType, findLlcSnap, type Found } from './link-finders.ts';

/** Bits of the first byte: type and subtype. */
const TYPE_MASK = 0x0c;
const TYPE_DATA = 0x08;
const SUBTYPE_EMPTY = 0x40;
const SUBTYPE_QOS = 0x80;
/** Bits of the second byte. */
const DIRECTION_MASK = 0x03;
const RETRANSMITTED_BETWEEN_STATIONS = 0x03;
const PROTECTED = 0x40;
const HT_CONTROL = 0x80;
/** A bit of the QoS field's first byte: the frame holds several packets. */
const AGGREGATED = 0x80;

const HEADER_BYTES = 24;
const ADDRESS_BYTES = 6;
const QOS_BYTES = 2;
const HT_CONTROL_BYTES = 4;

/** A frame of IEEE 802.11. */
export function findIn80211(record: Uint8Array, found: Found, at: number): void {
  const first = record[at]!;
  const second = record[at + 1]!;
  found.set(at, EtherType.none);
  if ((first & TYPE_MASK) !== TYPE_DATA || (first & SUBTYPE_EMPTY) !== 0 || (second & PROTECTED) !== 0) {
    return;
  }
  let next = at + HEADER_BYTES;
  if ((second & DIRECTION_MASK) === RETRANSMITTED_BETWEEN_STATIONS) {
    next += ADDRESS_BYTES;
  }
  if ((first & SUBTYPE_QOS) !== 0) {
    if ((record[next]! & AGGREGATED) !== 0) {
      return;
    }
    next += QOS_BYTES + ((second & HT_CONTROL) !== 0 ? HT_CONTROL_BYTES : 0);
  }
  findLlcSnap(record, found, next);
}

/** A radiotap header. Its third and fourth byte are its length, little-endian. */
export function findInRadiotap(record: Uint8Array, found: Found, at: number): void {
  findIn80211(record, found, at + (record[at + 2]! | (record[at + 3]! << 8)));
}
