/** How often a test repeats what it does: some rounds in `npm test`, all of them in `npm run test:long`. */

/** In the projects of vitest.long.config.ts that repeat files of `npm test` in full. */
const IS_LONG = process.env['CT_TEST_ROUNDS'] === 'all';

/** A count, or a step between what is looked at. @param all for test:long */
export function rounds(some: number, all: number): number {
  return IS_LONG ? all : some;
}
