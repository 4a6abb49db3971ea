/** The sweeper: a thread that walks the buckets and removes expired connections. */

import { clockMarkMs, hasJumpedPast, sweptAt, updateClock } from '../../core/expiry/clock.ts';
import { purgeFragments } from '../../core/fragments/fragments.ts';
import type { TrackerMemory } from '../../core/memory/memory.ts';
import { SettingWord } from '../../core/memory/memory-layout.ts';
import { SweepCursor, sweepStep } from '../../core/expiry/sweep.ts';
import { Tracker } from '../../core/tracker.ts';
import { load, store, wait, type Words } from '../../shared/access.ts';
import { nameThread, ThreadRole } from '../../shared/sync/lock-profile.ts';
import { beginBeat, endBeat, StatusWord, systemTimeMs, markUp, type DatapathClock } from './status.ts';

export interface SweeperTask {
  memory: TrackerMemory;
  status: Words;
  clock: DatapathClock;
  /** Its reserved participant slot; default: it claims a free one. */
  participant?: number;
  /** Lets it take the reserved slot. */
  token?: number;
  /** The first word of its line in `status`. */
  line: number;
  /** Longest time between two heartbeats, in ms. */
  beatMs: number;
}

/** Time of a step, and of the rest after it. The sweeper leaves at least half of its core to others. */
const STEP_MS = 1;
const REST_MS = 1;
/** Under pressure the sweeper starts early, but not more often than this: if all connections are in use, sweeping frees nothing. */
const MIN_INTERVAL_MS = 20;

/** Sweeps until StatusWord.STOP is set. Blocks the thread. */
export function runSweeper(task: SweeperTask): void {
  const { participant, token } = task;
  const slot = participant === undefined || token === undefined ? undefined : { participant, token };
  const tracker = new Tracker(task.memory, slot);
  nameThread(tracker.participant.recorder, ThreadRole.sweeper);
  const { words, settings } = tracker;
  const pressure = settings + SettingWord.PRESSURE;
  const reachedMs = new Float64Array(task.status.buffer, StatusWord.REACHED_MS * 4, 1);
  let cursor = new SweepCursor();
  const { status, line } = task;
  const isStopped = () => load(task.status, StatusWord.STOP) !== 0;

  markUp(status, line);
  while (!isStopped()) {
    const startedMs = performance.now();
    endBeat(status, line);
    const nowMs = task.clock === 'system' ? systemTimeMs() : reachedMs[0]!;
    if (Number.isFinite(nowMs)) {
      sweepTable(nowMs);
    }
    for (;;) {
      const restMs = load(words, settings + SettingWord.SWEEP_INTERVAL_MS) - (performance.now() - startedMs);
      if (restMs <= 0 || isStopped() || wait(words, pressure, 0, Math.min(restMs, task.beatMs)) !== 'timed-out') {
        break;
      }
      endBeat(status, line);
    }
    const earlyMs = MIN_INTERVAL_MS - (performance.now() - startedMs);
    if (earlyMs > 0) {
      wait(task.status, StatusWord.STOP, 0, earlyMs);
    }
  }
  tracker.close(slot !== undefined);

  /** Walks the whole table once, in steps, with one time for all. Offline between steps. */
  function sweepTable(nowMs: number): void {
    /* From here on, a refused connection requests another sweep. */
    store(words, pressure, 0);
    const markMs = clockMarkMs(tracker);
    purgeFragments(tracker.fragments, nowMs | 0);
    for (;;) {
      beginBeat(status, line);
      tracker.enter();
      const isDone = sweepStep(tracker, cursor, updateClock(tracker, nowMs), STEP_MS);
      tracker.quiesce();
      tracker.leave();
      endBeat(status, line);
      if (isDone) {
        sweptAt(tracker, nowMs, markMs);
        return;
      }
      if (isStopped() || hasJumpedPast(tracker, nowMs, markMs)) {
        /* The next sweep begins from the first bucket: a sweep counts only if all of it had one time. */
        cursor = new SweepCursor();
        return;
      }
      wait(task.status, StatusWord.STOP, 0, REST_MS);
    }
  }
}
