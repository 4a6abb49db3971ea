/** Credits of a full table: one thread releases the credit that the other wants. */

import type { TableFull } from '../../../src/core/memory/table-options.ts';
import { checkAccounting } from '../accounting.ts';
import { type Scenario, scenario, violate } from '../scenario.ts';
import { nameOfTableWord } from '../table-names.ts';
import {
  answer,
  buildTable,
  COMMIT,
  flow,
  LOOK,
  opening,
  START_MS,
  TablePlayer,
  type TableShared,
  tupleOf,
} from '../tables.ts';

const LIMIT = 2;

/** Both connections go, one after the other, while another thread tries to open three. */
export const giveAndTake: Scenario<TableShared> = scenario<TableShared>({
  threads: 2,
  build: () =>
    buildTable({ threads: 2, maxConnections: LIMIT }, (_ct, player) => {
      player.send([opening(0)], COMMIT, START_MS);
      player.send([opening(1)], COMMIT, START_MS);
    }),
  attach(shared, thread) {
    const player = TablePlayer.attach(shared);
    return {
      reset: () => player.reset(),
      run() {
        if (thread === 0) {
          player.ct.flushTuple(tupleOf(flow(0)), { nowMs: START_MS });
          player.ct.flushTuple(tupleOf(flow(1)), { nowMs: START_MS });
          return;
        }
        for (const n of [2, 3, 4]) {
          player.send([opening(n)], COMMIT, START_MS);
        }
      },
      check() {
        const { connCount, maxConnections } = player.ct;
        if (connCount > maxConnections) {
          violate('limit exceeded', `${connCount} connections, and maxConnections is ${maxConnections}`);
        }
        checkAccounting(player.ct, START_MS);
        /* Every released credit can be taken again. */
        for (const n of [5, 6, 7, 8]) {
          player.send([opening(n)], COMMIT, START_MS);
        }
        if (player.ct.connCount !== LIMIT) {
          violate('refused too early', `a table for ${LIMIT} refuses with ${player.ct.connCount} in it`);
        }
      },
    };
  },
  nameOf: ({ memory }, region, index) => (region === 0 ? nameOfTableWord(memory, index) : undefined),
});

/**
 * What a thread may spend on the search for a victim, before the income of a newcomer (core/evict.ts): what is left is enough for a
 * table of two lines, and the walk through a table that has just become empty stays short.
 */
const BUDGET = -480;

/** What threads do to a full table, and how many connections must be there at the end. */
function full(
  options: { limit: number; tableFull: TableFull; live: readonly number[] },
  parts: readonly ((player: TablePlayer) => void)[],
): Scenario<TableShared> {
  const { limit, tableFull, live } = options;
  return scenario<TableShared>({
    threads: parts.length,
    build: () =>
      buildTable({ threads: parts.length, maxConnections: limit, tableFull }, (_ct, player) => {
        for (let n = 0; n < limit; n++) {
          player.send([opening(n)], COMMIT, START_MS);
        }
      }),
    attach(shared, thread) {
      const player = TablePlayer.attach(shared);
      return {
        reset() {
          player.reset();
          player.tracker.eviction.budget = BUDGET;
        },
        run: () => parts[thread]!(player),
        check() {
          const { connCount } = player.ct;
          if (connCount > limit) {
            violate('limit exceeded', `${connCount} connections, and the limit is ${limit}`);
          }
          checkAccounting(player.ct, START_MS);
          if (!live.includes(connCount)) {
            violate('invariant violated', `${connCount} connections are left, not ${live.join(' or ')}`);
          }
        },
      };
    },
    nameOf: ({ memory }, region, index) => (region === 0 ? nameOfTableWord(memory, index) : undefined),
  });
}

const opens = (n: number) => (player: TablePlayer) => void player.send([opening(n)], COMMIT, START_MS);
const answers = (n: number) => (player: TablePlayer) => void player.send([answer(n)], LOOK, START_MS);
const flushes = (player: TablePlayer) => void player.ct.flush();

/** Both newcomers evict the only connection, which has no reply. */
export const twoEvict = full({ limit: 1, tableFull: 'early-drop', live: [1] }, [opens(1), opens(2)]);
/** The answer comes as the connection is being evicted. */
export const evictAndAnswer = full({ limit: 1, tableFull: 'early-drop', live: [1] }, [opens(1), answers(0)]);
/** What is to be evicted is flushed. */
export const evictAndFlush = full({ limit: 1, tableFull: 'early-drop', live: [0, 1] }, [opens(1), flushes]);

/** A full table is full at every moment, while newcomers are refused or evict another connection. */
const counts = (player: TablePlayer) => {
  const { connCount } = player.ct;
  if (connCount !== LIMIT) {
    violate('wrong count', `a table with ${LIMIT} connections says that it has ${connCount}`);
  }
};
export const countWhileRefused = full({ limit: LIMIT, tableFull: 'refuse', live: [LIMIT] }, [opens(LIMIT), counts]);
export const countWhileEvicted = full({ limit: LIMIT, tableFull: 'early-drop', live: [LIMIT] }, [opens(LIMIT), counts]);
