/**
 * Offsets of fields that follow one another in memory, computed from the fields' sizes. A layout names each field once, with
 * its size. When the module loads, the sum is compared with the size of the whole. The build replaces the offsets by numbers.
 */

/** A name that begins with `_` stands for a gap. */
type Gap = `_${string}`;

/** The offset of each field, in words. */
export type WordOffsets<Sizes> = { readonly [Name in keyof Sizes as Exclude<Name, Gap>]: number };

/**
 * @param what name of the whole, with its article, for the error
 * @param total size of the whole, in words
 * @param sizes words of each field, in memory order; a name that begins with `_` is a gap
 * @throws Error unless the sizes add up to the total
 */
export function wordLayout<Sizes extends Readonly<Record<string, number>>>(
  what: string,
  total: number,
  sizes: Sizes,
): WordOffsets<Sizes> {
  const offsets: Record<string, number> = {};
  let at = 0;
  for (const [name, size] of Object.entries(sizes)) {
    if (!name.startsWith('_')) {
      offsets[name] = at;
    }
    at += size;
  }
  if (at !== total) {
    throw new Error(`the fields of ${what} take ${at} words, not ${total}: change a size or its gap`);
  }
  return offsets as WordOffsets<Sizes>;
}
