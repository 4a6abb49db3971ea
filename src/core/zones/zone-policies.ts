/**
 * Timeout policies of zones: one word per zone, the id of the policy that connections created in the zone use if the
 * pass that creates them names none; 0: the default policy. atomic: written from outside, read by whoever creates.
 *
 * A connection keeps the policy that it was created with, as in Open vSwitch; what the policy says may change under it.
 */

import { exchange, load, peek, store, type Words } from '../../shared/access.ts';

const ZONES = 65536;

export const ZONE_POLICIES_WORDS = ZONES;

export class ZonePolicies {
  readonly #words: Words;
  readonly #base: number;

  constructor(words: Words, base: number) {
    this.#words = words;
    this.#base = base;
  }

  /** The policy of a new connection, for the packet path. */
  policyOf(zone: number): number {
    return peek(this.#words, this.#base + zone);
  }

  get(zone: number): number {
    return load(this.#words, this.#base + zone);
  }

  set(zone: number, policyId: number): void {
    store(this.#words, this.#base + zone, policyId);
  }

  /** @returns whether the zone had one: of two threads that delete it at once, one is told so */
  delete(zone: number): boolean {
    return exchange(this.#words, this.#base + zone, 0) !== 0;
  }

  /** Zones that have one, with its id. */
  *all(): Generator<[zone: number, policyId: number], void, void> {
    for (let zone = 0; zone < ZONES; zone++) {
      const policyId = this.get(zone);
      if (policyId !== 0) {
        yield [zone, policyId];
      }
    }
  }
}
