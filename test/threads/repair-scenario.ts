/** A scenario of the repair tests. */

import { Conntrack } from '../../src/core/conntrack.ts';
import type { ConntrackOptions } from '../../src/core/memory/table-options.ts';

/** An operation that a participant dies in, each time on a new table. */
export interface Scenario {
  options: ConntrackOptions;
  /** Run by a thread that stays alive. */
  prepare?: (ct: Conntrack) => void;
  /** Run by the participant before the operation in which it dies. */
  warmUp?: (victim: Conntrack) => void;
  run: (victim: Conntrack, ct: Conntrack) => void;
  /** Further checks after the repair. @returns the problems */
  check?: (ct: Conntrack) => string[];
  /** Die before every access of this number only, if there are thousands of similar ones. */
  stride?: number;
}
