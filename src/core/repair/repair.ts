/**
 * Repair after a participant whose thread is gone for good (terminated, or ended by an error), at whatever point it was.
 *
 * The repairer acts in its place: with its block of words, its caches, its counters and the locks that it held, so nothing
 * has to be handed over, and should the repairer itself die, the same repair is done again by somebody else. What the dead
 * was in the middle of stands in its block (shared/participant.ts): changes that others may have seen are finished, all
 * others undone. The packets of the batch that it had in hand are as good as lost on the wire, before or behind the tracker.
 *
 *   participant p               the repairer
 *   works ---- dies             'exit' of p's worker
 *   |          |                |
 *   |          v                v
 *   | its block stays:          takes the turn (repair-turn.ts)
 *   |   INTENT_KIND, _RECORD    maps p's place: new Tracker(memory, p)
 *   |   RECORD_IN_FLIGHT          |
 *   |   hands, growth, event    |  leaves       locks that stand alone: slab, arena, timeouts, quota (repair-locks.ts)
 *   |   CONNECTION_LOCK         |  fragments
 *   |                           |  connection   the label that was being written
 *   |                           |  buckets      counts, growth, link or unlink finished or undone (repair-table.ts)
 *   |                           |  hands        records and units go back
 *   |                           |
 *   |                           +-- a lock is another's: not complete, call again
 *   |                           v
 *   v                           leaves p's epoch, ends p's turns, keeps the place
 *   replacement <-- token ----- vacant or reserved
 *
 * Nothing here waits for longer than WAIT_MS (repair-report.ts): the lock that it wants may be another dead thread's.
 */

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
 * Finishes or undoes what participant `id`, whose thread is gone for good, was in the middle of, and releases its locks. Its
 * place is then kept for the thread that has the token of the report (adoptParticipant, or Conntrack.attach), and for it
 * alone if the options say so. Not by two threads at once for the same participant (Conntrack.repair sees to that); any number of
 * times one after another.
 * @param tracker the calling thread's own
 * @throws UsageError if there is no such participant, it is the caller's own, or the token is not its own
 */
export function repairParticipant(tracker: Tracker, id: number, given: RepairOptions = {}): RepairReport {
  const options = expectRepair(given);
  const { participants } = tracker;
  if (!Number.isInteger(id) || id < 0 || id >= participants.maxParticipants) {
    throw new UsageError(
      `there is no participant ${shown(id)} to repair after: they are 0 to ${participants.maxParticipants - 1}`,
    );
  }
  if (id === tracker.participant.id) {
    throw new UsageError(`participant ${id} is the calling thread's own, which is alive`);
  }
  if (options.token !== undefined && options.token !== tokenOf(participants, id)) {
    throw new UsageError(`participant ${id} was not taken with this token: another thread may have the place by now`);
  }
  const report = emptyReport(id);
  const claim = claimOf(participants, id);
  if (claim === Claim.reserved && options.token === undefined) {
    throw new UsageError(
      `participant ${id} is kept for a thread that has its token: repair it with the token if that one has died`,
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
 * Finishes or undoes what the calling thread itself was in the middle of when it gave up waiting for a lock (LockTimeoutError),
 * as if it had died there, and releases its locks.
 * @returns false: the rest needs a lock that somebody else holds; call again before anything else is done to the table
 */
export function repairOwn(tracker: Tracker): boolean {
  const report = emptyReport(tracker.participant.id);
  if (CHECKED) {
    forgetHeld();
  }
  tracker.search.staleCount = 0;
  finishOrUndo(tracker, tracker.participant.id, report);
  return report.isComplete;
}

/** @returns the participant's view of the table */
function finishOrUndo(tracker: Tracker, id: number, report: RepairReport): Tracker {
  const dead = new Tracker(tracker.memory, id);
  dead.checks?.beginRepair();
  /* For events; the repairer may never have been told the time. */
  dead.time[0] = Number.isNaN(tracker.time[0]) ? tracker.clock[0]! : tracker.time[0]!;
  repairLeaves(dead, report);
  repairHeldFragments(dead, report);
  repairConnectionLock(dead, report);
  repairBuckets(dead, report);
  countLock(report, dead.expiry.repair());
  repairCredits(dead, report);
  return dead;
}

/** It may have been the one that reads events: nobody else could begin to. */
function repairReader(dead: Tracker, report: RepairReport): void {
  const { events } = dead.memory;
  if (load(events, EventsWord.READER) === dead.participant.id + 1) {
    store(dead.words, dead.settings + SettingWord.EVENTS, 0);
    store(events, EventsWord.READER, 0);
    report.wasEventReader = true;
  }
}
