/** Addresses as text in byte buffers, without allocation: read as inet_pton(3) does, written as inet_ntop(3) does. */

import { swapWord } from '../packet/layout.ts';

const DOT = 0x2e;
const COLON = 0x3a;
const ZERO = 0x30;

/** Bytes of the longest text that a write function writes. */
export const MAX_ADDRESS_TEXT_BYTES = 45;

export function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= 0x39;
}

/** Value of a hexadecimal digit, or -1. */
export function hexDigit(byte: number): number {
  if (isDigit(byte)) {
    return byte - ZERO;
  }
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

/**
 * Reads an IPv4 address, four numbers without leading zeros, from `text[from...to)` into `address[at]`.
 * @returns whether the text is an IPv4 address
 */
export function readIpv4Text(text: Uint8Array, from: number, to: number, address: Int32Array, at: number): boolean {
  let word = 0;
  let octets = 0;
  let digits = 0;
  let value = 0;
  for (let i = from; i <= to; i++) {
    const byte = i < to ? text[i]! : DOT;
    if (isDigit(byte)) {
      value = value * 10 + (byte - ZERO);
      digits++;
      if (value > 255 || (digits > 1 && value < 10)) {
        return false;
      }
    } else if (byte === DOT && digits > 0 && octets < 4) {
      word |= value << (8 * octets);
      octets++;
      digits = 0;
      value = 0;
    } else {
      return false;
    }
  }
  address[at] = word;
  return octets === 4;
}

/**
 * Reads an IPv6 address (RFC 4291, 2.2) from `text[from...to)` into `address[at..at + 3]`, in network order.
 * @returns whether the text is an IPv6 address
 */
export function readIpv6Text(text: Uint8Array, from: number, to: number, address: Int32Array, at: number): boolean {
  let groups = 0;
  /** Groups before "::", or -1. */
  let gapAt = -1;
  address[at] = address[at + 1] = address[at + 2] = address[at + 3] = 0;
  let i = from;
  /* A colon at the beginning must be the first one of "::". */
  if (from < to && text[from] === COLON) {
    i++;
    if (i === to || text[i] !== COLON) {
      return false;
    }
  }
  while (i < to) {
    const end = endOfGroup(text, i, to);
    if (end < to && text[end] === DOT) {
      /* The last 32 bits may be written as an IPv4 address. */
      if (groups > 6 || !readIpv4Text(text, i, to, scratch, 0)) {
        return false;
      }
      const word = swapWord(scratch[0]!);
      putGroup(address, at, groups++, word >>> 16);
      putGroup(address, at, groups++, word & 0xffff);
      break;
    }
    if (end === i) {
      /* An empty group is the second colon of "::". */
      if (text[i] !== COLON || gapAt >= 0) {
        return false;
      }
      gapAt = groups;
    } else {
      const isFollowed = end < to;
      if (end - i > 4 || groups === 8 || (isFollowed && (text[end] !== COLON || end + 1 === to))) {
        return false;
      }
      putGroup(address, at, groups++, groupValue(text, i, end));
    }
    i = end + 1;
  }
  return gapAt < 0 ? groups === 8 : groups < 8 && closeGap(address, at, gapAt, groups);
}

const scratch = new Int32Array(1);

function endOfGroup(text: Uint8Array, from: number, to: number): number {
  let end = from;
  while (end < to && hexDigit(text[end]!) >= 0) {
    end++;
  }
  return end;
}

function groupValue(text: Uint8Array, from: number, end: number): number {
  let value = 0;
  for (let i = from; i < end; i++) {
    value = (value << 4) | hexDigit(text[i]!);
  }
  return value;
}

/** Moves the groups after the gap to the end of the address. @returns true */
function closeGap(address: Int32Array, at: number, gapAt: number, groups: number): boolean {
  for (let moved = 1; moved <= groups - gapAt; moved++) {
    putGroup(address, at, 8 - moved, groupOf(address, at, groups - moved));
    putGroup(address, at, groups - moved, 0);
  }
  return true;
}

function putGroup(address: Int32Array, at: number, group: number, value: number): void {
  const shift = (group & 1) << 4;
  const bytes = ((value & 0xff) << 8) | (value >>> 8);
  const word = at + (group >>> 1);
  address[word] = (address[word]! & ~(0xffff << shift)) | (bytes << shift);
}

function groupOf(address: Int32Array, at: number, group: number): number {
  const half = (address[at + (group >>> 1)]! >>> ((group & 1) << 4)) & 0xffff;
  return ((half & 0xff) << 8) | (half >>> 8);
}

/** Writes the IPv4 address `word` at `text[at...]`, its numbers joined by `separator`. @returns the end of the text */
export function writeIpv4Text(text: Uint8Array, at: number, word: number, separator: number): number {
  for (let octet = 0; octet < 4; octet++) {
    const value = (word >>> (8 * octet)) & 0xff;
    if (octet > 0) {
      text[at++] = separator;
    }
    if (value >= 100) {
      text[at++] = ZERO + ((value / 100) | 0);
    }
    if (value >= 10) {
      text[at++] = ZERO + (((value / 10) | 0) % 10);
    }
    text[at++] = ZERO + (value % 10);
  }
  return at;
}

/**
 * Writes the IPv6 address `address[from..from + 3]` at `text[at...]` (RFC 5952).
 * @param hasDots write ::a.b.c.d and ::ffff:a.b.c.d with dots, as inet_ntop does
 * @returns the end of the text
 */
export function writeIpv6Text(
  text: Uint8Array,
  at: number,
  address: Int32Array,
  from: number,
  hasDots: boolean,
): number {
  /* The longest run of two or more zero groups, the first if there are several, becomes "::". */
  let gapStart = -1;
  let gapLength = 1;
  for (let start = 0; start < 8; start++) {
    let length = 0;
    while (start + length < 8 && groupOf(address, from, start + length) === 0) {
      length++;
    }
    if (length > gapLength) {
      gapStart = start;
      gapLength = length;
    }
  }
  const isEmbedded =
    hasDots && gapStart === 0 && (gapLength === 6 || (gapLength === 5 && groupOf(address, from, 5) === 0xffff));
  for (let group = 0; group < 8; group++) {
    if (group >= gapStart && group < gapStart + gapLength && gapStart >= 0) {
      if (group === gapStart) {
        text[at++] = COLON;
      }
      continue;
    }
    if (group !== 0) {
      text[at++] = COLON;
    }
    if (group === 6 && isEmbedded) {
      return writeIpv4Text(text, at, address[from + 3]!, DOT);
    }
    const value = groupOf(address, from, group);
    for (let shift = value > 0xfff ? 12 : value > 0xff ? 8 : value > 0xf ? 4 : 0; shift >= 0; shift -= 4) {
      const digit = (value >>> shift) & 0xf;
      text[at++] = digit < 10 ? ZERO + digit : 0x57 + digit;
    }
  }
  if (gapStart >= 0 && gapStart + gapLength === 8) {
    text[at++] = COLON;
  }
  return at;
}
