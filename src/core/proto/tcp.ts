/**
 * A TCP segment updates its connection: it is read (tcp-segment.ts), checked against the window (tcp-window.ts), and
 * changes the states (tcp-table.ts). The connection's lock is held all the time.
 *
 *   flags --invalid-----------------------------------------------> INVALID
 *     |
 *     +--SYN, both peers done, or the sender new------------------> NEW, VALID_NEW
 *     |
 *     +--ACK, both ESTABLISHED, within the window (the fast path)-> VALID
 *     |
 *   window --outside----------------------------------------------> INVALID
 *     +--near, and that is enough: FIN and RST change states------> VALID, the expiry stays
 *     +--within, or not checked: the table changes states---------> VALID, with the timeout of the states
 */

import { ConnWord } from '../table/conn.ts';
import { Timeout } from '../expiry/timeouts.ts';
import { passesEstablishedLocked } from './tcp-established.ts';
import {
  ACK,
  areFlagsInvalid,
  endOf,
  FIN,
  flagsOf,
  RST,
  scaleOf,
  seqOf,
  SYN,
  unscale,
  windowOf,
} from './tcp-segment.ts';
import {
  BOTH_ESTABLISHED,
  ORIG_SCALE_SHIFT,
  PEER_STATES,
  REPLY_SCALE_SHIFT,
  REPLY_STATE,
  SCALE_MASK,
  SCALE_UNKNOWN,
  STATE_MASK,
  TCP_ASSURED,
  TCP_WAS_REPLIED,
  TcpState,
} from './tcp-state.ts';
import { receiverNext, senderNext, tcpTimeoutOf } from './tcp-table.ts';
import {
  checkWindow,
  Fit,
  HIGH_UNKNOWN,
  isNearEnough,
  meetSender,
  moveWindow,
  peersOf,
  readView,
  VIEW_WORDS,
  ViewWord,
  writeWindows,
} from './tcp-window.ts';
import { CHANGED, KEEP_EXPIRY, TIMEOUT_SHIFT, Update } from './update.ts';

/** The thread's view, reused for each segment. */
export const view: Int32Array = new Int32Array(VIEW_WORDS);

/** Fills the TCP words of a record that is not linked yet, from the segment that creates the connection. */
export function openTcp(records: Int32Array, r: number, words: Int32Array, l4: number, l4Bytes: number): void {
  const isSyn = (flagsOf(words, l4) & SYN) !== 0;
  const scaleOrig = isSyn ? scaleOf(words, l4) : SCALE_UNKNOWN;
  const scaleReply = isSyn ? 0 : SCALE_UNKNOWN;
  const window = unscale(Math.max(windowOf(words, l4), 1), scaleOrig & SCALE_MASK);
  records[r + ConnWord.STATE] = TcpState.SYN_SENT | (scaleOrig << ORIG_SCALE_SHIFT) | (scaleReply << REPLY_SCALE_SHIFT);
  records[r + ConnWord.TCP_SEQ_LOW] = seqOf(words, l4);
  records[r + ConnWord.TCP_SEQ_LOW + 1] = 0;
  records[r + ConnWord.TCP_SEQ_HIGH] = (endOf(words, l4, l4Bytes) + 1) | 0;
  records[r + ConnWord.TCP_SEQ_HIGH + 1] = HIGH_UNKNOWN;
  records[r + ConnWord.TCP_MAX_WINDOW] = window | (1 << 16);
}

/**
 * Updates a connection with a segment. The caller holds the connection's lock.
 * @param reply 1: the packet travels in reply direction
 * @returns an Update | (the Timeout to set, or KEEP_EXPIRY) << TIMEOUT_SHIFT | CHANGED if a peer's state changed
 */
export function updateTcpLocked(
  records: Int32Array,
  r: number,
  words: Int32Array,
  l4: number,
  l4Bytes: number,
  reply: number,
  checkSequence: boolean,
): number {
  const flags = flagsOf(words, l4);
  const both = records[r + ConnWord.STATE]!;
  if (
    (both & PEER_STATES) === BOTH_ESTABLISHED &&
    (flags & (SYN | FIN | RST | ACK)) === ACK &&
    passesEstablishedLocked(records, r, words, l4, l4Bytes, reply)
  ) {
    return Update.VALID | (Timeout.TCP_ESTABLISHED << TIMEOUT_SHIFT);
  }
  return updateAnyTcpLocked(records, r, words, l4, l4Bytes, reply, checkSequence);
}

/** updateTcpLocked without the fast path. */
export function updateAnyTcpLocked(
  records: Int32Array,
  r: number,
  words: Int32Array,
  l4: number,
  l4Bytes: number,
  reply: number,
  checkSequence: boolean,
): number {
  const flags = flagsOf(words, l4);
  if (areFlagsInvalid(flags)) {
    return Update.INVALID | (KEEP_EXPIRY << TIMEOUT_SHIFT);
  }
  if ((flags & (SYN | ACK)) === SYN) {
    const update = updateBySyn(records, r, reply) | 0;
    if (update !== NOT_BY_SYN) {
      return update;
    }
  }
  readView(view, records, r, words, l4, l4Bytes, flags, reply);
  if (view[ViewWord.STATE]! < TcpState.SYN_SENT) {
    meetSender(view, words, l4);
  }
  const fit = checkWindow(view) | 0;
  let update: number = Update.INVALID | (KEEP_EXPIRY << TIMEOUT_SHIFT);
  if (fit === Fit.WITHIN || !checkSequence) {
    moveStates(flags);
    update = Update.VALID | (tcpTimeoutOf(view[ViewWord.STATE]!, view[ViewWord.OTHER_STATE]!) << TIMEOUT_SHIFT);
    moveWindow(view);
  } else if (fit === Fit.NEAR && isNearEnough(view)) {
    moveStates(flags & ~ACK);
    update = Update.VALID | (KEEP_EXPIRY << TIMEOUT_SHIFT);
    moveWindow(view);
  }
  writeWindows(view, records, r, reply);
  return update | writePeers(records, r, peersOf(view, reply) | 0);
}

/** Result of updateBySyn: handle the SYN as any other segment. */
const NOT_BY_SYN = -1;

/** Handles a SYN without ACK: the first rows of the table (tcp-table.ts). @returns as updateTcpLocked, or NOT_BY_SYN */
function updateBySyn(records: Int32Array, r: number, reply: number): number {
  const both = records[r + ConnWord.STATE]!;
  const sourceShift = reply << 2;
  const source = (both >>> sourceShift) & STATE_MASK;
  const destination = (both >>> (4 - sourceShift)) & STATE_MASK;
  if (destination >= TcpState.FIN_WAIT_2 && source >= TcpState.FIN_WAIT_2) {
    records[r + ConnWord.STATE] = (both & ~PEER_STATES) | ((both & REPLY_STATE) !== 0 ? TCP_WAS_REPLIED : 0);
    return Update.NEW | (KEEP_EXPIRY << TIMEOUT_SHIFT);
  }
  if (source > TcpState.SYN_SENT) {
    return NOT_BY_SYN;
  }
  records[r + ConnWord.STATE] = (both & ~(STATE_MASK << sourceShift)) | (TcpState.SYN_SENT << sourceShift);
  const changed = source === TcpState.SYN_SENT ? 0 : CHANGED;
  return Update.VALID_NEW | (Timeout.TCP_FIRST_PACKET << TIMEOUT_SHIFT) | changed;
}

function moveStates(flags: number): void {
  view[ViewWord.STATE] = senderNext(view[ViewWord.STATE]!, flags);
  view[ViewWord.OTHER_STATE] = receiverNext(view[ViewWord.OTHER_STATE]!, flags);
}

/** Writes the states and scales of both peers. @returns CHANGED if a state changed */
function writePeers(records: Int32Array, r: number, peers: number): number {
  const before = records[r + ConnWord.STATE]!;
  const changed = ((peers ^ before) & PEER_STATES) !== 0 ? CHANGED : 0;
  const isAssured = changed !== 0 && (peers & PEER_STATES) === BOTH_ESTABLISHED;
  records[r + ConnWord.STATE] = peers | (before & TCP_ASSURED) | (isAssured ? TCP_ASSURED : 0);
  return changed;
}
