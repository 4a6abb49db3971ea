/**
 * Arrays of 4 GiB or more in another thread. postMessage and workerData count the bytes of an array in 32 bits (Node 20 to 26), so a
 * longer one arrives too short. Its buffer arrives whole. So a thread that maps a table makes such arrays anew.
 */

import type { Words } from '../../shared/access.ts';

/** Longer arrays are cut to the rest of their length by this. */
const CUT_BYTES: number = 2 ** 32;

/** An array of its whole buffer, if a message has cut it; else the array itself. */
function wholeArray<Region extends Words | undefined>(words: Region): Region {
  if (!(words instanceof Int32Array) || words.byteOffset !== 0) {
    return words;
  }
  const { byteLength } = words.buffer;
  const isCut = byteLength >= CUT_BYTES && words.byteLength === byteLength % CUT_BYTES;
  return isCut ? (new Int32Array(words.buffer) as Region) : words;
}

/** The arrays of a table's memory that may be so long. */
interface LargeArrays {
  readonly words: Words;
  readonly zoneLists: Words;
  readonly lists: Words;
  readonly ledger?: Words | undefined;
}

/** The memory of a table as it was before a message brought it; the same object if nothing was cut. */
export function withWholeArrays<Memory extends LargeArrays>(memory: Memory): Memory {
  const { words, zoneLists, lists, ledger } = memory;
  const whole = {
    words: wholeArray(words),
    zoneLists: wholeArray(zoneLists),
    lists: wholeArray(lists),
    ledger: wholeArray(ledger),
  };
  const isSame =
    whole.words === words && whole.zoneLists === zoneLists && whole.lists === lists && whole.ledger === ledger;
  return isSame ? memory : { ...memory, ...whole };
}
