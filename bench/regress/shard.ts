/** The shard that the command line of `regress` chooses. */

export const CONFIG_FILE = 'ct-bucket.regress.json';

/** A part of the cases, for one of several machines: the `number`th of every `of` cases, from 1. */
export interface Shard {
  number: number;
  of: number;
}
