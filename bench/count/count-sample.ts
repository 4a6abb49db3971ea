/**
 * Counts what the packet path does to shared memory, in a process of its own on a rewritten build: `node count-sample.js
 * '<CountSampleOptions>'` prints a CountSample as a line of JSON. One thread, a fixed hash key, fixed tuples, a fixed clock: every
 * run prints the same.
 */

import { Conntrack } from '../../src/core/conntrack.ts';
import type { CtAction } from '../../src/core/action.ts';
import { conntrackExecute } from '../../src/core/path/execute.ts';
import type { PacketBatch } from '../../src/core/packet/batch.ts';
import { Sender } from '../workloads/sender.ts';
import { type CountSample, type CountSampleOptions, type PhaseCounts, preparedOf } from './count-options.ts';
import { fieldsOf } from './fields.ts';
import { Recorder } from './recorder.ts';
import { JUDGE, STAGES } from './stages.ts';
import { summaryOf } from './summary.ts';

const START_MS = 1_000_000;

/* For the places of accesses. */
Error.stackTraceLimit = 20;

/** Notes each batch while it goes through the tracker, not while the workload writes its packets. */
class RecordingSender extends Sender {
  readonly #recorder: Recorder;

  constructor(conntrack: Conntrack, nowMs: number, recorder: Recorder) {
    super(conntrack, nowMs);
    this.#recorder = recorder;
  }

  override send(batch: PacketBatch, action: CtAction): void {
    const packets = batch.count;
    this.#recorder.addRegion('packet', batch.words.buffer, false);
    this.#recorder.begin();
    conntrackExecute(this.tracker, batch, action, this.nowMs);
    this.#recorder.end(packets);
  }
}

function recorderFor({ memory, tracker }: Conntrack, { places = false }: CountSampleOptions): Recorder {
  const { parsed, notes } = tracker.scratch;
  const recorder = new Recorder(STAGES.length, [parsed, notes], places ? JUDGE : undefined);
  recorder.addRegion('table', memory.words.buffer, true);
  recorder.addRegion('zone lists', memory.zoneLists.buffer, true);
  recorder.addRegion('lists', memory.lists.buffer, true);
  recorder.addRegion('events', memory.events.buffer, true);
  recorder.addRegion('fragments', memory.fragments.buffer, true);
  return recorder;
}

function sample(options: CountSampleOptions): CountSample {
  const { conntrack, run, phases, connections, fault } = preparedOf(options);
  const { tracker } = conntrack;
  const counts: PhaseCounts[] = [];
  tracker.enter();
  for (const [phase, { result, isFlush = false }] of phases.entries()) {
    const recorder = recorderFor(conntrack, options);
    run.run(new RecordingSender(conntrack, START_MS + phase, recorder), phase, 0, connections);
    if (result !== undefined && !isFlush) {
      counts.push(summaryOf(result, recorder, fieldsOf(tracker, recorder.regions)));
    }
  }
  tracker.leave();
  const error = fault() ?? blindness(counts);
  return { phases: counts, ...(error === undefined ? {} : { error }) };
}

/** Code that the rewriting has not reached (another chunk, another language) would look like work that is saved. */
function blindness(phases: readonly PhaseCounts[]): string | undefined {
  const unseen = phases.find(({ stages: { judge } }) => judge.table.read + judge.table.peek === 0);
  return unseen && `${unseen.name} read nothing in shared memory that the counters saw: its code is not rewritten`;
}

console.log(JSON.stringify(sample(JSON.parse(process.argv[2]!) as CountSampleOptions)));
