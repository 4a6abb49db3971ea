/**
 * Counts the bytes that the packet path allocates on the heap, in a process of its own with --single-threaded: `node
 * allocation-sample.js '<CountSampleOptions>'` prints an AllocationSample as a line of JSON.
 *
 * V8 allocates in code that it has not compiled yet, and when it compiles. So all phases run again and again on an emptied table. The
 * round with the fewest bytes counts: code that allocates for packets does so in every round.
 */

import { getHeapStatistics } from 'node:v8';
import type { CtAction } from '../../src/core/action.ts';
import type { Conntrack } from '../../src/core/conntrack.ts';
import { conntrackExecute } from '../../src/core/path/execute.ts';
import type { PacketBatch } from '../../src/core/packet/batch.ts';
import { Sender } from '../workloads/sender.ts';
import { tuneCompiler } from '../../src/workers/threads/compiler.ts';
import { type AllocationSample, type CountSampleOptions, preparedOf } from './count-options.ts';

/** Rounds without a new least value, after which it counts as the least. */
const STEADY_ROUNDS = 20;
const MOST_ROUNDS = 300;
const START_MS = 1_000_000;

function usedBytes(): number {
  return getHeapStatistics().used_heap_size;
}

/** Bytes that usedBytes itself allocates: none once it is compiled. */
function ownBytes(): number {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 1000; i++) {
    const before = usedBytes();
    const bytes = usedBytes() - before;
    /* Less than nothing: the garbage was collected in between. */
    least = bytes >= 0 && bytes < least ? bytes : least;
  }
  return least;
}

/** Adds up what each batch allocates. */
class WeighingSender extends Sender {
  bytes = 0;
  /** V8 collected garbage during a batch, so the bytes of that batch are not known. */
  isInterrupted = false;
  readonly #own: number;

  constructor(conntrack: Conntrack, nowMs: number, own: number) {
    super(conntrack, nowMs);
    this.#own = own;
  }

  override send(batch: PacketBatch, action: CtAction): void {
    const before = usedBytes();
    conntrackExecute(this.tracker, batch, action, this.nowMs);
    const bytes = usedBytes() - before - this.#own;
    this.isInterrupted ||= bytes < 0;
    this.bytes += Math.max(0, bytes);
  }
}

function sample(options: CountSampleOptions): AllocationSample {
  const { conntrack, run, phases, connections } = preparedOf(options);
  const { tracker } = conntrack;
  const least = phases.map(() => Number.POSITIVE_INFINITY);
  let steady = 0;
  for (let round = 0; round < MOST_ROUNDS && steady < STEADY_ROUNDS; round++) {
    steady++;
    for (const phase of phases.keys()) {
      const sender = new WeighingSender(conntrack, START_MS + phase, ownBytes());
      tracker.enter();
      run.run(sender, phase, 0, connections);
      tracker.leave();
      if (!sender.isInterrupted && sender.bytes < least[phase]!) {
        least[phase] = sender.bytes;
        steady = 0;
      }
    }
    conntrack.flush();
  }
  return {
    phases: phases.flatMap(({ result, isFlush = false }, phase) =>
      result === undefined || isFlush ? [] : [{ name: result, bytes: least[phase]! }],
    ),
  };
}

tuneCompiler();
console.log(JSON.stringify(sample(JSON.parse(process.argv[2]!) as CountSampleOptions)));
