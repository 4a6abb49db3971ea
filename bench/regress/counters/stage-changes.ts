/** Counters that changed, by stage of the packet path. */

import type { PhaseCounts } from '../../count/count-options.ts';
import { OPERATIONS } from '../../count/recorder.ts';
import { STAGE_TITLES, STAGES } from '../../count/stages.ts';

/** One counter in one stage, for one packet. */
export interface StageChange {
  /** For example `judge`. */
  stage: string;
  /** For example `compareExchange`, or `lines written`. */
  counter: string;
  before: number;
  after: number;
}

/** Changes below one in a thousand packets are not worth a line. */
const LEAST = 0.001;

/** The changes of all stages, the largest first. */
export function stageChanges(before: PhaseCounts, after: PhaseCounts): StageChange[] {
  const changes = STAGES.flatMap((stage) => {
    const [old, now] = [before.stages[stage], after.stages[stage]];
    if (old === undefined || now === undefined) {
      return [];
    }
    const title = STAGE_TITLES[stage];
    const change = (counter: string, a: number, b: number): StageChange => ({
      stage: title,
      counter,
      before: a / before.packets,
      after: b / after.packets,
    });
    return [
      ...OPERATIONS.map((operation) => change(operation, old.table[operation], now.table[operation])),
      change('lines read', old.linesRead, now.linesRead),
      change('lines written', old.linesWritten, now.linesWritten),
    ];
  });
  const sizeOf = ({ before: a, after: b }: StageChange) => Math.abs(b - a);
  return changes.filter((each) => sizeOf(each) >= LEAST).toSorted((a, b) => sizeOf(b) - sizeOf(a));
}
