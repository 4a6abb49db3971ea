/** Addresses as text (RFC 5952) and as words in network order. */

import { swapWord } from '../packet/layout.ts';

/** Text of the IPv4 address in a word. */
export function formatIpv4(word: number): string {
  return `${word & 0xff}.${(word >>> 8) & 0xff}.${(word >>> 16) & 0xff}.${word >>> 24}`;
}

/** Text of the IPv6 address in four words from `at` on. */
export function formatIpv6(words: Int32Array, at: number): string {
  const groups: number[] = [];
  for (let i = 0; i < 4; i++) {
    const word = swapWord(words[at + i]!);
    groups.push(word >>> 16, word & 0xffff);
  }
  /* The longest run of two or more zero groups, the first if there are several, becomes "::". */
  let runStart = -1;
  let runLength = 1;
  for (let start = 0; start < 8; start++) {
    let end = start;
    while (end < 8 && groups[end] === 0) {
      end++;
    }
    if (end - start > runLength) {
      runStart = start;
      runLength = end - start;
    }
  }
  const text = (from: number, to: number) =>
    groups
      .slice(from, to)
      .map((group) => group.toString(16))
      .join(':');
  return runStart < 0 ? text(0, 8) : `${text(0, runStart)}::${text(runStart + runLength, 8)}`;
}

/**
 * The word of an IPv4 address; undefined if the text is none. As in inet_pton(3), 010 is refused: some programs read it
 * as octal.
 */
export function parseIpv4(text: string): number | undefined {
  if (typeof text !== 'string') {
    return undefined;
  }
  const match = /^(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})$/.exec(text);
  if (match === null) {
    return undefined;
  }
  const bytes = match.slice(1).map(Number);
  if (bytes.some((byte) => byte > 255)) {
    return undefined;
  }
  return bytes[0]! | (bytes[1]! << 8) | (bytes[2]! << 16) | (bytes[3]! << 24);
}

/** The four words of an IPv6 address; undefined if the text is none. */
export function parseIpv6(text: string): Int32Array | undefined {
  if (typeof text !== 'string') {
    return undefined;
  }
  let rest = text;
  const embedded = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  if (embedded !== null) {
    const word = parseIpv4(embedded[2]!);
    if (word === undefined) {
      return undefined;
    }
    const host = swapWord(word);
    rest = `${embedded[1]}${(host >>> 16).toString(16)}:${(host & 0xffff).toString(16)}`;
  }
  const halves = rest.split('::');
  if (halves.length > 2) {
    return undefined;
  }
  const groupsOf = (half: string) => (half === '' ? [] : half.split(':'));
  const before = groupsOf(halves[0]!);
  const after = halves.length === 2 ? groupsOf(halves[1]!) : [];
  const missing = 8 - before.length - after.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) {
    return undefined;
  }
  const groups = [...before, ...Array.from({ length: missing }, () => '0'), ...after];
  if (!groups.every((group) => /^[0-9a-fA-F]{1,4}$/.test(group))) {
    return undefined;
  }
  const words = new Int32Array(4);
  for (let i = 0; i < 4; i++) {
    const host = (Number.parseInt(groups[2 * i]!, 16) << 16) | Number.parseInt(groups[2 * i + 1]!, 16);
    words[i] = swapWord(host);
  }
  return words;
}
