/**
 * Runs a workload for valgrind, which counts its instructions: `node instructions-sample.js '<CountSampleOptions>'`. Between the parts
 * it calls umask, at which valgrind writes what it has counted so far (instructions.ts). The parts are, each between two such calls:
 * nothing, the phases one after another, and the phases with a sender that sends nothing. With option `steady` they are nothing, and
 * then the phases of one round after another.
 */

import type { CtAction } from '../../src/core/action.ts';
import type { PacketBatch } from '../../src/core/packet/batch.ts';
import { tuneCompiler } from '../../src/workers/threads/compiler.ts';
import { Sender } from '../workloads/sender.ts';
import { type CountSampleOptions, type Prepared, preparedOf } from './count-options.ts';

/** Packets before the count. After these V8 has compiled everything (docs/measuring.md). */
const WARM_UP_PACKETS = 300_000;
/** With `steady`: packets before the count, and counted packets. */
const STEADY_PACKETS = 60_000;
const START_MS = 1_000_000;
/** Any mask: setting it calls the C library's umask once. */
const MASK = 0o22;

/** Takes the batches of a workload, and does nothing with them. */
class IdleSender extends Sender {
  override send(_batch: PacketBatch, _action: CtAction): void {}

  override flushZone(_zone: number): void {}

  override removeConnections(_connections: Int32Array, _count: number): void {}
}

function mark(): void {
  process.umask(MASK);
}

/** Runs all phases, and empties the table. @param between called before and after each phase */
function round({ conntrack, run, phases, connections }: Prepared, isIdle: boolean, between: () => void): void {
  const { tracker } = conntrack;
  tracker.enter();
  for (const phase of phases.keys()) {
    const sender = isIdle ? new IdleSender(conntrack, START_MS + phase) : new Sender(conntrack, START_MS + phase);
    between();
    run.run(sender, phase, 0, connections);
    between();
  }
  tracker.leave();
  conntrack.flush();
}

tuneCompiler();
const options = JSON.parse(process.argv[2]!) as CountSampleOptions;
const prepared = preparedOf(options);
const packets = prepared.phases.reduce((sum, phase) => sum + phase.packetsPerConnection, 0) * prepared.connections;
const nothing = () => {};

function repeat(least: number, isIdle: boolean, between: () => void): void {
  for (let done = 0; done < least; done += packets) {
    round(prepared, isIdle, between);
  }
}

if (options.steady === true) {
  repeat(STEADY_PACKETS, false, nothing);
  mark();
  mark();
  repeat(STEADY_PACKETS, false, mark);
} else {
  repeat(WARM_UP_PACKETS, false, nothing);
  mark();
  mark();
  round(prepared, false, mark);
  repeat(WARM_UP_PACKETS, true, nothing);
  round(prepared, true, mark);
}
