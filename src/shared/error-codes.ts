/**
 * The `code` of every error that ct-bucket throws on purpose. Programs should test the code: messages may change, codes do not.
 * The class tells whose fault it is. For a UsageError the caller must change its call. The other classes report a problem of
 * a thread or of the machine.
 */

export const ErrorCode = {
  /** UsageError: an argument or an option is wrong. Nothing has happened. */
  INVALID_ARG: 'ERR_CT_INVALID_ARG',
  /** UsageError: the handle, the datapath or the reader was closed or stopped before the call. */
  CLOSED: 'ERR_CT_CLOSED',
  /** UsageError: more different actions than a datapath can store (MAX_ACTIONS). */
  TOO_MANY_ACTIONS: 'ERR_CT_TOO_MANY_ACTIONS',
  /** UsageError: the system, or a limit of this process, does not have the memory for a table. Nothing was allocated. */
  NO_MEMORY: 'ERR_CT_NO_MEMORY',
  /** LockTimeoutError: another thread holds a lock for longer than `lockTimeoutMs`. */
  LOCK_TIMEOUT: 'ERR_CT_LOCK_TIMEOUT',
  /** DatapathError: a worker thread has died and will not be restarted. `cause` is the error that ended it. */
  WORKER_DIED: 'ERR_CT_WORKER_DIED',
  /** DatapathError: a worker thread was not ready in time. */
  START_TIMEOUT: 'ERR_CT_START_TIMEOUT',
} as const;

export type ErrorCodeName = (typeof ErrorCode)[keyof typeof ErrorCode];
