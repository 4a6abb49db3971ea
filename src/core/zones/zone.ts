/** A conntrack zone. A lookup in one zone never finds a connection of another. */

import { expectWhole } from '../errors.ts';

export const MAX_ZONE = 65535;

/** @returns the zone. @throws UsageError unless it is a whole number from 0 to MAX_ZONE */
export function expectZone(what: string, zone: unknown): number {
  return expectWhole(what, zone, 0, MAX_ZONE);
}
