/** A bucket that grows while others look, insert, remove and sweep in it. */

import { checkAccounting } from '../accounting.ts';
import { type Scenario, scenario, violate } from '../scenario.ts';
import { nameOfTableWord } from '../table-names.ts';
import { buildTable, COMMIT, flow, opening, START_MS, TablePlayer, type TableShared, tupleOf } from '../tables.ts';
import { expectLive } from './support.ts';

/** A bucket of two lines grows with the entry after these (table/bucket-table.ts). */
const FULL = 10;

type Part = (player: TablePlayer) => void;

function growing(parts: readonly Part[], live: readonly number[]): Scenario<TableShared> {
  return scenario<TableShared>({
    threads: parts.length,
    build: () =>
      buildTable({ threads: parts.length }, (_ct, player) => {
        player.send(
          Array.from({ length: FULL }, (_, n) => opening(n)),
          COMMIT,
          START_MS,
        );
      }),
    attach(shared, thread) {
      const player = TablePlayer.attach(shared);
      return {
        reset: () => player.reset(),
        run: () => parts[thread]!(player),
        check() {
          checkAccounting(player.ct, START_MS);
          if (!live.includes(player.ct.connCount)) {
            expectLive(player.ct, live[0]!);
          }
        },
      };
    },
    nameOf: ({ memory }, region, index) => (region === 0 ? nameOfTableWord(memory, index) : undefined),
  });
}

/** Opens the connection that makes the bucket grow. */
const grows: Part = (player) => void player.send([opening(FULL)], COMMIT, START_MS);
/** Then the old block may be cleared, as soon as nobody can see it. */
const growsAndGoesOn: Part = (player) => {
  grows(player);
  player.tracker.enter();
  player.tracker.quiesce();
  player.tracker.quiesce();
  player.tracker.leave();
};
/** Everything that was there is found, whichever block the search looks at. */
const looks: Part = (player) => {
  player.tracker.enter();
  for (const n of [0, FULL - 1]) {
    if (player.find(flow(n), START_MS) === 0) {
      violate('connection not found', `connection ${n} is not found while its bucket grows`);
    }
  }
  player.tracker.quiesce();
  player.tracker.leave();
};
const inserts: Part = (player) => void player.send([opening(FULL + 1)], COMMIT, START_MS);
const removes: Part = (player) => void player.ct.flushTuple(tupleOf(flow(0)), { nowMs: START_MS });
/** None of those that are looked for. */
const removesAnother: Part = (player) => void player.ct.flushTuple(tupleOf(flow(1)), { nowMs: START_MS });
/** Nothing has expired: what it does is note when to look again. */
const sweeps: Part = (player) => player.sweep(START_MS);

export const againstLookup = growing([growsAndGoesOn, looks], [FULL + 1]);
export const againstInsert = growing([grows, inserts], [FULL + 2]);
export const againstSameInsert = growing([grows, grows], [FULL + 1]);
export const againstRemove = growing([grows, removes], [FULL]);
export const againstSweep = growing([grows, sweeps], [FULL + 1]);
export const againstAll = growing([grows, looks, removesAnother], [FULL]);
