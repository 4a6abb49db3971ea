/** Threads that remove a connection at the same moment, or while others look at it, or create others. */

import { peek } from '../../../src/shared/access.ts';
import { ConnWord, LIFE_GENERATION_SHIFT, UNIT_SHIFT } from '../../../src/core/table/conn.ts';
import { checkAccounting } from '../accounting.ts';
import { type Scenario, scenario, violate } from '../scenario.ts';
import { nameOfTableWord } from '../table-names.ts';
import {
  action,
  answer,
  buildTable,
  COMMIT,
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

interface Options {
  /** What each thread does; connection 0 is there, opened at START_MS. */
  parts: readonly ((player: TablePlayer) => void)[];
  /** How many may be there at the end. */
  live: readonly number[];
  prepared?: readonly number[];
}

function threads({ parts, live, prepared = [0] }: Options): Scenario<TableShared> {
  return scenario<TableShared>({
    threads: parts.length,
    build: () =>
      buildTable({ threads: parts.length }, (_ct, player) => {
        for (const n of prepared) {
          player.send([opening(n)], COMMIT, START_MS);
        }
      }),
    attach(shared, thread) {
      const player = TablePlayer.attach(shared);
      return {
        reset: () => player.reset(),
        run: () => parts[thread]!(player),
        check() {
          checkAccounting(player.ct, LATER_MS);
          const { connCount } = player.ct;
          if (!live.includes(connCount)) {
            expectLive(player.ct, live[0]!);
          }
        },
      };
    },
    nameOf: ({ memory }, region, index) => (region === 0 ? nameOfTableWord(memory, index) : undefined),
  });
}

const FORCE = action({ force: true });

/** A packet that meets an expired connection. */
const meets = (player: TablePlayer) => void player.send([opening(0)], LOOK, LATER_MS);
const sweeps = (player: TablePlayer) => player.sweep(LATER_MS);
const flushes = (player: TablePlayer) => void player.ct.flush();
const flushesOne = (player: TablePlayer) => void player.ct.flushTuple(tupleOf(flow(0)), { nowMs: START_MS });
const kills = (player: TablePlayer) => void player.send([answer(0)], FORCE, START_MS);

export const twoClean = threads({ parts: [meets, meets], live: [0] });
export const lookupSweepFlush = threads({ parts: [meets, sweeps, flushes], live: [0] });
export const sweepAndFlush = threads({ parts: [sweeps, flushes], live: [0] });
/** Killed by a packet the other way round, which opens a connection of its own. */
export const killAndFlush = threads({ parts: [kills, flushesOne], live: [0, 1] });
export const killAndSweep = threads({ parts: [kills, sweeps], live: [0, 1] });

/** An expired connection is opened anew by two packets: the old one goes once, the new one is one. */
const reopens = (player: TablePlayer) => void player.send([opening(0)], COMMIT, LATER_MS);
export const reopened = threads({ parts: [reopens, reopens], live: [1] });
export const reopenedAndSwept = threads({ parts: [reopens, sweeps], live: [1] });

export const flushAgainstInsert = threads({
  parts: [
    (player) => {
      player.send([opening(1)], COMMIT, START_MS);
      player.send([opening(0)], COMMIT, START_MS);
    },
    flushes,
  ],
  live: [0, 1, 2],
});
export const flushOneAgainstInsert = threads({
  parts: [(player) => void player.send([opening(0)], COMMIT, START_MS), flushesOne],
  live: [0, 1],
});

/** A record that a reader has found is the same connection until the reader's quiescent point, even if it is removed. */
function reads(player: TablePlayer): void {
  const { tracker } = player;
  for (let round = 0; round < 2; round++) {
    tracker.enter();
    const match = player.find(flow(0), START_MS);
    if (match !== 0) {
      const r = (match >>> 1) << UNIT_SHIFT;
      const generation = peek(tracker.words, r + ConnWord.LIFE) >>> LIFE_GENERATION_SHIFT;
      const ports = tracker.words[r + ConnWord.PORTS];
      const after = peek(tracker.words, r + ConnWord.LIFE) >>> LIFE_GENERATION_SHIFT;
      if (generation !== 1 || after !== generation || tracker.words[r + ConnWord.PORTS] !== ports) {
        violate(
          'reuse before the epoch ended',
          `record ${match >>> 1} is of generation ${generation}, then ${after}, while a thread looks at it`,
        );
      }
    }
    tracker.quiesce();
    tracker.leave();
  }
}

/** Removes connection 0, then opens others: the second or third of them may have its memory. */
function replaces(player: TablePlayer): void {
  player.ct.flush();
  player.send([opening(1)], COMMIT, START_MS);
  player.send([opening(2)], COMMIT, START_MS);
}

export const cleanAgainstLookup = threads({ parts: [replaces, reads], live: [2] });
