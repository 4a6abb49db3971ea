/**
 * The window check: does a segment belong into the conversation, by its sequence and acknowledgement numbers? After Guido van
 * Rooij, "Real stateful TCP packet filtering in IP Filter" (2000).
 *
 * The record keeps for each peer the range of sequence numbers that it may send:
 *
 *        low - the receiver's window       low                          high
 *   ------------+---------------------------+----------------------------+----------->  sequence numbers
 *               | seen, may be repeated     | not seen yet, may be sent  |
 *
 *   low    the end of what it has sent
 *   high   as far as the other peer's acknowledgement and window allow
 *
 * A segment reads this out of the record into a view, is judged by it, and what it changes goes back. The connection's lock is held
 * all the while.
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

/** How far an acknowledgement may be off: a window without scaling and one large segment. */
export const MAX_ACK_SKEW = 0xffff + 1500;

/** In place of a peer's high that nothing is known of yet (openTcp). */
export const HIGH_UNKNOWN = 1;

/** A view: a segment, its sender and its receiver, a word each. */
export const ViewWord = {
  FLAGS: 0,
  /** The sequence number of the header. */
  HEADER_SEQ: 1,
  /** What the segment covers, from SEQ to before END. Without data it may repeat any number: then both are LOW. */
  SEQ: 2,
  END: 3,
  ACK: 4,
  /** As far as scales are known, in units of the sender's. */
  WINDOW: 5,
  /** The acknowledgement may be anything: the sender has just been met. */
  ANY_ACK: 6,

  /** The sender: its TcpState, scale byte, the scale in force for this segment, its range and its largest window. */
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

/** What the check says. */
export const Fit = {
  OUTSIDE: 0,
  /** Near the window, which is enough for some: see isNearEnough. */
  NEAR: 1,
  WITHIN: 2,
} as const;

/** Reads a segment and the peers of its connection. @param reply 1 if the packet travels in reply direction, else 0 */
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

/** Scales hold once both peers announced one, and never for segments with SYN (RFC 7323, 2.2). */
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

/** The first segment from this peer: it tells where the peer's range begins, and with a SYN its scale. */
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
    /* A connection picked up, or in place before: be permissive with its acknowledgements. */
    view[ViewWord.ANY_ACK] = 1;
  }
  view[ViewWord.MAX_WINDOW] = Math.max(view[ViewWord.MAX_WINDOW]!, view[ViewWord.WINDOW]!);
}

/** The sender answers the other's scale with its own, or without one: then neither scales. */
function agreeOnScale(view: Int32Array, scale: number): void {
  const otherScale = view[ViewWord.OTHER_SCALE]! & SCALE_MASK;
  view[ViewWord.SCALE] = scale;
  if ((scale & SCALE_KNOWN) !== 0) {
    view[ViewWord.SHIFT] = scale & SCALE_MASK;
    view[ViewWord.WINDOW] = unscale(view[ViewWord.WINDOW]!, scale & SCALE_MASK);
    view[ViewWord.OTHER_SHIFT] = otherScale;
  } else {
    /* This end does not scale, so the other's window was meant as it stood. */
    view[ViewWord.OTHER_MAX_WINDOW] = (view[ViewWord.OTHER_MAX_WINDOW]! << otherScale) & 0xffff;
    view[ViewWord.OTHER_SCALE] = 0;
  }
}

/** Does the segment lie within its sender's range, and its acknowledgement within the receiver's? @returns a Fit */
export function checkWindow(view: Int32Array): number {
  const flags = view[ViewWord.FLAGS]!;
  const low = view[ViewWord.LOW]!;
  const high = view[ViewWord.HIGH]!;
  /* Without ACK, and with the zero that some stacks send in RST|ACK, there is nothing to check. */
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
  const skew = view[ViewWord.ANY_ACK] === 0 ? (view[ViewWord.OTHER_LOW]! - view[ViewWord.ACK]!) | 0 : 0;
  if (
    /* The last octet fits into the other end's window. */
    reaches(high, end) &&
    /* A retransmission goes back one window at most. */
    reaches(seq, (low - (view[ViewWord.OTHER_MAX_WINDOW]! << view[ViewWord.OTHER_SHIFT]!)) | 0) &&
    /* The acknowledgement is at most one fragment back and one window ahead. */
    skew >= -MAX_ACK_SKEW &&
    skew <= MAX_ACK_SKEW << view[ViewWord.SHIFT]! &&
    /* A RST must match exactly, give or take one. */
    ((flags & RST) === 0 || headerSeq === low || headerSeq === ((low + 1) | 0) || ((headerSeq + 1) | 0) === low)
  ) {
    return Fit.WITHIN;
  }
  const isNear = reaches((high + MAX_ACK_SKEW) | 0, end) && reaches(seq, (low - MAX_ACK_SKEW) | 0);
  return isNear ? Fit.NEAR : Fit.OUTSIDE;
}

/**
 * May a segment be accepted that lies only near the window? SYNs repeated before an answer, streams picked up in the middle, and
 * stray segments after the close. The connection lives no longer for it.
 */
export function isNearEnough(view: Int32Array): boolean {
  const other = view[ViewWord.OTHER_STATE]!;
  return other < TcpState.SYN_SENT || other >= TcpState.FIN_WAIT_2 || view[ViewWord.STATE]! >= TcpState.FIN_WAIT_2;
}

/** An accepted segment moves the sender's low on, and with its acknowledgement and window the receiver's high. */
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

/** Writes the ranges and windows of a view back. */
export function writeWindows(view: Int32Array, records: Int32Array, r: number, reply: number): void {
  records[r + ConnWord.TCP_SEQ_LOW + reply] = view[ViewWord.LOW]!;
  records[r + ConnWord.TCP_SEQ_HIGH + reply] = view[ViewWord.HIGH]!;
  records[r + ConnWord.TCP_SEQ_HIGH + 1 - reply] = view[ViewWord.OTHER_HIGH]!;
  records[r + ConnWord.TCP_MAX_WINDOW] =
    (view[ViewWord.MAX_WINDOW]! << (reply << 4)) | (view[ViewWord.OTHER_MAX_WINDOW]! << (16 - (reply << 4)));
}

/** The peers of a view as they stand in STATE. */
export function peersOf(view: Int32Array, reply: number): number {
  return (
    (view[ViewWord.STATE]! << (reply << 2)) |
    (view[ViewWord.OTHER_STATE]! << (4 - (reply << 2))) |
    (view[ViewWord.SCALE]! << (ORIG_SCALE_SHIFT + (reply << 3))) |
    (view[ViewWord.OTHER_SCALE]! << (REPLY_SCALE_SHIFT - (reply << 3)))
  );
}
