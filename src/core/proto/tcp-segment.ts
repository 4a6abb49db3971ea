/**
 * A TCP segment as it lies in a frame, read as little-endian words (RFC 9293, 3.1; the first octet is the lowest byte).
 *
 *   word      31 . . . . . . . . 16   15 . . . . . 8   7 . . . . . 0
 *           +-----------------------+----------------+-------------+
 *   l4 + 0  | destination port      | source port                  |
 *   l4 + 1  | sequence number, its octets in reverse order         |
 *   l4 + 2  | acknowledgement number, likewise                     |
 *   l4 + 3  | window, likewise      | flags          | header bytes|
 *           |                       |                | / 4 << 4    |
 *           +-----------------------+----------------+-------------+
 *   l4 + 5  options, up to the header's end
 *
 * This file does not know connections.
 */

import { swapWord } from '../packet/layout.ts';
import { SCALE_KNOWN } from './tcp-state.ts';

/** TCP flags. */
export const FIN = 0x01;
export const SYN = 0x02;
export const RST = 0x04;
export const PSH = 0x08;
export const ACK = 0x10;
export const URG = 0x20;

const HEADER_BYTES = 20;

/** Options: the end, one octet of padding, the window scale (RFC 7323). */
const OPTION_END = 0;
const OPTION_NOP = 1;
const OPTION_WINDOW_SCALE = 3;
/** The largest window scale (RFC 7323, 2.3). */
export const MAX_SCALE = 14;

export function flagsOf(words: Int32Array, l4: number): number {
  return (words[l4 + 3]! >>> 8) & 0xff;
}

export function seqOf(words: Int32Array, l4: number): number {
  return swapWord(words[l4 + 1]!);
}

export function ackOf(words: Int32Array, l4: number): number {
  return swapWord(words[l4 + 2]!);
}

/** The window as it stands in the header, without a scale. */
export function windowOf(words: Int32Array, l4: number): number {
  const word = words[l4 + 3]!;
  return ((word >>> 8) & 0xff00) | (word >>> 24);
}

export function headerBytesOf(words: Int32Array, l4: number): number {
  return ((words[l4 + 3]! >>> 4) & 0xf) << 2;
}

/** The sequence number after the segment: SYN and FIN take one each, as an octet of data does. */
export function endOf(words: Int32Array, l4: number, l4Bytes: number): number {
  const flags = flagsOf(words, l4);
  const ofFlags = ((flags & SYN) !== 0 ? 1 : 0) + ((flags & FIN) !== 0 ? 1 : 0);
  return (seqOf(words, l4) + (l4Bytes - headerBytesOf(words, l4)) + ofFlags) | 0;
}

/**
 * Is this a combination that no TCP sends? SYN with RST or FIN; none of SYN, ACK and RST; FIN, PSH or URG without ACK.
 */
export function areFlagsInvalid(flags: number): boolean {
  if ((flags & SYN) !== 0) {
    if ((flags & (RST | FIN)) !== 0) {
      return true;
    }
  } else if ((flags & (ACK | RST)) === 0) {
    return true;
  }
  return (flags & ACK) === 0 && (flags & (FIN | PSH | URG)) !== 0;
}

/**
 * May this segment create a connection? A SYN may, and any segment of a connection picked up in mid-stream. A SYN|ACK
 * never.
 */
export function isTcpOpening(words: Int32Array, l4: number): boolean {
  const flags = flagsOf(words, l4);
  return !areFlagsInvalid(flags) && (flags & (SYN | ACK)) !== (SYN | ACK);
}

/** The scale byte for the window scale option of a SYN; 0 if it has none. */
export function scaleOf(words: Int32Array, l4: number): number {
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

/** Converts a window that was sent without scaling to units of the scale, rounded up. */
export function unscale(window: number, scale: number): number {
  return (window + (1 << scale) - 1) >>> scale;
}

/** a >= b, modulo 2^32. */
export function reaches(a: number, b: number): boolean {
  return ((a - b) | 0) >= 0;
}
