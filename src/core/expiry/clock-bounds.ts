/** Bounds on the difference between the times of threads (clock.ts). */

/** The times of two threads must differ by less than this, and by less than 2^31 ms minus the longest timeout. */
export const WALK_AFTER_MS: number = 2 ** 30;
/** How far a thread's clock may be behind the mark: 17.5 minutes. A clock that is further behind was set back. */
export const SKEW_MS: number = 2 ** 20;
