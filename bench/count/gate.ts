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

/** A counter whose sum has changed. A counter that one of the two does not have is 0 there. */
export interface Change {
  /** For example `tcp-data: tcp-data: misses.record line 1`. */
  counter: string;
  packets: number;
  before: number;
  after: number;
}

export interface Counted {
  packets: number;
  counts: Gate;
}

/** Work -> phase -> its counters. */
export type CountsByWork = Record<string, Record<string, Counted>>;

/** The counters of both that differ. A work or a phase that only one of them has, or with other packets, is left out. */
export function changesOf(before: CountsByWork, after: CountsByWork): Change[] {
  const changes: Change[] = [];
  for (const [work, phases] of Object.entries(after)) {
    for (const [phase, { packets, counts }] of Object.entries(phases)) {
      const old = before[work]?.[phase];
      if (old?.packets === packets) {
        const names = new Set([...Object.keys(old.counts), ...Object.keys(counts)]);
        changes.push(
          ...[...names]
            .map((name) => ({
              counter: `${work}: ${phase}: ${name}`,
              packets,
              before: old.counts[name] ?? 0,
              after: counts[name] ?? 0,
            }))
            .filter((each) => each.before !== each.after),
        );
      }
    }
  }
  return changes;
}

function aPacket(count: number, packets: number): string {
  return String(Number((count / packets).toFixed(4)));
}

/** For example `tcp-data: tcp-data: misses.record line 1: 1 a packet, before 0 (131072 in 131072 packets, before 0)`. */
export function changeLine({ counter, packets, before, after }: Change): string {
  const each = `${aPacket(after, packets)} a packet, before ${aPacket(before, packets)}`;
  return `${counter}: ${each} (${after} in ${packets} packets, before ${before})`;
}
