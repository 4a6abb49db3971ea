/** Connections with two keys in two buckets: both are found, or neither; and two threads never get one tuple. */

import { peek } from '../../../src/shared/access.ts';
import { CtAction } from '../../../src/core/action.ts';
import { ConnWord, LIFE_CLEANED, UNIT_SHIFT } from '../../../src/core/table/conn.ts';
import { udp, type PortEnds } from '../../support/frames.ts';
import { checkAccounting } from '../accounting.ts';
import { type Scenario, scenario, violate } from '../scenario.ts';
import { nameOfTableWord } from '../table-names.ts';
import { buildTable, flow, flowsWhere, LATER_MS, START_MS, TablePlayer, type TableShared } from '../tables.ts';
import { expectLive } from './support.ts';

const BUCKETS = 2;
const PORT = 40_000;
const ADDRESS = '198.51.100.1';

/** Translates to one address and these ports. */
function translating(ports = 1): CtAction {
  return new CtAction({
    commit: true,
    nat: { action: ['src'], minAddr: ADDRESS, minPort: PORT, maxPort: PORT + ports - 1 },
  });
}

/** The endpoints of the replies to the connection that got that port. */
function answersTo(port: number): PortEnds {
  const { dst, dport } = flow(0);
  return { src: dst, sport: dport, dst: ADDRESS, dport: port };
}

interface Context {
  player: TablePlayer;
  /** Flows whose key stands in the other bucket than the answers to PORT, and in the same. */
  apart: number[];
  together: number[];
}

interface Options {
  parts: readonly ((context: Context) => void)[];
  /** Opens connections before. */
  prepare?: (context: Context) => void;
  live: readonly number[];
}

function contextOf(player: TablePlayer): Context {
  const { table } = player.tracker;
  const bucketOf = (hash: number): number => table.bucketOf(hash, table.words, 0);
  const bucket = bucketOf(player.hashOf(answersTo(PORT)));
  return {
    player,
    apart: flowsWhere(player, 2, (hash) => bucketOf(hash) !== bucket),
    together: flowsWhere(player, 2, (hash) => bucketOf(hash) === bucket),
  };
}

function translated({ parts, prepare, live }: Options): Scenario<TableShared> {
  return scenario<TableShared>({
    threads: parts.length,
    build: () => buildTable({ threads: parts.length, buckets: BUCKETS }, (_ct, player) => prepare?.(contextOf(player))),
    attach(shared, thread) {
      const context = contextOf(TablePlayer.attach(shared));
      const { player } = context;
      return {
        reset: () => player.reset(),
        run: () => parts[thread]!(context),
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
  (which: 'apart' | 'together', n: number, nowMs = START_MS) =>
  ({ player, [which]: flows }: Context) =>
    void player.send([udp(flow(flows[n]!))], translating(), nowMs);
const flushes = ({ player }: Context) => void player.ct.flush();
const sweeps =
  (nowMs: number) =>
  ({ player }: Context) =>
    player.sweep(nowMs);

/** A reader that finds the key finds the reverse key too, unless the connection is being removed. */
function looksBothWays({ player, apart }: Context): void {
  const { tracker } = player;
  tracker.enter();
  const match = player.find(flow(apart[0]!), START_MS);
  const answer = player.find(answersTo(PORT), START_MS);
  if (match !== 0 && answer === 0) {
    const life = peek(tracker.words, ((match >>> 1) << UNIT_SHIFT) + ConnWord.LIFE);
    if ((life & LIFE_CLEANED) === 0) {
      violate('half-linked connection', `record ${match >>> 1} is found by its key and not by its reverse key`);
    }
  }
  if (match !== 0 && answer !== 0 && match >>> 1 !== answer >>> 1) {
    violate('half-linked connection', `the key finds record ${match >>> 1}, the reverse key ${answer >>> 1}`);
  }
  tracker.quiesce();
  tracker.leave();
}

export const insertAgainstLookup = translated({ parts: [opens('apart', 0), looksBothWays], live: [1] });
export const removeAgainstLookup = translated({
  prepare: opens('apart', 0),
  parts: [flushes, looksBothWays],
  live: [0],
});
/** The expired connection has the only port. A new connection of the same tuple takes over its key, too. */
export const insertAgainstSweep = translated({
  prepare: opens('apart', 0),
  parts: [opens('apart', 0, LATER_MS), sweeps(LATER_MS)],
  live: [0, 1],
});
/** One port for two. */
export const onePort = translated({ parts: [opens('apart', 0), opens('apart', 1)], live: [1] });
/** One removes where the other links, in the same two buckets, taken from either side. */
export const insertAgainstRemove = translated({
  prepare: opens('apart', 0),
  parts: [opens('apart', 0, LATER_MS), flushes],
  live: [0, 1],
});
/** Lookups in both buckets beside an insertion and the sweeper. */
export const everything = translated({
  prepare: opens('apart', 1),
  parts: [opens('apart', 0, LATER_MS), sweeps(LATER_MS), looksBothWays],
  live: [0, 1],
});
