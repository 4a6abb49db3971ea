/**
 * The TCP state machine: pf's, as Open vSwitch's userspace tracker has it, with sequence and window checks after
 * Guido van Rooij, "Real stateful TCP packet filtering in IP Filter" (2000).
 *
 * Each end of a connection ("peer") has a state, the range of sequence numbers it may send (low: highest sent, high:
 * highest that the other end's acknowledgement and window allow), its largest window and its window scale. A packet
 * moves the sender's state on, and with its ACK the receiver's.
 *
 *   STATE        original state | reply state << 4 | original scale << 8 | reply scale << 16 | TCP_ASSURED | TCP_WAS_ANSWERED
 *   TCP_SEQ_LOW, TCP_SEQ_HIGH, TCP_MAX_WINDOW     see core/table/conn.ts
 *
 * All under the connection's lock.
 */

import { swapWord } from '../packet/layout.ts';
import { ConnWord } from '../table/conn.ts';
import { Timeout } from '../timeouts.ts';

/** States of a peer, with the numbers of the reference: comparisons go by them. */
export const TcpState = {
  CLOSED: 0,
  SYN_SENT: 2,
  ESTABLISHED: 4,
  CLOSING: 7,
  FIN_WAIT_2: 9,
  TIME_WAIT: 10,
} as const;

const TCP_STATE_NAMES = new Map<number, string>(Object.entries(TcpState).map(([name, value]) => [value, name]));

export function tcpStateName(state: number): string {
  return TCP_STATE_NAMES.get(state) ?? String(state);
}

/** TCP flags (RFC 9293, 3.1). */
const FIN = 0x01;
const SYN = 0x02;
const RST = 0x04;
const PSH = 0x08;
const ACK = 0x10;
const URG = 0x20;

const HEADER_BYTES = 20;

/** Window scale option (RFC 7323): 14 is the largest scale. */
const OPTION_END = 0;
const OPTION_NOP = 1;
const OPTION_WINDOW_SCALE = 3;
const MAX_SCALE = 14;

/** Bits of a peer's scale byte: scale announced, scale unknown (picked up in mid-stream), the scale itself. */
export const SCALE_KNOWN = 0x80;
export const SCALE_UNKNOWN = 0x40;
export const SCALE_MASK = 0x0f;

/** How far an acknowledgement may be off: a window without scaling and one large segment. */
const MAX_ACK_SKEW = 0xffff + 1500;

/** What a packet does to its connection. */
export const Update = {
  INVALID: 0,
  /** Belongs to the connection: `est`. */
  VALID: 1,
  /** Belongs to a connection that has not been answered: `new`. */
  VALID_NEW: 2,
  /** Starts a new connection with the same tuple. */
  NEW: 3,
} as const;

const STATE_MASK = 0xf;

function flagsOf(words: Int32Array, l4: number): number {
  return (words[l4 + 3]! >>> 8) & 0xff;
}

function windowOf(words: Int32Array, l4: number): number {
  const word = words[l4 + 3]!;
  return ((word >>> 8) & 0xff00) | (word >>> 24);
}

function headerBytesOf(words: Int32Array, l4: number): number {
  return ((words[l4 + 3]! >>> 4) & 0xf) << 2;
}

/** Combinations that no end sends: SYN with RST or FIN, neither SYN, ACK nor RST, or data flags without ACK. */
function areFlagsInvalid(flags: number): boolean {
  if ((flags & SYN) !== 0) {
    if ((flags & (RST | FIN)) !== 0) {
      return true;
    }
  } else if ((flags & (ACK | RST)) === 0) {
    return true;
  }
  return (flags & ACK) === 0 && (flags & (FIN | PSH | URG)) !== 0;
}

/** May this packet open a connection? A SYN, or any segment of one picked up in mid-stream; never a SYN|ACK. */
export function isTcpOpening(words: Int32Array, l4: number): boolean {
  const flags = flagsOf(words, l4);
  return !areFlagsInvalid(flags) && (flags & (SYN | ACK)) !== (SYN | ACK);
}

/** The window scale that a SYN announces, as a scale byte; 0 if it announces none. */
function scaleOf(words: Int32Array, l4: number): number {
  let left = headerBytesOf(words, l4) - HEADER_BYTES;
  let at = (l4 << 2) + HEADER_BYTES;
  let scale = 0;
  while (left >= 3) {
    const kind = byteAt(words, at);
    if (kind === OPTION_END) {
      break;
    }
    if (kind === OPTION_NOP) {
      at++;
      left--;
      continue;
    }
    if (kind === OPTION_WINDOW_SCALE) {
      scale = Math.min(byteAt(words, at + 2), MAX_SCALE) | SCALE_KNOWN;
    }
    const optionBytes = Math.max(byteAt(words, at + 1), 2);
    at += optionBytes;
    left -= optionBytes;
  }
  return scale;
}

function byteAt(words: Int32Array, byte: number): number {
  return (words[byte >>> 2]! >>> ((byte & 3) << 3)) & 0xff;
}

/** A window announced before scaling applies, in units of the scale. */
function unscale(window: number, scale: number): number {
  return (window + (1 << scale) - 1) >>> scale;
}

/** a >= b, modulo 2^32. */
function reaches(a: number, b: number): boolean {
  return ((a - b) | 0) >= 0;
}

/** Fills the TCP words of a record that is not linked yet, from the packet that opens the connection. */
export function openTcp(records: Int32Array, r: number, words: Int32Array, l4: number, l4Bytes: number): void {
  const flags = flagsOf(words, l4);
  const seq = swapWord(words[l4 + 1]!);
  let high = (seq + (l4Bytes - headerBytesOf(words, l4)) + 1) | 0;
  let scaleOrig: number = SCALE_UNKNOWN;
  let scaleReply: number = SCALE_UNKNOWN;
  if ((flags & SYN) !== 0) {
    high = (high + 1) | 0;
    scaleOrig = scaleOf(words, l4);
    scaleReply = 0;
  }
  if ((flags & FIN) !== 0) {
    high = (high + 1) | 0;
  }
  const window = unscale(Math.max(windowOf(words, l4), 1), scaleOrig & SCALE_MASK);
  records[r + ConnWord.STATE] = TcpState.SYN_SENT | (TcpState.CLOSED << 4) | (scaleOrig << 8) | (scaleReply << 16);
  records[r + ConnWord.TCP_SEQ_LOW] = seq;
  records[r + ConnWord.TCP_SEQ_LOW + 1] = 0;
  records[r + ConnWord.TCP_SEQ_HIGH] = high;
  records[r + ConnWord.TCP_SEQ_HIGH + 1] = 1;
  records[r + ConnWord.TCP_MAX_WINDOW] = window | (1 << 16);
}

/** Which timeout a connection has whose peers are in these states. */
function timeoutOf(source: number, destination: number): number {
  if (source >= TcpState.FIN_WAIT_2 && destination >= TcpState.FIN_WAIT_2) {
    return Timeout.TCP_CLOSED;
  }
  if (source >= TcpState.CLOSING && destination >= TcpState.CLOSING) {
    return Timeout.TCP_FIN_WAIT;
  }
  if (source < TcpState.ESTABLISHED || destination < TcpState.ESTABLISHED) {
    return Timeout.TCP_OPENING;
  }
  if (source >= TcpState.CLOSING || destination >= TcpState.CLOSING) {
    return Timeout.TCP_CLOSING;
  }
  return Timeout.TCP_ESTABLISHED;
}

/** No timeout to set. */
export const KEEP_EXPIRY = 15;
/** The timeout in the answer of an update, shifted down by two bits. */
export const TIMEOUT_MASK = 15;
/** In the answer of an update: the connection's state is another one now, worth an event. */
export const CHANGED = 64;
/** Both peers' states in STATE, and both peers' scales. */
const PEER_STATES = 0xff;
const PEER_SCALES = 0xffff;
/** The state of the peer that answers. */
const REPLY_STATE = 0xf0;
/** In STATE: both peers have been ESTABLISHED at once, which Linux calls assured; it stays when they close. For events. */
export const TCP_ASSURED = 1 << 24;
/** In STATE of a connection whose tuple a SYN opens anew, for its last event: it was answered. */
export const TCP_WAS_ANSWERED = 1 << 25;

const BOTH_ESTABLISHED: number = TcpState.ESTABLISHED | (TcpState.ESTABLISHED << 4);

/**
 * Data or an acknowledgement in an established connection, within its window: what most packets are, in a straight run.
 * Says and does the same as updateAnyTcpLocked, which a test compares; it is there for speed only.
 * @returns false if it is not within the window: then it has done nothing
 */
function passesEstablishedLocked(
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
  const scales = (records[r + ConnWord.STATE]! >>> 8) & PEER_SCALES;
  let shiftSource = 0;
  let shiftDestination = 0;
  if (scales !== 0) {
    const source = (scales >>> (reply << 3)) & 0xff;
    const destination = (scales >>> (8 - (reply << 3))) & 0xff;
    if ((source & destination & SCALE_KNOWN) !== 0) {
      shiftSource = source & SCALE_MASK;
      shiftDestination = destination & SCALE_MASK;
    } else if ((source & destination & SCALE_UNKNOWN) !== 0) {
      shiftSource = MAX_SCALE;
      shiftDestination = MAX_SCALE;
    }
  }
  const windowShift = reply << 4;
  const maxWindowSource = (windows >>> windowShift) & 0xffff;
  const maxWindowDestination = (windows >>> (16 - windowShift)) & 0xffff;
  const ack = swapWord(words[l4 + 2]!);
  const dataBytes = l4Bytes - (((packet >>> 4) & 0xf) << 2);
  let seq = low;
  let end = low;
  if (dataBytes !== 0) {
    seq = swapWord(words[l4 + 1]!);
    end = (seq + dataBytes) | 0;
  }
  const skew = (otherLow - ack) | 0;
  if (
    ((high - end) | 0) < 0 ||
    ((seq - low + (maxWindowDestination << shiftDestination)) | 0) < 0 ||
    skew < -MAX_ACK_SKEW ||
    skew > MAX_ACK_SKEW << shiftSource
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

/**
 * Moves a connection on with a packet. The connection's lock is held.
 * @param reply 1 if the packet travels in reply direction, else 0
 * @returns an Update | (the Timeout to set, or KEEP_EXPIRY) << 2 | CHANGED if the state of a peer did
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
    return Update.VALID | (Timeout.TCP_ESTABLISHED << 2);
  }
  return updateAnyTcpLocked(records, r, words, l4, l4Bytes, reply, checkSequence);
}

/** updateTcpLocked without its short way. */
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
  const both = records[r + ConnWord.STATE]!;
  if (areFlagsInvalid(flags)) {
    return Update.INVALID | (KEEP_EXPIRY << 2);
  }

  const sourceShift = reply << 2;
  const destinationShift = 4 - sourceShift;
  let source = (both >>> sourceShift) & STATE_MASK;
  let destination = (both >>> destinationShift) & STATE_MASK;
  let sourceScale = (both >>> (8 + (reply << 3))) & 0xff;
  let destinationScale = (both >>> (16 - (reply << 3))) & 0xff;

  if ((flags & (SYN | ACK)) === SYN) {
    if (destination >= TcpState.FIN_WAIT_2 && source >= TcpState.FIN_WAIT_2) {
      records[r + ConnWord.STATE] = (both & ~PEER_STATES) | ((both & REPLY_STATE) !== 0 ? TCP_WAS_ANSWERED : 0);
      return Update.NEW | (KEEP_EXPIRY << 2);
    }
    if (source <= TcpState.SYN_SENT) {
      records[r + ConnWord.STATE] = (both & ~(STATE_MASK << sourceShift)) | (TcpState.SYN_SENT << sourceShift);
      const changed = source === TcpState.SYN_SENT ? 0 : CHANGED;
      return Update.VALID_NEW | (Timeout.TCP_FIRST_PACKET << 2) | changed;
    }
  }

  const lowSource = r + ConnWord.TCP_SEQ_LOW + reply;
  const lowDestination = r + ConnWord.TCP_SEQ_LOW + 1 - reply;
  const highSource = r + ConnWord.TCP_SEQ_HIGH + reply;
  const highDestination = r + ConnWord.TCP_SEQ_HIGH + 1 - reply;
  const windows = records[r + ConnWord.TCP_MAX_WINDOW]!;
  const windowShift = reply << 4;
  let maxWindowSource = (windows >>> windowShift) & 0xffff;
  let maxWindowDestination = (windows >>> (16 - windowShift)) & 0xffff;

  /* Scales hold once both ends announced one, and never for segments with SYN (RFC 7323, 2.2). */
  let shiftSource = 0;
  let shiftDestination = 0;
  if ((flags & SYN) === 0) {
    if ((sourceScale & destinationScale & SCALE_KNOWN) !== 0) {
      shiftSource = sourceScale & SCALE_MASK;
      shiftDestination = destinationScale & SCALE_MASK;
    } else if ((sourceScale & destinationScale & SCALE_UNKNOWN) !== 0) {
      shiftSource = MAX_SCALE;
      shiftDestination = MAX_SCALE;
    }
  }

  let window = windowOf(words, l4);
  const packetSeq = swapWord(words[l4 + 1]!);
  let seq = packetSeq;
  let ack = swapWord(words[l4 + 2]!);
  let end = (seq + (l4Bytes - headerBytesOf(words, l4))) | 0;
  if ((flags & SYN) !== 0) {
    end = (end + 1) | 0;
  }
  if ((flags & FIN) !== 0) {
    end = (end + 1) | 0;
  }

  let checkSkew = true;
  if (source < TcpState.SYN_SENT) {
    /* The first packet from this end. */
    if ((flags & SYN) !== 0 && (destinationScale & SCALE_KNOWN) !== 0) {
      sourceScale = scaleOf(words, l4);
      if ((sourceScale & SCALE_KNOWN) !== 0) {
        shiftSource = sourceScale & SCALE_MASK;
        window = unscale(window, shiftSource);
        shiftDestination = destinationScale & SCALE_MASK;
      } else {
        /* This end does not scale, so the other's window was meant as it stood. */
        maxWindowDestination = (maxWindowDestination << (destinationScale & SCALE_MASK)) & 0xffff;
        destinationScale = 0;
      }
    }
    records[lowSource] = seq;
    source = TcpState.SYN_SENT;
    const allowed = (end + Math.max(1, maxWindowDestination << shiftDestination)) | 0;
    if (records[highSource] === 1 || reaches(allowed, records[highSource]!)) {
      records[highSource] = allowed;
      /* A connection picked up, or in place before: be permissive with its acknowledgements. */
      checkSkew = false;
    }
    if (window > maxWindowSource) {
      maxWindowSource = window;
    }
  }

  const low = records[lowSource]!;
  const high = records[highSource]!;
  const otherLow = records[lowDestination]!;

  /* Without ACK, and with the zero that some stacks send in RST|ACK, there is nothing to check. */
  if ((flags & ACK) === 0 || (ack === 0 && (flags & RST) !== 0)) {
    ack = otherLow;
  }
  /* Segments without data may repeat any sequence number. */
  if (seq === end) {
    seq = low;
    end = low;
  }

  const skew = checkSkew ? (otherLow - ack) | 0 : 0;
  let result: number = Update.VALID;
  let timeout: number = KEEP_EXPIRY;
  const isInWindow =
    /* The last octet fits into the other end's window. */
    reaches(high, end) &&
    /* A retransmission goes back one window at most. */
    reaches(seq, (low - (maxWindowDestination << shiftDestination)) | 0) &&
    /* The acknowledgement is at most one fragment back and one window ahead. */
    skew >= -MAX_ACK_SKEW &&
    skew <= MAX_ACK_SKEW << shiftSource &&
    /* A RST must match exactly, give or take one. */
    ((flags & RST) === 0 || packetSeq === low || packetSeq === ((low + 1) | 0) || ((packetSeq + 1) | 0) === low);

  if (isInWindow || !checkSequence) {
    if ((flags & FIN) !== 0 && source < TcpState.CLOSING) {
      source = TcpState.CLOSING;
    }
    if ((flags & ACK) !== 0) {
      if (destination === TcpState.SYN_SENT) {
        destination = TcpState.ESTABLISHED;
      } else if (destination === TcpState.CLOSING) {
        destination = TcpState.FIN_WAIT_2;
      }
    }
    if ((flags & RST) !== 0) {
      source = TcpState.TIME_WAIT;
      destination = TcpState.TIME_WAIT;
    }
    timeout = timeoutOf(source, destination);
  } else if (
    (destination < TcpState.SYN_SENT || destination >= TcpState.FIN_WAIT_2 || source >= TcpState.FIN_WAIT_2) &&
    reaches((high + MAX_ACK_SKEW) | 0, end) &&
    reaches(seq, (low - MAX_ACK_SKEW) | 0)
  ) {
    /* SYNs repeated before an answer, streams picked up in the middle, stray segments after the close: accepted near
     * the window, but the connection lives no longer for it. */
    if ((flags & FIN) !== 0 && source < TcpState.CLOSING) {
      source = TcpState.CLOSING;
    }
    if ((flags & RST) !== 0) {
      source = TcpState.TIME_WAIT;
      destination = TcpState.TIME_WAIT;
    }
  } else {
    result = Update.INVALID;
  }

  if (result === Update.VALID) {
    if (maxWindowSource < window) {
      maxWindowSource = window;
    }
    if (((end - low) | 0) > 0) {
      records[lowSource] = end;
    }
    const scaledWindow = window << shiftSource;
    if (reaches((ack + scaledWindow) | 0, records[highDestination]!)) {
      records[highDestination] = (ack + Math.max(scaledWindow, 1)) | 0;
    }
  }
  const states =
    (source << sourceShift) |
    (destination << destinationShift) |
    (sourceScale << (8 + (reply << 3))) |
    (destinationScale << (16 - (reply << 3))) |
    (both & TCP_ASSURED);
  let changed = 0;
  if (states !== both) {
    changed = ((states ^ both) & PEER_STATES) !== 0 ? CHANGED : 0;
    const isAssured = changed !== 0 && (states & PEER_STATES) === BOTH_ESTABLISHED;
    records[r + ConnWord.STATE] = isAssured ? states | TCP_ASSURED : states;
  }
  const newWindows = (maxWindowSource << windowShift) | (maxWindowDestination << (16 - windowShift));
  if (newWindows !== windows) {
    records[r + ConnWord.TCP_MAX_WINDOW] = newWindows;
  }
  return result | (timeout << 2) | changed;
}
