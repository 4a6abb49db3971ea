/** The first part of a repair: leaf locks, and the data that they protect (repair.ts). */

import { load, notify, store } from '../../shared/access.ts';
import { LockClass } from '../../shared/sync/lockdep.ts';
import { inheritLock, releaseOfDead, unlock, wakeWaiters } from '../../shared/sync/mutex.ts';
import { CreditWord, ParticipantWord } from '../../shared/memory/participant.ts';
import { repairFragments } from '../fragments/repair.ts';
import { SettingWord } from '../memory/memory-layout.ts';
import { countLock, type RepairReport, WAIT_MS } from './repair-report.ts';
import { ConnWord, UNIT_SHIFT } from '../table/conn.ts';
import type { Tracker } from '../tracker.ts';
import { FIRST_WRITE } from '../path/verdict.ts';

/** Releases the leaf locks that the dead thread held, and repairs the data that they protect. */
export function repairLeaves(dead: Tracker, report: RepairReport): void {
  const { participant, words, settings, zoneLimits, zoneLists } = dead;
  countLock(report, dead.slab.repair(participant));
  countLock(report, dead.arena.repair(participant));
  report.locksReleased += zoneLists.repairLocks(participant);
  countLock(report, dead.timeouts.repair(participant));
  countLock(report, dead.alg.names.repair(participant));
  countLock(report, dead.alg.expectations.repair(participant));
  countLock(report, releaseOfDead(words, settings + SettingWord.CLOCK_MUTEX, participant, LockClass.leaf));
  /* The quota pools that the dead thread may have been changing. */
  const { base } = participant;
  const intentRecord = words[base + ParticipantWord.INTENT_RECORD]!;
  const pools = new Set([
    words[base + ParticipantWord.QUOTA_POOL]!,
    words[base + ParticipantWord.ZONE_CREDIT + CreditWord.POOL]!,
    intentRecord === 0 ? 0 : words[(intentRecord << UNIT_SHIFT) + ConnWord.ADMIT_POOL]!,
    dead.quota.pool,
  ]);
  pools.delete(0);
  for (const pool of pools) {
    countLock(report, dead.quota.pools.repair(pool, participant));
  }
  report.quotaReleased += dead.quota.pools.repairPrefetched(dead.quota.pool, participant);
  countLock(report, zoneLimits.repair(participant));
  const pressure = settings + SettingWord.PRESSURE;
  if (load(words, pressure) !== 0) {
    notify(words, pressure, 1);
  }
}

export function repairHeldFragments(dead: Tracker, report: RepairReport): void {
  const { isComplete, heldIt, fragmentsLost } = repairFragments(dead.fragments, WAIT_MS);
  report.isComplete &&= isComplete;
  report.fragmentsLost += fragmentsLost;
  countLock(report, heldIt);
}

/**
 * Releases the connection lock that the dead thread may hold; it holds one at most. The packet that it was tracking may
 * have changed the connection in part. Each word has either its old or its new value. That packet is lost, and its
 * sender repeats it.
 */
export function repairConnectionLock(dead: Tracker, report: RepairReport): void {
  const { participant, words } = dead;
  const lockWord = words[participant.base + ParticipantWord.CONNECTION_LOCK]!;
  if (lockWord === 0) {
    return;
  }
  if (inheritLock(words, lockWord, participant, LockClass.connection)) {
    const r = lockWord - ConnWord.LOCK;
    const sequence = load(words, r + ConnWord.LABEL_SEQUENCE);
    if ((sequence & 1) !== 0) {
      if (sequence === FIRST_WRITE) {
        for (let i = 0; i < 4; i++) {
          store(words, r + ConnWord.LABEL + i, 0);
        }
      } else {
        report.labelsTorn++;
      }
      store(words, r + ConnWord.LABEL_SEQUENCE, (sequence + 1) | 0 || 2);
    }
    unlock(words, lockWord);
    report.locksReleased++;
  }
  wakeWaiters(words, lockWord);
}
