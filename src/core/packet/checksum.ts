/**
 * Internet checksums (RFC 1071) and CRC32c (RFC 9260, appendix A) over words of a packet region.
 *
 * A one's complement sum does not depend on byte order: halves of words summed in memory order give the sum in memory
 * order. A correct packet sums to 0xffff either way.
 */

/** Words summed before the accumulator is folded: 2^14 * 2 * 0xffff stays below 2^31. */
const WORDS_PER_FOLD = 8192;

/** Folds a sum of halves to 16 bits. */
export function foldSum(sum: number): number {
  sum = (sum & 0xffff) + (sum >>> 16);
  return (sum & 0xffff) + (sum >>> 16);
}

/** The folded sum of `bytes` bytes from word `word` on, added to `sum` (a folded sum, or a few words' halves). */
export function sumWords(words: Int32Array, word: number, bytes: number, sum: number): number {
  let left = bytes >>> 2;
  while (left > 0) {
    const end = word + (left < WORDS_PER_FOLD ? left : WORDS_PER_FOLD);
    left -= end - word;
    for (; word < end; word++) {
      const value = words[word]!;
      sum += (value & 0xffff) + (value >>> 16);
    }
    sum = foldSum(sum);
  }
  const rest = bytes & 3;
  if (rest !== 0) {
    const value = words[word]! & ((1 << (rest * 8)) - 1);
    sum += (value & 0xffff) + (value >>> 16);
  }
  return foldSum(sum);
}

/** Is the checksum of these bytes, which include the checksum field, right? */
export function isSumRight(words: Int32Array, word: number, bytes: number): boolean {
  return sumWords(words, word, bytes, 0) === 0xffff;
}

/** The halves of the pseudo header without its addresses, added: protocol and length, in memory order. */
export function pseudoHeaderSum(protocol: number, bytes: number): number {
  return (protocol << 8) + ((bytes & 0xff) << 8) + ((bytes >>> 8) & 0xff);
}

/** The two halves of a word, added. */
export function halves(word: number): number {
  return (word & 0xffff) + (word >>> 16);
}

const CRC32C_POLYNOMIAL = 0x82f63b78;

const crcTable: Int32Array = (() => {
  const table = new Int32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) {
      crc = (crc & 1) !== 0 ? (crc >>> 1) ^ CRC32C_POLYNOMIAL : crc >>> 1;
    }
    table[byte] = crc;
  }
  return table;
})();

/**
 * CRC32c of an SCTP packet, computed as if its checksum field (the third word) were zero.
 * @returns the value as the packet holds it, read as a word in memory order
 */
export function sctpChecksum(words: Int32Array, word: number, bytes: number): number {
  let crc = -1;
  for (let i = 0; i < bytes; i++) {
    const at = i >>> 2;
    const byte = at === 2 ? 0 : words[word + at]! >>> ((i & 3) * 8);
    crc = crcTable[(crc ^ byte) & 0xff]! ^ (crc >>> 8);
  }
  return ~crc;
}
