/**
 * Repairs the table after a thread has ended for good, by termination or by an error, at any point of its code.
 *
 * The thread that repairs acts in the dead thread's place. It uses that thread's block of words, caches, counters and locks, so
 * nothing is handed over. If it dies as well, another thread does the same repair again. The dead thread's block says what it was
 * changing (shared/memory/participant.ts). The repair finishes changes that other threads may have seen, and undoes all others.
 * The packets of the batch in flight are lost, as if on the wire before or after the tracker.
 *
 *   participant p               the thread that repairs
 *   works ---- dies             'exit' of p's worker
 *   |          |                |
 *   |          v                v
 *   | its block stays:          takes the turn (repair-turn.ts)
 *   |   INTENT_KIND, _RECORD    maps p's slot: new Tracker(memory, p)
 *   |   RECORD_IN_FLIGHT        |
 *   |   credits, growth, event  |  leaves       leaf locks: slab, arena, timeouts, quota (repair-locks.ts)
 *   |   CONNECTION_LOCK         |  fragments
 *   |                           |  connection   its lock, and the label that p was writing
 *   |                           |  buckets      counts; growth, link or removal finished or undone (repair-table.ts)
 *   |                           |  credits      records and credits in flight are returned
 *   |                           |
 *   |                           +-- another thread holds a lock: not complete, call again
 *   |                           v
 *   v                           leaves p's epoch, ends p's turns, keeps the slot
 *   replacement <-- token ----- slot is vacant or reserved
 *
 * A repair waits at most WAIT_MS for a lock (repair-report.ts), because the lock may belong to another dead thread.
 */

import { NoteWord } from '../packet/batch-scratch.ts';
import { CHECKED, load, store } from '../../shared/access.ts';
import { forgetHeld } from '../../shared/sync/lockdep.ts';
import { Claim, claimOf, keepForToken, tokenOf } from '../../shared/memory/participant-slots.ts';
import { shown, UsageError } from '../errors.ts';
import { EventsWord } from '../events/event-layout.ts';
import { SettingWord } from '../memory/memory-layout.ts';
import { repairConnectionLock, repairHeldFragments, repairLeaves } from './repair-locks.ts';
import { countLock, emptyReport, expectRepair, type RepairOptions, type RepairReport } from './repair-report.ts';
import { repairBuckets, repairCredits } from './repair-table.ts';
import { endRepairTurnsOf } from './repair-turn.ts';
import { Tracker } from '../tracker.ts';

export { expectRepair, type RepairOptions, type RepairReport } from './repair-report.ts';

/**
 * Finishes or undoes the operation that participant `id` was in the middle of, and releases its locks. Its thread must
 * be gone for good. The slot is then kept for the thread that has the report's token (adoptParticipant, or
 * Conntrack.attach). With `keepsSlot` no other thread may claim it. Two threads must not repair the same participant at
 * once; Conntrack.repair prevents that. Repeated calls are safe.
 * @param tracker the calling thread's own
 * @throws UsageError if there is no such participant, if it is the caller's own, or if the token is wrong
 */
export function repairParticipant(tracker: Tracker, id: number, given: RepairOptions = {}): RepairReport {
  const options = expectRepair(given);
  const { participants } = tracker;
  if (!Number.isInteger(id) || id < 0 || id >= participants.maxParticipants) {
    throw new UsageError(
      `there is no participant ${shown(id)} to repair: give a number from 0 to ${participants.maxParticipants - 1}`,
    );
  }
  if (id === tracker.participant.id) {
    throw new UsageError(`participant ${id} is the calling thread's own: a thread cannot repair itself`);
  }
  if (options.token !== undefined && options.token !== tokenOf(participants, id)) {
    throw new UsageError(`participant ${id} was not taken with this token: another thread may have the slot by now`);
  }
  const report = emptyReport(id);
  const claim = claimOf(participants, id);
  if (claim === Claim.reserved && options.token === undefined) {
    throw new UsageError(
      `participant ${id} is reserved for a thread that has its token: give the token if that thread has died`,
    );
  }
  if (claim === Claim.free || claim === Claim.vacant) {
    return { ...report, token: tokenOf(participants, id) };
  }
  const dead = finishOrUndo(tracker, id, report);
  repairReader(dead, report);
  if (report.isComplete) {
    dead.leave();
    endRepairTurnsOf(participants, id);
    const claimAfter = options.keepsSlot === true ? Claim.reserved : Claim.vacant;
    report.token = keepForToken(dead.participant, claimAfter);
  }
  return report;
}

/**
 * Finishes or undoes the calling thread's own operation, as if the thread had died, and releases its locks. For a call
 * that gave up waiting for a lock (LockTimeoutError) or threw.
 * @returns false: another thread holds a lock that the rest needs. Call again before any other change to the table
 */
export function repairOwn(tracker: Tracker): boolean {
  const report = emptyReport(tracker.participant.id);
  if (CHECKED) {
    forgetHeld();
  }
  tracker.scratch.notes[NoteWord.STALE_COUNT] = 0;
  finishOrUndo(tracker, tracker.participant.id, report);
  return report.isComplete;
}

/** @returns the participant's view of the table */
function finishOrUndo(tracker: Tracker, id: number, report: RepairReport): Tracker {
  const dead = new Tracker(tracker.memory, id);
  dead.checks?.beginRepair();
  /* For the time of events. The thread that repairs may not have had a time yet. */
  dead.time[0] = Number.isNaN(tracker.time[0]) ? tracker.clock[0]! : tracker.time[0]!;
  repairLeaves(dead, report);
  repairHeldFragments(dead, report);
  repairConnectionLock(dead, report);
  repairBuckets(dead, report);
  countLock(report, dead.expiry.repair());
  repairCredits(dead, report);
  return dead;
}

/** Switches events off if the dead thread read them. Otherwise no other thread could begin to. */
function repairReader(dead: Tracker, report: RepairReport): void {
  const { events } = dead.memory;
  if (load(events, EventsWord.READER) === dead.participant.id + 1) {
    store(dead.words, dead.settings + SettingWord.EVENTS, 0);
    store(events, EventsWord.READER, 0);
    report.wasEventReader = true;
  }
}
