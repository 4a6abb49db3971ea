/** What the command line of `regress` says of its configuration. */

export const CONFIG_FILE = 'ct-bucket.regress.json';

/** A part of the cases, for one of several machines: the `number`th case of each `of`, from 1. */
export interface Shard {
  number: number;
  of: number;
}
