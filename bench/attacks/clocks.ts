/** Attacks by the clock: it jumps, wraps, or reports invalid times while connections come in. */

import { WALK_AFTER_MS } from '../../src/core/expiry/clock-bounds.ts';
import { MAX_BATCH } from '../../src/core/packet/batch.ts';
import type { Aftermath, Attack, AttackOptions, Bound, Target, Traffic } from './attack.ts';
import { searchBound } from './bounds.ts';
import { ESTABLISHED } from './established.ts';
import { randomConnections } from './hash.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
/** Jumps in one attack. */
const JUMPS = 16;
const SPARE = 4096;
/** Longer than the longest timeout in use, that of established TCP. */
const LONGEST_LIFE_MS: number = 2 * DAY_MS;

function batchesOf({ packets }: AttackOptions): number {
  return Math.ceil(packets / MAX_BATCH);
}

function tableOf({ packets }: AttackOptions) {
  return { maxConnections: packets + 2 * ESTABLISHED + SPARE };
}

/** Opens new connections. Calls `move` with the number of each batch, before the batch. */
function moving(target: Target, move: (batch: number) => void): Traffic {
  const traffic = randomConnections(target);
  let batches = 0;
  return {
    action: traffic.action,
    next: () => {
      const batch = traffic.next();
      move(batches++);
      return batch;
    },
  };
}

/** Jumps days ahead, further than expiries can be compared over. The first packet after a jump then walks the table. */
function forward(target: Target): Traffic {
  const every = Math.ceil(batchesOf(target) / JUMPS);
  return moving(target, (batch) => {
    if (batch % every === every - 1) {
      target.nowMs += WALK_AFTER_MS + DAY_MS;
    } else if (batch % every === 0) {
      /* The sweeper would do this half a second later. */
      target.conntrack.sweep(target.nowMs);
    }
  });
}

const BACK_MS = [MINUTE_MS, 10 * MINUTE_MS, HOUR_MS, DAY_MS];
const MOST_BACK_MS: number = JUMPS * DAY_MS;

function backward(target: Target): Traffic {
  const every = Math.ceil(batchesOf(target) / JUMPS);
  let jumps = 0;
  return moving(target, (batch) => {
    if (batch % every === every - 1) {
      target.nowMs -= BACK_MS[jumps++ % BACK_MS.length]!;
    }
  });
}

const NONSENSE = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e300, -1e300, 2 ** 53 + 2];
const NONSENSE_EVERY = 16;

/** Mixes invalid times with valid ones. */
function nonsense(target: Target): Traffic {
  let right = target.nowMs;
  return moving(target, (batch) => {
    right += 1 / 64;
    const isNonsense = batch % NONSENSE_EVERY === NONSENSE_EVERY - 1;
    target.nowMs = isNonsense ? NONSENSE[Math.floor(batch / NONSENSE_EVERY) % NONSENSE.length]! : right;
  });
}

/** No connection may live longer than the longest timeout after the latest time that the table saw. */
function noneForEver({ conntrack, nowMs }: Aftermath, backMs = 0): Bound {
  const latest = Number.isFinite(nowMs) && Math.abs(nowMs) < 2 ** 53 ? nowMs : 0;
  conntrack.sweep(latest + backMs + LONGEST_LIFE_MS);
  return { what: 'connections left when all should be over', value: conntrack.connCount, limit: 0 };
}

/** The clock advances a millisecond each batch, and reaches `turnMs` in the middle of the attack. */
function wrap(turnMs: number, what: string): Attack {
  return {
    description: `the clock reaches ${what} while connections are opened`,
    tableOf,
    startMs: (options) => turnMs - Math.floor(batchesOf(options) / 2),
    ordinary: randomConnections,
    attack: (target) => {
      const start = target.nowMs;
      return moving(target, (batch) => {
        target.nowMs = start + batch;
      });
    },
    bounds: (aftermath) => [searchBound(aftermath.after), noneForEver(aftermath)],
  };
}

export const CLOCKS = {
  'clock-forward': {
    description: `the clock jumps ahead by 13 days, ${JUMPS} times`,
    tableOf,
    ordinary: randomConnections,
    attack: forward,
    expiresAll: true,
    bounds: (aftermath) => [
      searchBound(aftermath.after),
      {
        what: 'connections since the jump before the last',
        value: aftermath.after.connections,
        /* The established connections come on top: they open again. */
        limit: 2 * (MAX_BATCH * Math.ceil(batchesOf(aftermath) / JUMPS) + ESTABLISHED),
      },
      noneForEver(aftermath),
    ],
  },
  'clock-backward': {
    description: `the clock is set back by a minute to a day, ${JUMPS} times`,
    tableOf,
    ordinary: randomConnections,
    attack: backward,
    bounds: (aftermath) => [searchBound(aftermath.after), noneForEver(aftermath, MOST_BACK_MS)],
  },
  'clock-wrap': wrap(2 ** 32, '2^32 ms'),
  'clock-sign': wrap(2 ** 31, '2^31 ms'),
  'clock-nonsense': {
    description: 'invalid times (NaN, infinite, beyond 2^53) between valid ones',
    tableOf,
    ordinary: randomConnections,
    attack: nonsense,
    bounds: (aftermath) => [searchBound(aftermath.after), noneForEver(aftermath, DAY_MS)],
  },
} as const satisfies Record<string, Attack>;
