/** The accounting of a table: what must add up when no thread is at work. */

import { expect } from 'vitest';
import type { Conntrack } from '../../src/core/conntrack.ts';
import { bookFaults } from './accounting-faults.ts';

/** Fails the test unless created = live + removed, every connection stands once, and is found by both directions. */
export function expectAccountingHolds(ct: Conntrack, nowMs: number): void {
  expect(bookFaults(ct, nowMs)).toEqual([]);
}
