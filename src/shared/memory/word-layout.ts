/**
 * Offsets of fields that follow one another in memory, computed from their sizes. A layout names each field once, with its size; the
 * sum is held against the size of the whole when the module loads. The build writes the offsets into the code as numbers.
 */

/** Names that begin with it are gaps. */
type Gap = `_${string}`;

/** The offset of each field, in words. */
export type WordOffsets<Sizes> = { readonly [Name in keyof Sizes as Exclude<Name, Gap>]: number };

/**
 * @param what the whole, with its article, for the error
 * @param total its size in words
 * @param sizes words of each field, in the order in which they lie; a name that begins with `_` is a gap
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
    throw new Error(`the fields of ${what} take ${at} words, not ${total}`);
  }
  return offsets as WordOffsets<Sizes>;
}
