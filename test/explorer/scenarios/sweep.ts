/** The marks that the sweeper leaves in index lines: never later than what stands in the line expires. */

import { LINE_ENTRIES } from '../../../src/core/table/bucket-layout.ts';
import { BucketTable } from '../../../src/core/table/bucket-table.ts';
import { ConnWord, UNIT_SHIFT } from '../../../src/core/table/conn.ts';
import type { Tracker } from '../../../src/core/tracker.ts';
import { checkAccounting } from '../accounting.ts';
import { type Scenario, scenario, violate } from '../scenario.ts';
import { nameOfTableWord } from '../table-names.ts';
import {
  action,
  answer,
  buildTable,
  COMMIT,
  LOOK,
  opening,
  START_MS,
  TablePlayer,
  type TableShared,
} from '../tables.ts';

/** A policy with shorter timeouts than the sweeper's marks last. */
const HASTY = 1;

function checkMarks({ table, words }: Tracker): void {
  for (let bucket = 0; bucket < table.bucketCount; bucket++) {
    const block = table.blockOfBucket(bucket);
    for (let line = 0; line < BucketTable.linesOf(block); line++) {
      const first = BucketTable.firstSlotOf(block, line);
      for (let slot = first; slot < first + LINE_ENTRIES; slot++) {
        const record = table.recordAt(slot);
        const expires = words[(record << UNIT_SHIFT) + ConnWord.EXPIRES]!;
        if (record !== 0 && !table.mayHaveExpired(BucketTable.lineOf(block, line), expires)) {
          violate('stale mark', `record ${record} expires at ${expires}, and its line is not looked at then`);
        }
      }
    }
  }
}

/** Connection 0 is there; the other thread sweeps, and nothing has expired. */
function besideSweeper(part: (player: TablePlayer) => void): Scenario<TableShared> {
  return scenario<TableShared>({
    threads: 2,
    build: () =>
      buildTable({ threads: 2 }, (ct, player) => {
        ct.setTimeoutPolicy(HASTY, { udp_first: 60, udp_single: 60, udp_multiple: 1 });
        ct.setTimeoutPolicy(HASTY + 1, { udp_first: 1, udp_single: 1, udp_multiple: 1 });
        player.send([opening(0)], action({ commit: true, timeoutPolicy: HASTY }), START_MS);
        /* So that the bucket's first word is not the sweeper's first look. */
        player.sweep(START_MS);
      }),
    attach(shared, thread) {
      const player = TablePlayer.attach(shared);
      return {
        reset: () => player.reset(),
        run: () => (thread === 0 ? part(player) : player.sweep(START_MS)),
        check() {
          checkAccounting(player.ct, START_MS);
          player.tracker.enter();
          checkMarks(player.tracker);
          player.tracker.leave();
        },
      };
    },
    nameOf: ({ memory }, region, index) => (region === 0 ? nameOfTableWord(memory, index) : undefined),
  });
}

export const markAgainstInsert = besideSweeper(
  (player) => void player.send([opening(1), opening(2)], action({ commit: true, timeoutPolicy: HASTY + 1 }), START_MS),
);
export const markAgainstShortening = besideSweeper((player) => {
  player.send([opening(1)], COMMIT, START_MS);
  player.send([answer(0)], LOOK, START_MS);
});
