/**
 * The answer of a state machine to a packet: one number, so that nothing is allocated.
 *
 *   bit   6         5 . . . 2            1 . . 0
 *       +---------+--------------------+----------+
 *       | CHANGED | Timeout to set,    | Update   |
 *       |         | or KEEP_EXPIRY     |          |
 *       +---------+--------------------+----------+
 */

/** What a packet does to its connection. */
export const Update = {
  INVALID: 0,
  /** Belongs to the connection: `est`. */
  VALID: 1,
  /** Belongs to a connection that has not been answered: `new`. */
  VALID_NEW: 2,
  /** Starts a new connection with the same tuple. */
  NEW: 3,
} as const;

/** Bits of an Update: the timeout stands above them. */
export const TIMEOUT_SHIFT = 2;
/** The timeout in the answer, shifted down by TIMEOUT_SHIFT. */
export const TIMEOUT_MASK = 15;
/** In place of a timeout: the expiry stays as it is. */
export const KEEP_EXPIRY = 15;
/** The connection's state is another one now, worth an event. */
export const CHANGED = 64;
