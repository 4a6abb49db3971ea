/** The engine `zones`: zones that get their first connections, while others look, sweep and flush. */

import { CtAction } from '../../../src/core/action.ts';
import { checkAccounting } from '../accounting.ts';
import { type Scenario, scenario, violate } from '../scenario.ts';
import { nameOfTableWord } from '../table-names.ts';
import { buildTable, COMMIT, flow, opening, START_MS, TablePlayer, type TableShared } from '../tables.ts';

type Part = (player: TablePlayer) => void;

/** An empty table. @param live how many connections may be there at the end */
function zones(parts: readonly Part[], live: readonly number[]): Scenario<TableShared> {
  return scenario<TableShared>({
    threads: parts.length,
    build: () => buildTable({ threads: parts.length, engine: 'zones' }),
    attach(shared, thread) {
      const player = TablePlayer.attach(shared);
      return {
        reset: () => player.reset(),
        run: () => parts[thread]!(player),
        check() {
          checkAccounting(player.ct, START_MS);
          if (!live.includes(player.ct.connCount)) {
            violate('wrong count', `${player.ct.connCount} connections at the end, not ${live.join(' or ')}`);
          }
        },
      };
    },
    nameOf: ({ memory }, region, index) => (region === 0 ? nameOfTableWord(memory, index) : undefined),
  });
}

const opens = (n: number, action = COMMIT): Part => {
  return (player) => void player.send([opening(n)], action, START_MS);
};
const IN_ZONE_1 = new CtAction({ zone: 1, commit: true });

/** Once found it stays found. */
const looks: Part = (player) => {
  player.tracker.enter();
  const found = [0, 1].map(() => player.find(flow(0), START_MS) !== 0);
  player.tracker.quiesce();
  player.tracker.leave();
  if (found[0]! && !found[1]!) {
    violate('connection not found', 'a connection that was found is not found any more');
  }
};

export const firstConnections = zones([opens(0), opens(1)], [2]);

export const firstAgainstLookup = zones(
  [
    opens(0),
    (player) => {
      looks(player);
      player.sweep(START_MS);
      looks(player);
    },
  ],
  [1],
);

/** The second connection of zone 1 meets the block of the first, which is being opened or flushed. */
export const twoZones = zones(
  [
    (player) => {
      opens(0)(player);
      opens(0, IN_ZONE_1)(player);
    },
    (player) => {
      opens(1, IN_ZONE_1)(player);
      if (player.ct.flush({ zone: 1 }) < 1) {
        violate('connection not found', 'a flush of zone 1 does not find the connection that this thread opened there');
      }
      opens(2, IN_ZONE_1)(player);
    },
  ],
  [2, 3],
);
