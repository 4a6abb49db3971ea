/** Short ways to send packets through a tracker in tests. */

import { CtAction, type CtActionOptions } from '../../src/core/action.ts';
import type { Conntrack } from '../../src/core/conntrack.ts';
import type { ConnEntry } from '../../src/core/inspect/dump.ts';
import { PacketBatch } from '../../src/core/packet/batch.ts';
import { stateText } from '../../src/core/inspect/state-names.ts';

const batch = PacketBatch.allocate(1 << 17);

/** Sends one packet; returns its state as text. */
export function send(
  ct: Conntrack,
  frame: Uint8Array,
  nowMs: number,
  action: CtActionOptions = { commit: true },
): string {
  batch.clear();
  batch.add(frame);
  ct.execute(batch, new CtAction(action), nowMs);
  return stateText(batch.state(0));
}

/** All entries of a dump. */
export function dumpAll(ct: Conntrack, nowMs: number, zone?: number): ConnEntry[] {
  return [...ct.dump(zone === undefined ? { nowMs } : { nowMs, zone })].flat();
}
