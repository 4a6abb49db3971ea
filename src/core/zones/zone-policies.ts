/**
 * Timeout policies of zones: one word per zone, the id of a policy; 0: the default policy. A new connection in the zone uses it,
 * unless the action that creates the connection names another. atomic: any thread writes it, creating threads read it.
 *
 * A connection keeps the policy id that it was created with, as in Open vSwitch. The times of that policy may change.
 */

import { exchange, load, peek, store, type Words } from '../../shared/access.ts';

const ZONES = 65536;

export const ZONE_POLICIES_WORDS = ZONES;

export class ZonePolicies {
  private readonly words: Words;
  private readonly base: number;

  constructor(words: Words, base: number) {
    this.words = words;
    this.base = base;
  }

  /** The policy of a new connection. For the packet path. */
  policyOf(zone: number): number {
    return peek(this.words, this.base + zone);
  }

  get(zone: number): number {
    return load(this.words, this.base + zone);
  }

  set(zone: number, policyId: number): void {
    store(this.words, this.base + zone, policyId);
  }

  /** @returns whether the zone had one. If two threads delete it at once, only one of them gets true */
  delete(zone: number): boolean {
    return exchange(this.words, this.base + zone, 0) !== 0;
  }

  /** All zones with a policy, and its id. */
  *all(): Generator<[zone: number, policyId: number], void, void> {
    for (let zone = 0; zone < ZONES; zone++) {
      const policyId = this.get(zone);
      if (policyId !== 0) {
        yield [zone, policyId];
      }
    }
  }
}
