/**
 * The window check: does a segment fit the connection, by its sequence and acknowledgement numbers? After Guido van
 * Rooij, "Real stateful TCP packet filtering in IP Filter" (2000).
 *
 * The record holds for each peer the range of sequence numbers that it may send:
 *
 *        low - the receiver's window       low                          high
 *   ------------+---------------------------+----------------------------+----------->  sequence numbers
 *               | sent, may be repeated     | not sent yet, may be sent  |
 *
 *   low    the end of what the peer has sent
 *   high   the limit that the other peer's acknowledgement and window allow
 *
 * For each segment the code reads these words from the record into a view, checks and updates the view, and writes the
 * changes back. It holds the connection's lock all the time.
 */

import { ConnWord } from '../table/conn.ts';
import { ACK, ackOf, endOf, MAX_SCALE, reaches, RST, scaleOf, seqOf, SYN, unscale, windowOf } from './tcp-segment.ts';
import {
  ORIG_SCALE_SHIFT,
  REPLY_SCALE_SHIFT,
  SCALE_KNOWN,
  SCALE_MASK,
  SCALE_UNKNOWN,
  STATE_MASK,
  TcpState,
} from './tcp-state.ts';

/** How far an acknowledgement may be off: one window without scaling and one large segment. */
export const MAX_ACK_SKEW = 0xffff + 1500;

/** In place of a peer's high that is not known yet (openTcp). */
export const HIGH_UNKNOWN = 1;

/** A view: a segment, its sender and its receiver, a word each. */
export const ViewWord = {
  FLAGS: 0,
  /** The sequence number of the header. */
  HEADER_SEQ: 1,
  /** The segment covers SEQ to END - 1. A segment without data may have any number: both are set to LOW. */
  SEQ: 2,
  END: 3,
  ACK: 4,
  /** The window, in units of the sender's scale if that is known. */
  WINDOW: 5,
  /** 1: any acknowledgement is accepted, since this is the sender's first segment. */
  ANY_ACK: 6,

  /** The sender: its TcpState, scale byte, the scale that applies to this segment, its range and largest window. */
  STATE: 7,
  SCALE: 8,
  SHIFT: 9,
  LOW: 10,
  HIGH: 11,
  MAX_WINDOW: 12,

  /** The receiver. */
  OTHER_STATE: 13,
  OTHER_SCALE: 14,
  OTHER_SHIFT: 15,
  OTHER_LOW: 16,
  OTHER_HIGH: 17,
  OTHER_MAX_WINDOW: 18,
} as const;
export const VIEW_WORDS: number = ViewWord.OTHER_MAX_WINDOW + 1;

/** Results of the check. */
export const Fit = {
  OUTSIDE: 0,
  /** Near the window. isNearEnough says which segments are accepted then. */
  NEAR: 1,
  WITHIN: 2,
} as const;

/**
 * Reads a segment and the peers of its connection into the view.
 * @param reply 1: the packet travels in reply direction
 */
export function readView(
  view: Int32Array,
  records: Int32Array,
  r: number,
  words: Int32Array,
  l4: number,
  l4Bytes: number,
  flags: number,
  reply: number,
): void {
  const both = records[r + ConnWord.STATE]!;
  const windows = records[r + ConnWord.TCP_MAX_WINDOW]!;
  view[ViewWord.FLAGS] = flags;
  view[ViewWord.HEADER_SEQ] = seqOf(words, l4);
  view[ViewWord.SEQ] = view[ViewWord.HEADER_SEQ]!;
  view[ViewWord.END] = endOf(words, l4, l4Bytes);
  view[ViewWord.ACK] = ackOf(words, l4);
  view[ViewWord.WINDOW] = windowOf(words, l4);
  view[ViewWord.ANY_ACK] = 0;
  view[ViewWord.STATE] = (both >>> (reply << 2)) & STATE_MASK;
  view[ViewWord.OTHER_STATE] = (both >>> (4 - (reply << 2))) & STATE_MASK;
  view[ViewWord.SCALE] = (both >>> (ORIG_SCALE_SHIFT + (reply << 3))) & 0xff;
  view[ViewWord.OTHER_SCALE] = (both >>> (REPLY_SCALE_SHIFT - (reply << 3))) & 0xff;
  view[ViewWord.LOW] = records[r + ConnWord.TCP_SEQ_LOW + reply]!;
  view[ViewWord.OTHER_LOW] = records[r + ConnWord.TCP_SEQ_LOW + 1 - reply]!;
  view[ViewWord.HIGH] = records[r + ConnWord.TCP_SEQ_HIGH + reply]!;
  view[ViewWord.OTHER_HIGH] = records[r + ConnWord.TCP_SEQ_HIGH + 1 - reply]!;
  view[ViewWord.MAX_WINDOW] = (windows >>> (reply << 4)) & 0xffff;
  view[ViewWord.OTHER_MAX_WINDOW] = (windows >>> (16 - (reply << 4))) & 0xffff;
  readScales(view);
}

/** Scales apply if both peers sent the option, and never to a segment with SYN (RFC 7323, 2.2). */
function readScales(view: Int32Array): void {
  const both = (view[ViewWord.FLAGS]! & SYN) === 0 ? view[ViewWord.SCALE]! & view[ViewWord.OTHER_SCALE]! : 0;
  if ((both & SCALE_KNOWN) !== 0) {
    view[ViewWord.SHIFT] = view[ViewWord.SCALE]! & SCALE_MASK;
    view[ViewWord.OTHER_SHIFT] = view[ViewWord.OTHER_SCALE]! & SCALE_MASK;
  } else {
    const shift = (both & SCALE_UNKNOWN) !== 0 ? MAX_SCALE : 0;
    view[ViewWord.SHIFT] = shift;
    view[ViewWord.OTHER_SHIFT] = shift;
  }
}

/** Handles the first segment from this peer. It tells where the peer's range begins, and with a SYN also the scale. */
export function meetSender(view: Int32Array, words: Int32Array, l4: number): void {
  if ((view[ViewWord.FLAGS]! & SYN) !== 0 && (view[ViewWord.OTHER_SCALE]! & SCALE_KNOWN) !== 0) {
    agreeOnScale(view, scaleOf(words, l4) | 0);
  }
  view[ViewWord.STATE] = TcpState.SYN_SENT;
  view[ViewWord.LOW] = view[ViewWord.SEQ]!;
  const window = view[ViewWord.OTHER_MAX_WINDOW]! << view[ViewWord.OTHER_SHIFT]!;
  const allowed = (view[ViewWord.END]! + Math.max(1, window)) | 0;
  if (view[ViewWord.HIGH] === HIGH_UNKNOWN || reaches(allowed, view[ViewWord.HIGH]!)) {
    view[ViewWord.HIGH] = allowed;
    /* The connection was picked up in mid-stream, or existed before: accept any acknowledgement. */
    view[ViewWord.ANY_ACK] = 1;
  }
  view[ViewWord.MAX_WINDOW] = Math.max(view[ViewWord.MAX_WINDOW]!, view[ViewWord.WINDOW]!);
}

/** The sender's SYN replies to a SYN with a scale. If it has no scale itself, neither peer scales. */
function agreeOnScale(view: Int32Array, scale: number): void {
  const otherScale = view[ViewWord.OTHER_SCALE]! & SCALE_MASK;
  view[ViewWord.SCALE] = scale;
  if ((scale & SCALE_KNOWN) !== 0) {
    view[ViewWord.SHIFT] = scale & SCALE_MASK;
    view[ViewWord.WINDOW] = unscale(view[ViewWord.WINDOW]!, scale & SCALE_MASK);
    view[ViewWord.OTHER_SHIFT] = otherScale;
  } else {
    /* This peer does not scale, so the other one's window was not scaled either. */
    view[ViewWord.OTHER_MAX_WINDOW] = (view[ViewWord.OTHER_MAX_WINDOW]! << otherScale) & 0xffff;
    view[ViewWord.OTHER_SCALE] = 0;
  }
}

/** Does the segment lie in its sender's range, and its acknowledgement in the receiver's? @returns a Fit */
export function checkWindow(view: Int32Array): number {
  const flags = view[ViewWord.FLAGS]!;
  const low = view[ViewWord.LOW]!;
  const high = view[ViewWord.HIGH]!;
  /* There is no acknowledgement to check without ACK, nor with the 0 that some stacks send in RST|ACK. */
  if ((flags & ACK) === 0 || (view[ViewWord.ACK] === 0 && (flags & RST) !== 0)) {
    view[ViewWord.ACK] = view[ViewWord.OTHER_LOW]!;
  }
  if (view[ViewWord.SEQ] === view[ViewWord.END]) {
    view[ViewWord.SEQ] = low;
    view[ViewWord.END] = low;
  }
  const seq = view[ViewWord.SEQ]!;
  const end = view[ViewWord.END]!;
  const headerSeq = view[ViewWord.HEADER_SEQ]!;
  const ackSkew = view[ViewWord.ANY_ACK] === 0 ? (view[ViewWord.OTHER_LOW]! - view[ViewWord.ACK]!) | 0 : 0;
  if (
    /* The last octet fits into the other end's window. */
    reaches(high, end) &&
    /* A retransmission goes back by one window at most. */
    reaches(seq, (low - (view[ViewWord.OTHER_MAX_WINDOW]! << view[ViewWord.OTHER_SHIFT]!)) | 0) &&
    /* The acknowledgement is at most one segment behind and one window in front. */
    ackSkew >= -MAX_ACK_SKEW &&
    ackSkew <= MAX_ACK_SKEW << view[ViewWord.SHIFT]! &&
    /* A RST must match exactly, plus or minus one. */
    ((flags & RST) === 0 || headerSeq === low || headerSeq === ((low + 1) | 0) || ((headerSeq + 1) | 0) === low)
  ) {
    return Fit.WITHIN;
  }
  const isNear = reaches((high + MAX_ACK_SKEW) | 0, end) && reaches(seq, (low - MAX_ACK_SKEW) | 0);
  return isNear ? Fit.NEAR : Fit.OUTSIDE;
}

/**
 * Is a segment accepted that is only near the window? Yes for a SYN repeated before the reply, a stream picked up in
 * mid-stream, and stray segments after the close. Such a segment does not extend the connection's life.
 */
export function isNearEnough(view: Int32Array): boolean {
  const other = view[ViewWord.OTHER_STATE]!;
  return other < TcpState.SYN_SENT || other >= TcpState.FIN_WAIT_2 || view[ViewWord.STATE]! >= TcpState.FIN_WAIT_2;
}

/** Moves the sender's low with an accepted segment, and the receiver's high with its acknowledgement and window. */
export function moveWindow(view: Int32Array): void {
  const window = view[ViewWord.WINDOW]!;
  view[ViewWord.MAX_WINDOW] = Math.max(view[ViewWord.MAX_WINDOW]!, window);
  if (((view[ViewWord.END]! - view[ViewWord.LOW]!) | 0) > 0) {
    view[ViewWord.LOW] = view[ViewWord.END]!;
  }
  const scaledWindow = window << view[ViewWord.SHIFT]!;
  if (reaches((view[ViewWord.ACK]! + scaledWindow) | 0, view[ViewWord.OTHER_HIGH]!)) {
    view[ViewWord.OTHER_HIGH] = (view[ViewWord.ACK]! + Math.max(scaledWindow, 1)) | 0;
  }
}

/** Writes the ranges and windows of a view back to the record. */
export function writeWindows(view: Int32Array, records: Int32Array, r: number, reply: number): void {
  records[r + ConnWord.TCP_SEQ_LOW + reply] = view[ViewWord.LOW]!;
  records[r + ConnWord.TCP_SEQ_HIGH + reply] = view[ViewWord.HIGH]!;
  records[r + ConnWord.TCP_SEQ_HIGH + 1 - reply] = view[ViewWord.OTHER_HIGH]!;
  records[r + ConnWord.TCP_MAX_WINDOW] =
    (view[ViewWord.MAX_WINDOW]! << (reply << 4)) | (view[ViewWord.OTHER_MAX_WINDOW]! << (16 - (reply << 4)));
}

/** The peers of a view in the form of STATE. */
export function peersOf(view: Int32Array, reply: number): number {
  return (
    (view[ViewWord.STATE]! << (reply << 2)) |
    (view[ViewWord.OTHER_STATE]! << (4 - (reply << 2))) |
    (view[ViewWord.SCALE]! << (ORIG_SCALE_SHIFT + (reply << 3))) |
    (view[ViewWord.OTHER_SCALE]! << (REPLY_SCALE_SHIFT - (reply << 3)))
  );
}
