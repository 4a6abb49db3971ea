/** Room for connections in a full table: one thread gives back what the other wants. */

import { checkBooks } from '../books.ts';
import { type Scenario, scenario, violate } from '../scenario.ts';
import { nameOfTableWord } from '../table-names.ts';
import { buildTable, COMMIT, flow, opening, START_MS, TablePlayer, type TableShared, tupleOf } from '../tables.ts';

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
          violate('limit exceeded', `${connCount} connections, and room for ${maxConnections}`);
        }
        checkBooks(player.ct, START_MS);
        /* Everything that was given back can be taken again. */
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
