/** What an attack is, and what may be asked of it. */

import type { CtAction } from '../../src/core/action.ts';
import type { Conntrack } from '../../src/core/conntrack.ts';
import type { ConntrackOptions } from '../../src/core/memory/table-options.ts';
import type { PacketBatch } from '../../src/core/packet/batch.ts';
import type { Figures } from './figures.ts';

export interface AttackOptions {
  /** Packets of the attack, and of the ordinary traffic that it is compared with. */
  packets: number;
  /** Connections that the attacked table is made for, where the attack is to fill it. */
  connections: number;
  /** Seeds whatever is drawn; not the table's hash. */
  seed: number;
}

/** Everything that packets are made for. */
export interface Target extends AttackOptions {
  conntrack: Conntrack;
  /** [0, 1) */
  random: () => number;
  /** The clock: whoever makes packets moves it. */
  nowMs: number;
}

export interface Traffic {
  action: CtAction;
  /** The next batch, of at most 32 packets, not timed. */
  next(): PacketBatch;
}

/** A figure that must not be above a limit, whatever packets come. */
export interface Bound {
  what: string;
  value: number;
  limit: number;
}

/** What the figures of bounds come from. */
export interface Aftermath extends AttackOptions {
  conntrack: Conntrack;
  nowMs: number;
  /** Before the attack, with all established connections there, and after it. */
  before: Figures;
  after: Figures;
  /** Of the ordinary traffic's table, after it. */
  ordinary: Figures;
}

export interface Attack {
  /** For help texts and tables. */
  description: string;
  /** How the attacked table is made; the one of ordinary traffic has room for all. */
  tableOf(options: AttackOptions): ConntrackOptions;
  /** Traffic of the same kind that is no attack, into a table of its own. */
  ordinary(target: Target): Traffic;
  attack(target: Target): Traffic;
  /** Beside those that hold for all attacks. */
  bounds?(aftermath: Aftermath): Bound[];
  /** The time at which its table begins. */
  startMs?(options: AttackOptions): number;
  /** The established connections' time is over by right: the clock jumps. */
  expiresAll?: boolean;
  /** How many packets it makes, whatever is asked for: one that is expensive to prepare. */
  mostPackets?: number;
}
