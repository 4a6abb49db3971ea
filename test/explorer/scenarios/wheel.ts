/** The engine `wheel`: whatever the schedule was, the next sweep finds every connection, and not after its expiry. */

import type { TimerWheel } from '../../../src/core/engines/wheel/timer-wheel.ts';
import { wheelFaults } from '../../../src/core/engines/wheel/wheel-check.ts';
import { NodeWord } from '../../../src/core/engines/wheel/wheel-layout.ts';
import { visitBucket } from '../../../src/core/inspect/table-walk.ts';
import { repairParticipant } from '../../../src/core/repair/repair.ts';
import { ConnWord, LIFE_FLAGS, UNIT_SHIFT } from '../../../src/core/table/conn.ts';
import { checkAccounting } from '../accounting.ts';
import { type Scenario, scenario, violate } from '../scenario.ts';
import { nameOfTableWord } from '../table-names.ts';
import {
  action,
  answer,
  buildTable,
  flow,
  LATER_MS,
  LOOK,
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
  /** One for each thread. */
  parts: readonly Act[];
  /** Connections that may be there at the end. */
  live: readonly number[];
  endMs?: number;
  /** Thread 0 may die, and one thread more repairs after it. */
  isMortal?: boolean;
}

/** A reply makes a connection with this policy expire after 1 s, not after 60. Another has a second from the start. */
const HASTY = 1;
const HASTIER = 2;

function checkWheel({ tracker }: TablePlayer): void {
  const linked: number[] = [];
  tracker.enter();
  for (let bucket = 0; bucket < tracker.table.bucketCount; bucket++) {
    visitBucket(tracker, bucket, (record) => linked.push(record));
  }
  tracker.leave();
  for (const fault of wheelFaults(tracker.expiry, tracker.memory.maxParticipants, linked)) {
    violate('stale mark', fault);
  }
  const { region, slots } = tracker.expiry as TimerWheel;
  for (const record of linked) {
    const isDead = (tracker.words[(record << UNIT_SHIFT) + ConnWord.LIFE]! & LIFE_FLAGS) !== 0;
    if (isDead && region[slots.nodeOf(record) + NodeWord.QUEUE] === 0) {
      violate('stale mark', `record ${record} was killed, and the next sweep does not look at it`);
    }
  }
}

function wheel({ prepare, parts, live, endMs = START_MS, isMortal = false }: Options): Scenario<TableShared> {
  const threads = parts.length + (isMortal ? 1 : 0);
  return scenario<TableShared>({
    threads,
    build: () =>
      buildTable({ threads, engine: 'wheel', reclaim: 'sweep' }, (ct, player) => {
        ct.setTimeoutPolicy(HASTY, { udp_first: 60, udp_single: 60, udp_multiple: 1 });
        ct.setTimeoutPolicy(HASTIER, { udp_first: 1, udp_single: 1, udp_multiple: 1 });
        prepare(player);
      }),
    attach(shared, thread, stage) {
      const player = TablePlayer.attach(shared);
      return {
        reset: () => (isMortal && thread === 0 ? player.resurrect() : player.reset()),
        run() {
          if (thread < parts.length) {
            parts[thread]!(player);
          } else if (stage.awaitDeath(0) && !repairParticipant(player.tracker, 0).isComplete) {
            violate('not repaired', 'the repair was not complete although nobody else died');
          }
        },
        check() {
          checkAccounting(player.ct, endMs);
          checkWheel(player);
          if (!live.includes(player.ct.connCount)) {
            expectLive(player.ct, live[0]!);
          }
        },
      };
    },
    nameOf: ({ memory }, region, index) => (region === 0 ? nameOfTableWord(memory, index) : undefined),
  });
}

const inOrder =
  (...acts: Act[]): Act =>
  (player) => {
    for (const act of acts) {
      act(player);
    }
  };
const opens =
  (flows: readonly number[], timeoutPolicy = HASTY, nowMs = START_MS): Act =>
  (player) => {
    for (const n of flows) {
      player.send([opening(n)], action({ commit: true, timeoutPolicy }), nowMs);
    }
  };
const answers =
  (n: number, nowMs = START_MS): Act =>
  (player) =>
    void player.send([answer(n)], LOOK, nowMs);
const kills =
  (n: number): Act =>
  (player) =>
    void player.send([answer(n)], action({ commit: true, force: true }), START_MS);
const removes =
  (n: number): Act =>
  (player) =>
    void player.ct.flushTuple(tupleOf(flow(n)), { nowMs: START_MS });
const sweeps =
  (nowMs = START_MS): Act =>
  (player) =>
    player.sweep(nowMs);

export const insertAgainstSweep = wheel({ prepare: opens([0]), parts: [opens([1, 2]), sweeps()], live: [3] });
/** The record's node is in a slot of the wheel, an hour from now. */
export const reuseOfListed = wheel({
  prepare: inOrder(opens([0]), sweeps(), removes(0)),
  parts: [opens([1], HASTIER), sweeps()],
  live: [1],
});
/** The record's node is in an inbox. */
export const reuseOfQueued = wheel({
  prepare: inOrder(opens([0]), removes(0)),
  parts: [opens([1], HASTIER), sweeps()],
  live: [1],
});
/** The record may be filled when the sweeper looks at it. */
export const reuseOfExpired = wheel({
  prepare: inOrder(opens([0]), sweeps(), removes(0)),
  parts: [opens([1], HASTY, LATER_MS), sweeps(LATER_MS + 60_000)],
  live: [1, 0],
  endMs: LATER_MS,
});
export const shorteningOfListed = wheel({
  prepare: inOrder(opens([0]), sweeps()),
  parts: [answers(0), sweeps()],
  live: [1],
});
export const shorteningOfQueued = wheel({ prepare: opens([0]), parts: [answers(0), sweeps()], live: [1] });
export const twoShorten = wheel({
  prepare: inOrder(opens([0]), sweeps()),
  parts: [answers(0), answers(0, START_MS + 1)],
  live: [1],
});
export const killing = wheel({
  prepare: inOrder(opens([0]), sweeps()),
  parts: [kills(0), sweeps()],
  live: [1, 2],
});
export const twoSweepListed = wheel({
  prepare: inOrder(opens([0, 1, 2]), sweeps()),
  parts: [sweeps(LATER_MS), sweeps(LATER_MS)],
  live: [0],
  endMs: LATER_MS,
});
export const twoSweepQueued = wheel({ prepare: opens([0, 1, 2]), parts: [sweeps(), sweeps()], live: [3] });

export const inserterDies = wheel({ prepare: () => {}, parts: [opens([0]), sweeps()], live: [1, 0], isMortal: true });
export const shortenerDies = wheel({
  prepare: inOrder(opens([0]), sweeps()),
  parts: [answers(0), sweeps()],
  live: [1],
  isMortal: true,
});
export const sweeperDies = wheel({
  prepare: inOrder(opens([0, 1]), sweeps()),
  parts: [sweeps(LATER_MS), opens([2], HASTY, LATER_MS)],
  live: [1, 2, 3],
  endMs: LATER_MS,
  isMortal: true,
});
export const drainerDies = wheel({
  prepare: opens([0, 1]),
  parts: [sweeps(), answers(0)],
  live: [2],
  isMortal: true,
});
