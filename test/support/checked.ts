/** Tests that run both in processes with CT_CHECKED=1 and in others: see vitest.config.ts. */

import { CHECKED } from '../../src/shared/access.ts';

/** The variants of a test that belong in this process; each variant runs in one of the two. */
export function ofThisProcess<V extends { checked: boolean }>(variants: readonly V[]): V[] {
  return variants.filter(({ checked }) => checked === CHECKED);
}
