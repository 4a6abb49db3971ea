/** How far apart the times may be that threads work at (clock.ts). */

/** Threads must not work at times further apart than this, or than 2^31 ms less the longest timeout. */
export const WALK_AFTER_MS: number = 2 ** 30;
/** How far clocks of threads may run behind the mark: 17.5 minutes. Whose is further behind was set back. */
export const SKEW_MS: number = 2 ** 20;
