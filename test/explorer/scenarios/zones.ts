/** Limits of zones: what one thread sets while another one deletes, and one that dies in the middle. */

import { ZoneLimits } from '../../../src/core/zones/zone-limits.ts';
import { ZONE_POLICIES_WORDS, ZonePolicies } from '../../../src/core/zones/zone-policies.ts';
import { allocateWords, type Words } from '../../../src/shared/access.ts';
import { PARTICIPANT_WORDS, Participant } from '../../../src/shared/memory/participant.ts';
import { type Scenario, scenario, violate } from '../scenario.ts';
import { NO_SPINS } from './mutex.ts';

const ZONE = 7;
const DEFAULT = 5;
const LIMIT = 100;

interface Shared {
  words: Words;
}

/** One connection of the zone counts against the default limit when the scenario begins. */
function zones(
  parts: readonly ((limits: ZoneLimits, me: Participant) => void)[],
  check: (limits: ZoneLimits) => void,
  { repairs = false, limit }: { repairs?: boolean; limit?: number } = {},
): Scenario<Shared> {
  const threads = parts.length + (repairs ? 1 : 0);
  const participants = ZoneLimits.wordsFor(threads);
  const regionOf = (words: Words) => ({ words, base: participants, maxParticipants: threads });
  return scenario<Shared>({
    threads,
    build() {
      const words = allocateWords(participants + threads * PARTICIPANT_WORDS);
      const limits = new ZoneLimits(words, 0, threads);
      const me = new Participant(regionOf(words), 0);
      limits.set('default', DEFAULT, me);
      limits.pools.take(limits.admit(ZONE, me), me);
      if (limit !== undefined) {
        limits.set(ZONE, limit, me);
      }
      const pool = limits.admit(ZONE, me);
      const poolWords = limits.admit(ZONE + 1, me) - pool;
      return {
        shared: { words },
        regions: [
          {
            name: 'zones',
            words,
            ranges: [
              [0, 64],
              [pool, pool + poolWords],
              [participants, words.length],
            ],
          },
        ],
      };
    },
    attach({ words }, thread, stage) {
      const limits = new ZoneLimits(words, 0, threads);
      const me = new Participant(regionOf(words), thread);
      return {
        reset() {
          me.spinEstimate = NO_SPINS;
        },
        run() {
          if (thread < parts.length) {
            parts[thread]!(limits, me);
          } else if (stage.awaitDeath(0)) {
            limits.repair(new Participant(regionOf(words), 0));
          }
        },
        check() {
          if (words[1] !== 0) {
            violate('lock left held', `the mutex of the zone limits is ${words[1]} at the end`);
          }
          check(limits);
        },
      };
    },
  });
}

function expectLimit(limits: ZoneLimits, allowed: readonly string[]): void {
  const { zone, limit, count } = limits.get(ZONE);
  const found = `${zone}: ${limit}, ${count} in use`;
  if (!allowed.includes(found)) {
    violate('lost update', `the zone's limit is "${found}", not one of "${allowed.join('", "')}"`);
  }
}

const sets = (limits: ZoneLimits, me: Participant) => limits.set(ZONE, LIMIT, me);
const deletesDefault = (limits: ZoneLimits, me: Participant) => limits.delete('default', me);

/* Whichever comes first, what was set is there at the end. */
const SET = [`${ZONE}: ${LIMIT}, 1 in use`, `${ZONE}: ${LIMIT}, 0 in use`];

export const setAndDeleteDefault = zones([sets, deletesDefault], (limits) => expectLimit(limits, SET));
export const setDefaultAndDeleteDefault = zones(
  [(limits, me) => limits.set('default', LIMIT, me), deletesDefault],
  (limits) => expectLimit(limits, ['default: 0, 0 in use', `default: ${LIMIT}, 0 in use`]),
);
/** The limit is what the zone has in use: one asks for more, the other one what is in use. */
export const countOfFullZone = zones(
  [
    (limits, me) => void limits.pools.take(limits.admit(ZONE, me), me),
    (limits) => expectLimit(limits, [`${ZONE}: 1, 1 in use`]),
  ],
  (limits) => expectLimit(limits, [`${ZONE}: 1, 1 in use`]),
  { limit: 1 },
);
/** Thread 0 dies as it sets the limit. */
export const setterDies = zones(
  [sets, deletesDefault],
  (limits) => expectLimit(limits, [...SET, 'default: 0, 0 in use']),
  { repairs: true },
);

const POLICY = 3;
const TOLD = ZONE_POLICIES_WORDS;
const SETS = 3;

/** Two threads delete the timeout policy of a zone, set it and delete it again: of each policy one is told that it was there. */
export const policyDeletedTwice: Scenario<Shared> = scenario<Shared>({
  threads: 2,
  build() {
    const words = allocateWords(ZONE_POLICIES_WORDS + 16);
    new ZonePolicies(words, 0).set(ZONE, POLICY);
    return {
      shared: { words },
      regions: [
        {
          name: 'policies',
          words,
          ranges: [
            [ZONE, ZONE + 1],
            [TOLD, TOLD + 1],
          ],
        },
      ],
    };
  },
  attach({ words }, thread) {
    const policies = new ZonePolicies(words, 0);
    return {
      run() {
        for (let round = 0; round < 2; round++) {
          if (policies.delete(ZONE)) {
            words[TOLD]!++;
          }
          if (round === 0) {
            policies.set(ZONE, POLICY + 1 + thread);
          }
        }
      },
      check() {
        const left = policies.get(ZONE) === 0 ? 0 : 1;
        if (words[TOLD]! + left > SETS) {
          violate('lost update', `${words[TOLD]} deletions of a policy that was set ${SETS} times, and ${left} left`);
        }
      },
    };
  },
});
