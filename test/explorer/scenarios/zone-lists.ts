/**
 * The connections of a zone, listed by participant (src/core/zones/zone-lists.ts): insertion, removal and walks over the zone at once.
 * The thread that prepares the table has the participant slot of thread 0. So its lists are those of thread 0.
 */

import { repairParticipant } from '../../../src/core/repair/repair.ts';
import { PLACES } from '../../../src/core/zones/zone-lists-layout.ts';
import { checkAccounting } from '../accounting.ts';
import { type Scenario, scenario, violate } from '../scenario.ts';
import { nameOfTableWord } from '../table-names.ts';
import {
  buildTable,
  COMMIT,
  flow,
  LATER_MS,
  opening,
  START_MS,
  TablePlayer,
  type TableShared,
  tupleOf,
} from '../tables.ts';
import { expectLive } from './support.ts';

type Act = (player: TablePlayer) => void;

interface Options {
  prepare: Act;
  parts: readonly Act[];
  /** How many connections may be there at the end. */
  live: readonly number[];
  /** Thread 0 dies, and one thread more repairs after it. */
  repairs?: boolean;
}

function zone({ prepare, parts, live, repairs = false }: Options): Scenario<TableShared> {
  const threads = parts.length + (repairs ? 1 : 0);
  return scenario<TableShared>({
    threads,
    build: () => buildTable({ threads }, (_ct, player) => prepare(player)),
    attach(shared, thread, stage) {
      const player = TablePlayer.attach(shared);
      return {
        reset: () => (repairs && thread === 0 ? player.resurrect() : player.reset()),
        run() {
          if (thread < parts.length) {
            parts[thread]!(player);
          } else if (stage.awaitDeath(0) && !repairParticipant(player.tracker, 0).isComplete) {
            violate('not repaired', 'the repair was not complete although nobody else died');
          }
        },
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

const opens =
  (...flows: number[]): Act =>
  (player) => {
    for (const n of flows) {
      player.send([opening(n)], COMMIT, START_MS);
    }
  };
const removes =
  (...flows: number[]): Act =>
  (player) => {
    for (const n of flows) {
      player.ct.flushTuple(tupleOf(flow(n)), { nowMs: START_MS });
    }
  };
const sweeps: Act = (player) => player.sweep(LATER_MS);
const flushesZone: Act = (player) => void player.ct.flush({ zone: 0 });
const range = (from: number, end: number) => Array.from({ length: end - from }, (_, i) => from + i);

/** Opens so many segments of connections, and removes all but those kept. */
const fills =
  (segments: number, ...kept: number[]): Act =>
  (player) => {
    const all = range(0, segments * PLACES);
    opens(...all)(player);
    removes(...all.filter((n) => !kept.includes(n)))(player);
  };

/** The connection that was there before the flush began is gone after it, and the other one may be. */
export const flushAgainstInsert = zone({
  prepare: opens(0),
  parts: [
    opens(1),
    (player) => {
      flushesZone(player);
      player.tracker.enter();
      if (player.find(flow(0), START_MS) !== 0) {
        violate('lost update', 'a connection outlives the flush of its zone');
      }
      player.tracker.leave();
    },
  ],
  live: [0, 1],
});

/** A thread that has found a connection flushes its zone. */
export const flushOfFound = zone({
  prepare: () => {},
  parts: [
    opens(0),
    (player) => {
      const { tracker } = player;
      tracker.enter();
      const isFound = player.find(flow(0), START_MS) !== 0;
      tracker.leave();
      if (!isFound) {
        return;
      }
      flushesZone(player);
      tracker.enter();
      if (player.find(flow(0), START_MS) !== 0) {
        violate('lost update', 'a connection that was found outlives the flush of its zone');
      }
      tracker.leave();
    },
  ],
  live: [0, 1],
});

export const flushAndSweep = zone({ prepare: opens(0), parts: [sweeps, flushesZone], live: [0] });
export const twoFlush = zone({ prepare: opens(0, 1), parts: [flushesZone, flushesZone], live: [0] });

/** The two last connections of a segment are removed at once. */
export const twoEmpty = zone({ prepare: fills(1, 10, 11), parts: [removes(10), removes(11)], live: [0] });

/** The only segment is emptied while its owner adds the next. */
export const emptiedAgainstExtended = zone({
  prepare: fills(1, 11),
  parts: [opens(100), removes(11)],
  live: [1],
});

const KEPT = 2 * PLACES - 1;

/** The segment before a connection that stays is emptied, and wanted again, while a thread walks over the zone. */
export const emptiedAgainstWalk = zone({
  prepare: fills(2, PLACES - 1, KEPT),
  parts: [
    (player) => {
      removes(PLACES - 1)(player);
      opens(100)(player);
    },
    (player) => {
      if (player.ct.stats({ zone: 0, nowMs: START_MS }).total < 1) {
        violate('connection not found', 'a walk over the zone misses a connection that is there all the time');
      }
    },
  ],
  live: [2],
});

/** The first insertion of a zone allocates a segment. */
export const inserterDies = zone({ prepare: () => {}, parts: [opens(0), opens(1)], live: [1, 2], repairs: true });
/** The segment is full. */
export const extenderDies = zone({
  prepare: fills(1, 11),
  parts: [opens(100), removes(11)],
  live: [0, 1],
  repairs: true,
});
/** The removal empties the segment. */
export const removerDies = zone({
  prepare: fills(1, 11),
  parts: [removes(11), flushesZone],
  live: [0],
  repairs: true,
});
/** It flushes what the other thread lists beside it. */
export const flusherDies = zone({
  prepare: fills(1, 10, 11),
  parts: [flushesZone, opens(100)],
  live: [0, 1, 2, 3],
  repairs: true,
});
