/** What the gate by exact counters finds (counter-gate.ts). */

import type { CostChange } from './counter-prices.ts';
import type { StageChange } from './stage-changes.ts';

/** The counters of one phase of a case. */
export interface PhaseFinding extends CostChange {
  phase: string;
  /** The change of the cost that is too much, in percent. */
  limitPercent: number;
  isWorse: boolean;
  /** Operations and lines by stage of the packet path. */
  stages: StageChange[];
}

/** What the counters say of a case. */
export interface CaseFinding {
  case: string;
  /** `fine`: the same compiled code. `silent`: time decides. */
  verdict: 'fine' | 'regressed' | 'silent';
  /** Why they are silent, if the phases do not tell it. */
  why?: string;
  /** They became worse, no further than this accepted slowdown says (accepted.ts). */
  accepted?: string;
  phases: PhaseFinding[];
}

export interface CounterFindings {
  cases: CaseFinding[];
  tookSeconds: number;
}
