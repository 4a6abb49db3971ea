/** Messages about workers that die or hang. */

import { counted } from '../../host/terminal.ts';
import type { WorkerHang } from '../../workers/supervision/watchdog.ts';
import { type WorkerDeath, workerName } from '../../workers/supervision/worker-types.ts';

/** One line about a worker that has died. */
export function deathLine(death: WorkerDeath): string {
  const { packetsLost, repairMs, isRestarted, reason } = death;
  const lost = packetsLost === 0 ? '' : `, ${counted(packetsLost, 'packet')} lost`;
  const then = isRestarted ? 'restarted' : 'not restarted';
  return `${workerName(death)} has died (${reason}): repaired in ${repairMs.toFixed(1)} ms${lost}, ${then}`;
}

/** One line about a worker, or the repair of one, that hangs or makes progress again. */
export function hangLine(hang: WorkerHang): string {
  const seconds = (hang.stuckMs / 1000).toFixed(1);
  if (hang.stuck === 'repair') {
    return hang.isStuck
      ? `${workerName(hang)} is dead, and its repair has waited ${seconds} s for a lock that another thread holds`
      : `${workerName(hang)} is repaired, after ${seconds} s`;
  }
  return hang.isStuck
    ? `${workerName(hang)} hangs: it has work, and made no progress for ${seconds} s`
    : `${workerName(hang)} makes progress again, after ${seconds} s`;
}
