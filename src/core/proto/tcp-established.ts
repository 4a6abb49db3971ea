/**
 * The fast path of a TCP segment: data or an acknowledgement in an established connection. Most packets are such
 * segments.
 */

import { ConnWord } from '../table/conn.ts';
import { ackOf, MAX_SCALE, seqOf } from './tcp-segment.ts';
import { ORIG_SCALE_SHIFT, PEER_SCALES, SCALE_KNOWN, SCALE_MASK, SCALE_UNKNOWN } from './tcp-state.ts';
import { MAX_ACK_SKEW } from './tcp-window.ts';

/**
 * Updates the windows with a segment without SYN, FIN and RST. Its results equal those of the window check
 * (tcp-window.ts), as a test checks. It exists for speed.
 * @returns false if the segment is not within the window; nothing has changed then
 */
export function passesEstablishedLocked(
  records: Int32Array,
  r: number,
  words: Int32Array,
  l4: number,
  l4Bytes: number,
  reply: number,
): boolean {
  const packet = words[l4 + 3]!;
  const low = records[r + ConnWord.TCP_SEQ_LOW + reply]!;
  const high = records[r + ConnWord.TCP_SEQ_HIGH + reply]!;
  const otherLow = records[r + ConnWord.TCP_SEQ_LOW + 1 - reply]!;
  const otherHigh = records[r + ConnWord.TCP_SEQ_HIGH + 1 - reply]!;
  const windows = records[r + ConnWord.TCP_MAX_WINDOW]!;
  const scales = (records[r + ConnWord.STATE]! >>> ORIG_SCALE_SHIFT) & PEER_SCALES;
  const shifts = scales === 0 ? 0 : shiftsOf(scales, reply) | 0;
  const shiftSource = shifts & 0xff;
  const shiftDestination = shifts >>> 8;
  const windowShift = reply << 4;
  const maxWindowSource = (windows >>> windowShift) & 0xffff;
  const maxWindowDestination = (windows >>> (16 - windowShift)) & 0xffff;
  const ack = ackOf(words, l4);
  const dataBytes = l4Bytes - (((packet >>> 4) & 0xf) << 2);
  let seq = low;
  let end = low;
  if (dataBytes !== 0) {
    seq = seqOf(words, l4);
    end = (seq + dataBytes) | 0;
  }
  const ackSkew = (otherLow - ack) | 0;
  if (
    ((high - end) | 0) < 0 ||
    ((seq - low + (maxWindowDestination << shiftDestination)) | 0) < 0 ||
    ackSkew < -MAX_ACK_SKEW ||
    ackSkew > MAX_ACK_SKEW << shiftSource
  ) {
    return false;
  }
  const window = ((packet >>> 8) & 0xff00) | (packet >>> 24);
  if (maxWindowSource < window) {
    records[r + ConnWord.TCP_MAX_WINDOW] = (window << windowShift) | (maxWindowDestination << (16 - windowShift));
  }
  if (((end - low) | 0) > 0) {
    records[r + ConnWord.TCP_SEQ_LOW + reply] = end;
  }
  const allowed = (ack + (window << shiftSource)) | 0;
  if (((allowed - otherHigh) | 0) >= 0) {
    records[r + ConnWord.TCP_SEQ_HIGH + 1 - reply] = (ack + Math.max(window << shiftSource, 1)) | 0;
  }
  return true;
}

/** The scales in force. @returns the sender's | the receiver's << 8 */
function shiftsOf(scales: number, reply: number): number {
  const source = (scales >>> (reply << 3)) & 0xff;
  const destination = (scales >>> (8 - (reply << 3))) & 0xff;
  const both = source & destination;
  if ((both & SCALE_KNOWN) !== 0) {
    return (source & SCALE_MASK) | ((destination & SCALE_MASK) << 8);
  }
  return (both & SCALE_UNKNOWN) !== 0 ? MAX_SCALE | (MAX_SCALE << 8) : 0;
}
