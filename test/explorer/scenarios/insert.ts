/** Threads that open connections: the same one, from both ends, beside a reader, with the last credit. */

import { visitBucket } from '../../../src/core/inspect/table-walk.ts';
import { checkAccounting } from '../accounting.ts';
import { type Scenario, scenario, violate } from '../scenario.ts';
import { nameOfTableWord } from '../table-names.ts';
import {
  answer,
  buildTable,
  COMMIT,
  flow,
  flowsWhere,
  LOOK,
  opening,
  START_MS,
  TablePlayer,
  type TableShared,
} from '../tables.ts';
import { expectLive } from './support.ts';

/** Threads that send their packets one batch after another into an empty table. */
function senders(
  batches: readonly (readonly { frame: Uint8Array; commits: boolean }[])[],
  options: { live: number; maxConnections?: number },
): Scenario<TableShared> {
  return scenario<TableShared>({
    threads: batches.length,
    build: () => buildTable({ threads: batches.length, maxConnections: options.maxConnections ?? 64 }),
    attach(shared, thread) {
      const player = TablePlayer.attach(shared);
      return {
        reset: () => player.reset(),
        run() {
          for (const { frame, commits } of batches[thread]!) {
            player.send([frame], commits ? COMMIT : LOOK, START_MS);
          }
        },
        check() {
          checkAccounting(player.ct, START_MS);
          expectLive(player.ct, options.live);
        },
      };
    },
    nameOf: ({ memory }, region, index) => (region === 0 ? nameOfTableWord(memory, index) : undefined),
  });
}

const opens = (n: number) => ({ frame: opening(n), commits: true });
const answers = (n: number, commits = false) => ({ frame: answer(n), commits });

/** One of them creates it, the others find it. */
export const sameTuple = senders([[opens(0)], [opens(0)]], { live: 1 });
export const sameTupleThree = senders([[opens(0)], [opens(0)], [opens(0)]], { live: 1 });
/** The answer may come first; there is one connection for both. */
export const bothEnds = senders([[opens(0)], [answers(0, true)]], { live: 1 });
/** Of one bucket, and of one line. */
export const twoTuples = senders([[opens(0)], [opens(1)]], { live: 2 });
/** Room for one. */
export const lastUnit = senders([[opens(0)], [opens(1)]], { live: 1, maxConnections: 1 });

/** A reader looks for what is being created: once found it stays found, and is complete. */
export const againstLookup: Scenario<TableShared> = scenario<TableShared>({
  threads: 2,
  build: () => buildTable({ threads: 2 }),
  attach(shared, thread) {
    const player = TablePlayer.attach(shared);
    return {
      reset: () => player.reset(),
      run() {
        if (thread === 0) {
          player.send([opening(0)], COMMIT, START_MS);
          return;
        }
        let wasFound = false;
        player.tracker.enter();
        for (const ends of [flow(0), reversed(0), flow(0)]) {
          const isFound = player.find(ends, START_MS) !== 0;
          if (wasFound && !isFound) {
            violate('connection not found', 'a connection that was found is not found any more');
          }
          wasFound = isFound;
        }
        player.tracker.quiesce();
        player.tracker.leave();
        const [state] = player.send([answer(0)], LOOK, START_MS);
        if (wasFound && state !== 'est|rpl|trk') {
          violate('incomplete connection', `the answer of a connection that was found is ${state}`);
        }
      },
      check() {
        checkAccounting(player.ct, START_MS);
        expectLive(player.ct, 1);
      },
    };
  },
  nameOf: ({ memory }, region, index) => (region === 0 ? nameOfTableWord(memory, index) : undefined),
});

/** What fits a line. */
const LINE_FULL = 7;

/**
 * An entry that finds its home line full goes to the next. A reader that has seen it in a walk over the bucket must find it by its key.
 */
export const overflowAgainstLookup: Scenario<TableShared> = scenario<TableShared>({
  threads: 2,
  build: () =>
    buildTable({ threads: 2 }, (_ct, player) => {
      for (const n of ofOneLine(player).slice(0, LINE_FULL)) {
        player.send([opening(n)], COMMIT, START_MS);
      }
    }),
  attach(shared, thread) {
    const player = TablePlayer.attach(shared);
    const { tracker } = player;
    const last = ofOneLine(player)[LINE_FULL]!;
    return {
      reset: () => player.reset(),
      run() {
        if (thread === 0) {
          player.send([opening(last)], COMMIT, START_MS);
          return;
        }
        let seen = 0;
        tracker.enter();
        visitBucket(tracker, 0, () => seen++);
        if (seen > LINE_FULL && player.find(flow(last), START_MS) === 0) {
          violate('connection not found', 'a connection that stands in the index is not found by its key');
        }
        tracker.quiesce();
        tracker.leave();
      },
      check() {
        checkAccounting(player.ct, START_MS);
        expectLive(player.ct, LINE_FULL + 1);
      },
    };
  },
  nameOf: ({ memory }, region, index) => (region === 0 ? nameOfTableWord(memory, index) : undefined),
});

/** Flows of the first line of a bucket with two. */
function ofOneLine(player: TablePlayer): number[] {
  return flowsWhere(player, LINE_FULL + 1, (hash) => (hash & 1) === 0);
}

function reversed(n: number) {
  const { src, sport, dst, dport } = flow(n);
  return { src: dst, sport: dport, dst: src, dport: sport };
}
