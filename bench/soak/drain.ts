/** The end of a soak: without packets, the table must become empty. */

import { setImmediate } from 'node:timers/promises';
import type { Conntrack } from '../../src/core/conntrack.ts';
import { udpFrame } from '../attacks/frames.ts';
import { problemsOf } from './accounting.ts';
import { removedOf } from './report.ts';
import type { Stillness } from './stillness.ts';
import type { SoakThreads } from './threads.ts';

const DRAIN_MS = 120_000;
const PASSES_TO_DRAIN = 2000;

/**
 * Lets everything expire, flushes the rest, and checks that nothing is left.
 * @param number the number of the packets that this sends
 * @returns a line for each error
 */
export async function drainTable(
  { datapath, side }: SoakThreads,
  stillness: Stillness,
  { nowMs, number }: { nowMs: number; number: number },
): Promise<string[]> {
  const { conntrack } = datapath;
  const failures = await stillness.reach();
  const laterMs = nowMs + DRAIN_MS;
  const expired = conntrack.sweep(laterMs);
  const flushed = conntrack.flush({ nowMs: laterMs });
  /* Only the sweeper removes fragments of zones without packets, much later. These packets take the time to it. */
  for (let pass = 0; pass < PASSES_TO_DRAIN && fragmentsIn(conntrack) > 0; pass++) {
    await datapath.exchange.push(udpFrame({ src: 1, dst: 2, sport: 3, dport: 4 }), laterMs, number);
    await datapath.drain();
    if (pass === 0) {
      conntrack.sweepIntervalMs = 1;
    }
    side.moved();
    await setImmediate();
  }
  failures.push(...(await stillness.reach()));
  conntrack.flush({ nowMs: laterMs });
  for (const [what, count] of leftIn(conntrack)) {
    if (count !== 0) {
      failures.push(
        `${count} ${what} are left after everything expired or was flushed (${expired} expired, ${flushed} flushed)`,
      );
    }
  }
  failures.push(...problemsOf(conntrack, laterMs));
  return failures;
}

function fragmentsIn(conntrack: Conntrack): number {
  return conntrack.fragments.status().nfrag;
}

/** Everything that must be zero in an empty table. */
function leftIn(conntrack: Conntrack): [what: string, count: number][] {
  const counters = conntrack.counters();
  return [
    ['connections', conntrack.connCount],
    ['connections by the counters', counters.created - removedOf(counters)],
    ['expectations', conntrack.tracker.alg.expectations.used],
    ['fragments', fragmentsIn(conntrack)],
    ...conntrack.zoneLimits().map(({ zone, count }): [string, number] => [`connections of zone ${zone}`, count]),
  ];
}
