/** Addresses as strings and as words in network order. alg/address-text.ts reads and writes the text. */

import {
  MAX_ADDRESS_TEXT_BYTES,
  readIpv4Text,
  readIpv6Text,
  writeIpv4Text,
  writeIpv6Text,
} from '../alg/address-text.ts';

const DOT = 0x2e;

const bytes = new Uint8Array(MAX_ADDRESS_TEXT_BYTES);
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The text of the IPv4 address in a word. */
export function formatIpv4(word: number): string {
  return decoder.decode(bytes.subarray(0, writeIpv4Text(bytes, 0, word, DOT)));
}

/** The text of the IPv6 address in four words from `at` on (RFC 5952). It has no dots. */
export function formatIpv6(words: Int32Array, at: number): string {
  return decoder.decode(bytes.subarray(0, writeIpv6Text(bytes, 0, words, at, false)));
}

/** Writes a text to `bytes`. @returns its length; -1 if it is no text, or too long for an address */
function writeBytes(text: string): number {
  if (typeof text !== 'string' || text.length > MAX_ADDRESS_TEXT_BYTES) {
    return -1;
  }
  const { read, written } = encoder.encodeInto(text, bytes);
  return read === text.length ? written : -1;
}

/**
 * The word of an IPv4 address; undefined if the text is none. As in inet_pton(3), 010 is refused: some programs read it as
 * octal.
 */
export function parseIpv4(text: string): number | undefined {
  const length = writeBytes(text);
  const address = new Int32Array(1);
  return length >= 0 && readIpv4Text(bytes, 0, length, address, 0) ? address[0]! : undefined;
}

/** The four words of an IPv6 address; undefined if the text is none. */
export function parseIpv6(text: string): Int32Array | undefined {
  const length = writeBytes(text);
  const address = new Int32Array(4);
  return length >= 0 && readIpv6Text(bytes, 0, length, address, 0) ? address : undefined;
}
