/**
 * The result of a state machine for a packet: one number, so that nothing is allocated.
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
  /** Belongs to a connection without a reply: `new`. */
  VALID_NEW: 2,
  /** Starts a new connection with the same tuple. */
  NEW: 3,
} as const;

/** The number of bits of an Update, and the shift of the timeout. */
export const TIMEOUT_SHIFT = 2;
/** The mask of the timeout, after a shift by TIMEOUT_SHIFT. */
export const TIMEOUT_MASK = 15;
/** In place of a timeout: the expiry does not change. */
export const KEEP_EXPIRY = 15;
/** The connection's state changed, so there is an event. */
export const CHANGED = 64;
