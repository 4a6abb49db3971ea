/** The sweeper: a thread that walks the buckets and removes what has expired. */

import { clockMarkMs, hasJumpedPast, sweptAt, updateClock } from '../../core/expiry/clock.ts';
import { purgeFragments } from '../../core/fragments/fragments.ts';
import { SettingWord, type TrackerMemory } from '../../core/memory/memory.ts';
import { SweepCursor, sweepStep } from '../../core/expiry/sweep.ts';
import { Tracker } from '../../core/tracker.ts';
import { load, store, wait, type Words } from '../../shared/access.ts';
import { nameThread, ThreadRole } from '../../shared/sync/lock-profile.ts';
import { beginBeat, endBeat, StatusWord, systemTimeMs, tellUp, type DatapathClock } from './status.ts';

export interface SweeperTask {
  memory: TrackerMemory;
  status: Words;
  clock: DatapathClock;
  /** Its place at the table, and the token with which it takes it; by default it claims one. */
  participant?: number;
  token?: number;
  /** Its line in `status`. */
  line: number;
  /** It gives a sign of life at least so often, in ms. */
  beatMs: number;
}

/** Time of a step, and of the rest after it: the sweeper leaves at least half of its core to others. */
const STEP_MS = 1;
const REST_MS = 1;
/** Under pressure it comes early, but not more often than this: a full table of live connections stays full. */
const MIN_INTERVAL_MS = 20;

/** Sweeps until it is told to stop. Blocks the thread. */
export function runSweeper(task: SweeperTask): void {
  const { participant, token } = task;
  const place = participant === undefined || token === undefined ? undefined : { participant, token };
  const tracker = new Tracker(task.memory, place);
  nameThread(tracker.participant.recorder, ThreadRole.sweeper);
  const { words, settings } = tracker;
  const pressure = settings + SettingWord.PRESSURE;
  const reachedMs = new Float64Array(task.status.buffer, StatusWord.REACHED_MS * 4, 1);
  let cursor = new SweepCursor();
  const { status, line } = task;
  const isStopped = () => load(task.status, StatusWord.STOP) !== 0;

  tellUp(status, line);
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
  tracker.close(place !== undefined);

  /** Goes round the table once, at one time, in steps; offline while it rests. */
  function sweepTable(nowMs: number): void {
    /* Whoever is refused room from here on asks anew. */
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
        /* The next one begins anew: a sweep counts if it went round at one time. */
        cursor = new SweepCursor();
        return;
      }
      wait(task.status, StatusWord.STOP, 0, REST_MS);
    }
  }
}
