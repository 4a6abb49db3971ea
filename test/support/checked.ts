/** Tests that run in two kinds of process, with and without CT_CHECKED=1: see vitest.config.ts. */

import { CHECKED } from '../../src/shared/access.ts';

/** The variants of a test for a process of this kind; each runs in one of the two. */
export function ofThisProcess<V extends { checked: boolean }>(variants: readonly V[]): V[] {
  return variants.filter(({ checked }) => checked === CHECKED);
}
