/** A PMD of an aging sample (aging-sample.ts). It runs one task at a time, and each task blocks the thread. */

import { parentPort, workerData } from 'node:worker_threads';
import { CtAction } from '../../src/core/action.ts';
import { Conntrack } from '../../src/core/conntrack.ts';
import { conntrackExecute } from '../../src/core/path/execute.ts';
import type { TrackerMemory } from '../../src/core/memory/memory.ts';
import { PacketWord } from '../../src/core/packet/layout.ts';
import { ConnWord, LIFE_CLEANED, LIFE_GENERATION_SHIFT, UNIT_SHIFT } from '../../src/core/table/conn.ts';
import { allocateWords, load, wait } from '../../src/shared/access.ts';
import { systemTimeMs } from '../../src/workers/threads/status.ts';
import { type AgingReport, type AgingTask, PROBE_POLICY } from './aging-tasks.ts';
import { LATENCY_BINS, recordLatency } from '../samples/latency-histogram.ts';
import { allocateGridBatch, fillGridBatch } from '../workloads/udp-grid.ts';

const BATCH = 32;
const PROBES_PER_TICK = 8;
/** During traffic, one batch in this many opens probes. */
const BATCHES_PER_PROBE = 256;
/** A PMD waits for the sweeper's lock no longer than this. */
const LOCK_TIMEOUT_MS = 120_000;

const { tracker } = Conntrack.attach(workerData as TrackerMemory);
const action = new CtAction({ commit: true });
const probeAction = new CtAction({ commit: true, timeoutPolicy: PROBE_POLICY });
const batch = allocateGridBatch(BATCH);
const clockWord = allocateWords(1);

parentPort!.on('message', (task: AgingTask) => {
  parentPort!.postMessage(perform(task));
});

function perform(task: AgingTask): AgingReport {
  switch (task.kind) {
    case 'send':
      return sendAll(task.first, task.count);
    case 'talk':
      return talk(task);
    default:
      return probe(task);
  }
}

function execute(first: number, count: number, withAction: CtAction): void {
  fillGridBatch(batch, first, count);
  conntrackExecute(tracker, batch, withAction, systemTimeMs());
}

function sendAll(first: number, count: number): AgingReport {
  tracker.enter();
  for (let id = 0; id < count; id += BATCH) {
    execute(first + id, Math.min(BATCH, count - id), action);
  }
  tracker.leave();
  return {};
}

function talk({ first, count, durationMs, firstProbe }: AgingTask & { kind: 'talk' }): AgingReport {
  const bins = new Float64Array(LATENCY_BINS);
  const endMs = performance.now() + durationMs;
  let id = 0;
  let probes = 0;
  tracker.enter();
  for (let batches = 1; ; batches++) {
    if (batches % BATCHES_PER_PROBE === 0) {
      execute(firstProbe + probes, PROBES_PER_TICK, probeAction);
      probes += PROBES_PER_TICK;
    }
    fillGridBatch(batch, first + id, BATCH);
    const nowMs = systemTimeMs();
    const from = performance.now();
    conntrackExecute(tracker, batch, action, nowMs);
    const to = performance.now();
    recordLatency(bins, (to - from) * 1e6);
    id = id + 2 * BATCH <= count ? id + BATCH : 0;
    if (to >= endMs) {
      tracker.leave();
      return { bins, probes };
    }
  }
}

function probe({ firstProbe, durationMs, timeoutMs }: AgingTask & { kind: 'probe' }): AgingReport {
  const startMs = performance.now();
  const records: number[] = [];
  const lives: number[] = [];
  const dueMs: number[] = [];
  const lagsMs: number[] = [];
  let opened = 0;
  while (performance.now() - startMs < durationMs || records.length > 0) {
    if (performance.now() - startMs < durationMs) {
      tracker.enter();
      execute(firstProbe + opened, PROBES_PER_TICK, probeAction);
      opened += PROBES_PER_TICK;
      const due = performance.now() + timeoutMs;
      for (let i = 0; i < PROBES_PER_TICK; i++) {
        const record = batch.words[batch.slots[i]! + PacketWord.CONN]!;
        records.push(record);
        lives.push(load(tracker.words, (record << UNIT_SHIFT) + ConnWord.LIFE) >>> LIFE_GENERATION_SHIFT);
        dueMs.push(due);
      }
      tracker.leave();
    } else if (performance.now() - startMs > durationMs + timeoutMs + LOCK_TIMEOUT_MS) {
      break;
    }
    const nowMs = performance.now();
    for (let i = 0; i < records.length && dueMs[i]! <= nowMs; i++) {
      const life = load(tracker.words, (records[i]! << UNIT_SHIFT) + ConnWord.LIFE);
      if ((life & LIFE_CLEANED) !== 0 || life >>> LIFE_GENERATION_SHIFT !== lives[i]) {
        lagsMs.push(nowMs - dueMs[i]!);
        records[i] = 0;
      }
    }
    if (records.includes(0)) {
      const kept = records.map((record) => record !== 0);
      for (const list of [lives, dueMs, records]) {
        list.splice(0, list.length, ...list.filter((_, i) => kept[i]!));
      }
    }
    wait(clockWord, 0, 0, 1);
  }
  return { probes: opened, lagsMs: Float64Array.from(lagsMs) };
}
