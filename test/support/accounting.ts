/** The accounting of a table, which must add up while no thread works. */

import { expect } from 'vitest';
import type { Conntrack } from '../../src/core/conntrack.ts';
import { accountingFaults } from './accounting-faults.ts';

/** Fails the test unless created = live + removed, each connection is in the index once, and both directions find it. */
export function expectAccountingHolds(ct: Conntrack, nowMs: number): void {
  expect(accountingFaults(ct, nowMs)).toEqual([]);
}
