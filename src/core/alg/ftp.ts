/**
 * FTP control messages (RFC 959, RFC 2428) that name the endpoint of a data connection.
 *
 * They are read as Open vSwitch does. It is more lenient than the RFCs in most places and stricter in some. Commands
 * may come in either direction and letter case, with any text between a keyword and the next blank. Only the start of a
 * segment is read, and never its last byte (normally the line end).
 */

import type { Words } from '../../shared/access.ts';
import { isDigit, hexDigit, readIpv4Text, readIpv6Text } from './address-text.ts';

/** The part of a segment that is considered, in bytes: one more than is read. */
const MAX_MESSAGE_BYTES = 128;

/** Zeros behind the message, so that the code need not check whether there is a next byte. */
const GUARD_BYTES = 8;

const BLANK = 0x20;
const COMMA = 0x2c;
const DOT = 0x2e;
const COLON = 0x3a;
const PARENTHESIS = 0x28;
const BAR = 0x7c;
const FAMILY_IPV4 = 0x31;
const FAMILY_IPV6 = 0x32;

const PORT_DIGITS = 3;
const EXTENDED_PORT_DIGITS = 5;
const MAX_PORT = 65535;

/** The kind of a message, by its beginning. */
export const FtpKind = { other: 0, port: 1, eprt: 2, pasv: 3, epsv: 4 } as const;

function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}

const PORT_COMMAND = bytesOf('PORT');
const EPRT_COMMAND = bytesOf('EPRT');
const PASV_REPLY = bytesOf('227');
const EPSV_REPLY = bytesOf('229');
const EPSV_WORDS = bytesOf('EXTENDED PASSIVE');

function upper(byte: number): number {
  return byte >= 0x61 && byte <= 0x7a ? byte - 0x20 : byte;
}

/** One message, and the values read from it. A thread needs one object. */
export class FtpMessage {
  readonly #text: Uint8Array = new Uint8Array(MAX_MESSAGE_BYTES + GUARD_BYTES);
  #length = 0;
  #isIpv6 = false;

  /** A FtpKind. */
  kind: number = FtpKind.other;
  /** The data connection's port, host order. */
  port = 0;
  /** The offset of the address in the payload, and its length in bytes. Length 0: the message has no address. */
  addressAt = 0;
  addressBytes = 0;
  /** The address in network order: one word for IPv4, four for IPv6. */
  readonly address: Int32Array = new Int32Array(4);

  /** Does the message name the client's endpoint (PORT, EPRT), not the server's? */
  get isActive(): boolean {
    return this.kind === FtpKind.port || this.kind === FtpKind.eprt;
  }

  /**
   * The separator of the numbers of an IPv4 address that replaces this one. EPRT has dots (RFC 2428). With another
   * delimiter than its "|" Open vSwitch writes commas; recorded answers have it so.
   */
  get separator(): number {
    return this.kind === FtpKind.eprt && this.#text[this.addressAt - 1] === BAR ? DOT : COMMA;
  }

  /**
   * Reads the start of a segment's payload of `bytes` bytes, from byte `start` of the region, and finds its kind.
   * @returns whether the message can be parsed (`parse`)
   */
  take(words: Words, start: number, bytes: number, isIpv6: boolean): boolean {
    const text = this.#text;
    const most = (bytes < MAX_MESSAGE_BYTES ? bytes : MAX_MESSAGE_BYTES) - 1;
    let length = 0;
    while (length < most) {
      const at = start + length;
      const byte = (words[at >>> 2]! >>> ((at & 3) << 3)) & 0xff;
      if (byte === 0) {
        break;
      }
      text[length++] = byte;
    }
    text.fill(0, length);
    this.#length = length;
    this.#isIpv6 = isIpv6;
    this.kind = isIpv6 ? this.#kindOverIpv6() : this.#kindOverIpv4();
    return this.kind !== FtpKind.other;
  }

  #kindOverIpv4(): number {
    if (this.#has(PORT_COMMAND, 0)) {
      return FtpKind.port;
    }
    if (this.#has(EPRT_COMMAND, 0)) {
      return FtpKind.eprt;
    }
    if (this.#has(PASV_REPLY, 0)) {
      return FtpKind.pasv;
    }
    return this.#has(EPSV_REPLY, 0) ? FtpKind.epsv : FtpKind.other;
  }

  /** PORT and 227 do not exist over IPv6. The reply to EPSV is recognised by its words. */
  #kindOverIpv6(): number {
    if (this.#has(EPRT_COMMAND, 0)) {
      return FtpKind.eprt;
    }
    for (let at = 0; at < this.#length; at++) {
      if (this.#has(EPSV_WORDS, at)) {
        return FtpKind.epsv;
      }
    }
    return FtpKind.other;
  }

  /** Does the message contain `wanted` at `at`, in any letter case? */
  #has(wanted: Uint8Array, at: number): boolean {
    for (let i = 0; i < wanted.length; i++) {
      /* The bytes after the end are zeros, which no word contains. */
      if (at + i >= this.#length || upper(this.#text[at + i]!) !== wanted[i]) {
        return false;
      }
    }
    return true;
  }

  /** Parses address and port of the message that was read last. @returns whether the message makes sense */
  parse(): boolean {
    this.addressAt = 0;
    this.addressBytes = 0;
    this.port = 0;
    return this.#isIpv6 ? this.#parseIpv6() : this.#parseIpv4();
  }

  #parseIpv4(): boolean {
    /* Somewhere behind the keyword there must be a blank, then a digit. */
    let at = this.kind === FtpKind.port || this.kind === FtpKind.eprt ? PORT_COMMAND.length : PASV_REPLY.length;
    while (this.#text[at] !== BLANK) {
      if (at >= this.#length) {
        return false;
      }
      at++;
    }
    at = this.#nextDigit(at);
    if (at >= this.#length) {
      return false;
    }
    switch (this.kind) {
      case FtpKind.eprt:
        if (this.#text[at] !== FAMILY_IPV4 || isDigit(this.#text[at + 1]!)) {
          return false;
        }
        at = this.#nextDigit(at + 1);
        return at < this.#length && this.#readExtendedPort(this.#readIpv4(at));
      case FtpKind.epsv:
        return this.#readExtendedPort(at);
      default:
        return this.#readPortPair(this.#readIpv4(at));
    }
  }

  #parseIpv6(): boolean {
    if (this.kind === FtpKind.eprt) {
      const family = this.#nextDigit(EPRT_COMMAND.length);
      if (this.#text[family] !== FAMILY_IPV6 || isDigit(this.#text[family + 1]!)) {
        return false;
      }
      return this.#readExtendedPort(this.#readIpv6(family + 2));
    }
    let at = 0;
    while (at < this.#length && this.#text[at] !== PARENTHESIS) {
      at++;
    }
    return this.#readExtendedPort(this.#nextDigit(at));
  }

  #nextDigit(at: number): number {
    while (at < this.#length && !isDigit(this.#text[at]!)) {
      at++;
    }
    return at;
  }

  /**
   * Reads an IPv4 address with commas or dots between its numbers. The first three commas from here on count as dots,
   * wherever they are.
   * @returns the index after the byte that follows the address; -1: no address
   */
  #readIpv4(at: number): number {
    const text = this.#text;
    for (let i = at, commas = 0; i < this.#length && commas < 3; i++) {
      if (text[i] === COMMA) {
        text[i] = DOT;
        commas++;
      }
    }
    let end = at;
    while (isDigit(text[end]!) || text[end] === DOT) {
      end++;
    }
    this.addressAt = at;
    this.addressBytes = end - at;
    return readIpv4Text(text, at, end, this.address, 0) ? end + 1 : -1;
  }

  /** As #readIpv4, for an IPv6 address. */
  #readIpv6(at: number): number {
    const text = this.#text;
    let end = at;
    while (hexDigit(text[end]!) >= 0 || text[end] === COLON || text[end] === DOT) {
      end++;
    }
    this.addressAt = at;
    this.addressBytes = end - at;
    return readIpv6Text(text, at, end, this.address, 0) ? end + 1 : -1;
  }

  /** The end of the number at `at`. One digit more than allowed is still taken. */
  #endOfNumber(at: number, digits: number): number {
    let end = at;
    while (isDigit(this.#text[end]!) && end - at <= digits) {
      end++;
    }
    return end;
  }

  /** The number from `from` to `to`; -1 if it is empty or above 65535. */
  #number(from: number, to: number): number {
    let value = from < to ? 0 : -1;
    for (let i = from; i < to && value <= MAX_PORT; i++) {
      value = value * 10 + (this.#text[i]! - 0x30);
    }
    return value <= MAX_PORT ? value : -1;
  }

  /** Reads `high,low`. Any byte may replace the comma. */
  #readPortPair(at: number): boolean {
    if (at < 0) {
      return false;
    }
    const highEnd = this.#endOfNumber(at, PORT_DIGITS);
    const high = this.#number(at, highEnd);
    let lowEnd = highEnd + 1;
    while (isDigit(this.#text[lowEnd]!)) {
      lowEnd++;
    }
    const low = this.#number(highEnd + 1, lowEnd);
    if (high < 0 || high > 255 || low < 0 || low > 255) {
      return false;
    }
    this.port = (high << 8) | low;
    return true;
  }

  #readExtendedPort(at: number): boolean {
    if (at < 0) {
      return false;
    }
    this.port = this.#number(at, this.#endOfNumber(at, EXTENDED_PORT_DIGITS));
    return this.port >= 0;
  }
}
