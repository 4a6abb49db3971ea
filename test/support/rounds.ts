/** How often a test repeats its work: some rounds in `npm test`, all of them in `npm run test:long`. */

/** True in the projects of vitest.long.config.ts that repeat files of `npm test` in full. */
const IS_LONG = process.env['CT_TEST_ROUNDS'] === 'all';

/** A count, or a step between tested values. @param some for `npm test` @param all for `npm run test:long` */
export function rounds(some: number, all: number): number {
  return IS_LONG ? all : some;
}
