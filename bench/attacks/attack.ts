/** The interface of an attack, and its options. */

import type { CtAction } from '../../src/core/action.ts';
import type { Conntrack } from '../../src/core/conntrack.ts';
import type { ConntrackOptions } from '../../src/core/memory/table-options.ts';
import type { PacketBatch } from '../../src/core/packet/batch.ts';
import type { Figures } from './figures.ts';

export interface AttackOptions {
  /** Packets of the attack. The ordinary traffic beside it sends as many. */
  packets: number;
  /** Capacity of the attacked table, for attacks that fill it. */
  connections: number;
  /** Seed of all random draws except the table's hash key. */
  seed: number;
}

/** The table that an attack sends packets to, and its clock. */
export interface Target extends AttackOptions {
  conntrack: Conntrack;
  /** Numbers in [0, 1). */
  random: () => number;
  /** The clock. The code that makes packets advances it. */
  nowMs: number;
}

export interface Traffic {
  action: CtAction;
  /** Makes the next batch, of at most 32 packets. This is not timed. */
  next(): PacketBatch;
}

/** A figure that must stay at or below a limit, whatever packets come. */
export interface Bound {
  what: string;
  value: number;
  limit: number;
}

/** The figures that bounds are computed from. */
export interface Aftermath extends AttackOptions {
  conntrack: Conntrack;
  nowMs: number;
  /** Figures of the attacked table, with all established connections: before the attack, and after it. */
  before: Figures;
  after: Figures;
  /** Figures of the ordinary traffic's table after that traffic. */
  ordinary: Figures;
}

export interface Attack {
  /** Shown in help texts and tables. */
  description: string;
  /** Options of the attacked table. The table of ordinary traffic holds everything that comes. */
  tableOf(options: AttackOptions): ConntrackOptions;
  /** Harmless traffic of the same kind, into a table of its own. */
  ordinary(target: Target): Traffic;
  attack(target: Target): Traffic;
  /** Bounds in addition to those of all attacks. */
  bounds?(aftermath: Aftermath): Bound[];
  /** The first time that the table sees. */
  startMs?(options: AttackOptions): number;
  /** The clock jumps so far that established connections expire rightly. */
  expiresAll?: boolean;
  /** Upper limit of packets, for an attack that is expensive to prepare. */
  mostPackets?: number;
}
