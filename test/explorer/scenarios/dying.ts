/**
 * Thread 0 dies, at each of its steps in turn; the last thread learns of it and repairs; those in between do their work,
 * whatever the dead held. What it was in the middle of is done or undone, and nothing of the others' is lost.
 */

import { CtAction } from '../../../src/core/action.ts';
import { repairParticipant } from '../../../src/core/repair/repair.ts';
import { allocateWords, peek, poke, type Words } from '../../../src/shared/access.ts';
import { LINE_WORDS } from '../../../src/shared/memory/cache-line.ts';
import { LockClass } from '../../../src/shared/sync/lockdep.ts';
import { lock, lockTagOf, releaseOfDead, unlock, type LockOwner } from '../../../src/shared/sync/mutex.ts';
import { udp } from '../../support/frames.ts';
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
import { NO_SPINS } from './mutex.ts';
import { expectLive } from './support.ts';

const MUTEX = 0;
const COUNTER = LINE_WORDS;
const WORDS = 2 * LINE_WORDS;

/** A mutex and nothing else. When its owner dies, the others wait until another thread releases it. */
function mutexOwner(others: number): Scenario<{ words: Words }> {
  const threads = others + 2;
  return scenario<{ words: Words }>({
    threads,
    build() {
      const words = allocateWords(WORDS);
      return { shared: { words }, regions: [{ name: 'words', words, ranges: [[0, WORDS]] }] };
    },
    attach({ words }, thread, stage) {
      const me: LockOwner = { lockTag: lockTagOf(thread), spinEstimate: NO_SPINS };
      const dead: LockOwner = { lockTag: lockTagOf(0), spinEstimate: NO_SPINS };
      return {
        reset() {
          me.spinEstimate = NO_SPINS;
        },
        run() {
          if (thread < threads - 1) {
            lock(words, MUTEX, me, LockClass.leaf);
            if (thread > 0) {
              poke(words, COUNTER, peek(words, COUNTER) + 1);
            }
            unlock(words, MUTEX);
          } else if (stage.awaitDeath(0)) {
            releaseOfDead(words, MUTEX, dead, LockClass.leaf);
          }
        },
        check() {
          if (words[MUTEX] !== 0) {
            violate('lock left held', `the mutex is ${words[MUTEX]} at the end`);
          }
          if (words[COUNTER] !== others) {
            violate('lost update', `the counter is ${words[COUNTER]} after ${others} increments`);
          }
        },
      };
    },
    nameOf(_shared, _region, index) {
      return index === MUTEX ? 'mutex' : 'counter';
    },
  });
}

export const mutex = mutexOwner(1);
export const mutexOfMany = mutexOwner(2);

interface Options {
  victim: (player: TablePlayer) => void;
  other: (player: TablePlayer) => void;
  buckets?: number;
  prepare?: (player: TablePlayer) => void;
  /** Connections that may be there at the end, and one of the other's that must be. */
  live: readonly number[];
  kept?: number;
}

function table({ victim, other, prepare, live, kept, buckets = 1 }: Options): Scenario<TableShared> {
  return scenario<TableShared>({
    threads: 3,
    build: () => buildTable({ threads: 3, buckets }, (_ct, player) => prepare?.(player)),
    attach(shared, thread, stage) {
      const player = TablePlayer.attach(shared);
      return {
        reset: () => (thread === 0 ? player.resurrect() : player.reset()),
        run() {
          if (thread === 0) {
            victim(player);
          } else if (thread === 1) {
            other(player);
          } else if (stage.awaitDeath(0)) {
            const { isComplete } = repairParticipant(player.tracker, 0);
            if (!isComplete) {
              violate('not repaired', 'the repair was not complete although nobody else died');
            }
          }
        },
        check() {
          checkAccounting(player.ct, START_MS);
          if (!live.includes(player.ct.connCount)) {
            expectLive(player.ct, live[0]!);
          }
          if (kept !== undefined) {
            player.tracker.enter();
            if (player.find(flow(kept), START_MS) === 0) {
              violate('connection not found', `connection ${kept} of another thread is lost`);
            }
            player.tracker.leave();
          }
        },
      };
    },
    nameOf: ({ memory }, region, index) => (region === 0 ? nameOfTableWord(memory, index) : undefined),
  });
}

const opens =
  (n: number, nowMs = START_MS) =>
  (player: TablePlayer) =>
    void player.send([opening(n)], COMMIT, nowMs);
const removes = (n: number) => (player: TablePlayer) =>
  void player.ct.flushTuple(tupleOf(flow(n)), { nowMs: START_MS });
const flushes = (player: TablePlayer) => void player.ct.flush();

export const insert = table({ victim: opens(0), other: opens(1), live: [2, 1], kept: 1 });
export const sameInsert = table({ victim: opens(0), other: opens(0), live: [1], kept: 0 });
export const remove = table({ prepare: opens(0), victim: removes(0), other: flushes, live: [0] });
export const removeAndInsert = table({ prepare: opens(0), victim: removes(0), other: opens(1), live: [1, 2], kept: 1 });
export const sweep = table({
  prepare: opens(0),
  victim: (player) => player.sweep(LATER_MS),
  other: opens(1, LATER_MS),
  live: [1, 2],
});

/** See scenarios/growth.ts. */
const FULL = 10;
const fills = (player: TablePlayer) =>
  void player.send(
    Array.from({ length: FULL }, (_, n) => opening(n)),
    COMMIT,
    START_MS,
  );
export const growth = table({
  prepare: fills,
  victim: opens(FULL),
  other: opens(FULL + 1),
  live: [FULL + 1, FULL + 2],
  kept: FULL + 1,
});

const TRANSLATING = new CtAction({
  commit: true,
  nat: { action: ['src'], minAddr: '198.51.100.1', minPort: 40_000, maxPort: 40_001 },
});
const translates = (n: number) => (player: TablePlayer) => void player.send([udp(flow(n))], TRANSLATING, START_MS);
export const nat = table({ buckets: 2, victim: translates(0), other: translates(1), live: [2, 1], kept: 1 });
export const natRemove = table({
  buckets: 2,
  prepare: translates(0),
  victim: removes(0),
  other: translates(1),
  live: [1, 2],
  kept: 1,
});
