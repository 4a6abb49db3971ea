/** The counters of a phase that are compared: whole numbers, sums over all packets of the phase. More is worse. */

import type { PhaseCounts } from './count-options.ts';
import { OPERATIONS } from './recorder.ts';
import { JUDGE, STAGES } from './stages.ts';

/** Name -> sum over the packets of a phase. */
export type Gate = Record<string, number>;

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}

/**
 * The counters are: `operations.KIND` on the table; `packet.reads` and `packet.writes`; distinct lines a batch, `lines.read` and
 * `lines.written`; `misses.FIELD`, the lines that a packet waits for; `misses beyond first`; and `bytes` allocated.
 */
export function gateOf(phase: PhaseCounts, bytes: number | undefined): Gate {
  const stages = Object.values(phase.stages);
  const fields = Object.entries(phase.fields);
  const gate: Gate = {};
  for (const operation of OPERATIONS) {
    gate[`operations.${operation}`] = sum(stages.map(({ table }) => table[operation]));
  }
  gate['packet.reads'] = sum(stages.map(({ packets }) => packets.read + packets.peek));
  gate['packet.writes'] = sum(stages.map(({ packets }) => packets.write + packets.poke));
  gate['lines.read'] = sum(fields.map(([, { read }]) => read));
  gate['lines.written'] = sum(fields.map(([, { written }]) => written));
  for (const [name, { first }] of fields) {
    const missed = sum(STAGES.slice(JUDGE).map((stage) => first[stage]));
    if (missed > 0) {
      gate[`misses.${name}`] = missed;
    }
  }
  gate['misses beyond first'] = phase.missesBeyondFirst;
  if (bytes !== undefined) {
    gate['bytes'] = bytes;
  }
  return Object.fromEntries(Object.entries(gate).filter(([name, count]) => count > 0 || name === 'bytes'));
}

/** Instructions may differ by so much: compiled code does, a little. */
const INSTRUCTIONS_TOLERANCE = 0.01;

/** A counter whose sum has changed. A counter that one of the two does not have is 0 there. */
export interface Change {
  /** For example `tcp-data: tcp-data: misses.record line 1`. */
  counter: string;
  /** 1: the values are of one packet. */
  packets: number;
  before: number;
  after: number;
}

export interface Counted {
  packets: number;
  counts: Gate;
  /** Of one packet, by major version of Node, whose compilers differ. */
  instructions?: Record<string, number>;
}

/** Work -> phase -> its counters. */
export type CountsByWork = Record<string, Record<string, Counted>>;

function changedCounts(before: Counted, after: Counted): Change[] {
  const names = new Set([...Object.keys(before.counts), ...Object.keys(after.counts)]);
  return [...names]
    .map((counter) => ({
      counter,
      packets: after.packets,
      before: before.counts[counter] ?? 0,
      after: after.counts[counter] ?? 0,
    }))
    .filter((each) => each.before !== each.after);
}

function changedInstructions(before: Counted, after: Counted): Change[] {
  return Object.entries(after.instructions ?? {}).flatMap(([node, count]) => {
    const old = before.instructions?.[node];
    const isChanged = old !== undefined && Math.abs(count / old - 1) > INSTRUCTIONS_TOLERANCE;
    return isChanged ? [{ counter: `instructions, Node ${node}`, packets: 1, before: old, after: count }] : [];
  });
}

/** The counters of both that differ. A work or a phase that only one of them has, or with other packets, is left out. */
export function changesOf(before: CountsByWork, after: CountsByWork): Change[] {
  return Object.entries(after).flatMap(([work, phases]) =>
    Object.entries(phases).flatMap(([phase, now]) => {
      const old = before[work]?.[phase];
      return old?.packets === now.packets
        ? [...changedCounts(old, now), ...changedInstructions(old, now)].map((change) => ({
            ...change,
            counter: `${work}: ${phase}: ${change.counter}`,
          }))
        : [];
    }),
  );
}

function aPacket(count: number, packets: number): string {
  return String(Number((count / packets).toFixed(4)));
}

/** For example `tcp-data: tcp-data: misses.record line 1: 1 a packet, before 0 (131072 in 131072 packets, before 0)`. */
export function changeLine({ counter, packets, before, after }: Change): string {
  const each = `${aPacket(after, packets)} a packet, before ${aPacket(before, packets)}`;
  if (packets === 1) {
    return `${counter}: ${each}`;
  }
  return `${counter}: ${each} (${after} in ${packets} packets, before ${before})`;
}
