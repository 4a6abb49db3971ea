/** Parses whole numbers in C notation, as Open vSwitch's commands do. */

/** The largest decimal or octal number: Open vSwitch reads them into 64 bits. */
const MOST = (1n << 64n) - 1n;

/**
 * Parses a number in hexadecimal (0x...), octal (a leading 0) or decimal.
 * @returns undefined if the text is not a number, or a decimal or octal one above 64 bits
 */
export function parseWhole(text: string): bigint | undefined {
  if (/^0[xX][0-9a-fA-F]+$/.test(text)) {
    return BigInt(text);
  }
  let value: bigint;
  if (/^0[0-7]+$/.test(text)) {
    value = BigInt(`0o${text.slice(1)}`);
  } else if (/^(0|[1-9][0-9]*)$/.test(text)) {
    value = BigInt(text);
  } else {
    return undefined;
  }
  return value <= MOST ? value : undefined;
}
