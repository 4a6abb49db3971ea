/**
 * The `code` of every error that ct-bucket throws on purpose. The class says who is to act: a UsageError is the caller's to
 * set right, the others tell of a thread or of the machine. A program goes by the code: messages may change, codes do not.
 */

export const ErrorCode = {
  /** UsageError: an argument or an option is wrong. Nothing has happened. */
  INVALID_ARG: 'ERR_CT_INVALID_ARG',
  /** UsageError: the handle, the datapath or the reader was closed or stopped before the call. */
  CLOSED: 'ERR_CT_CLOSED',
  /** UsageError: more different actions than a datapath keeps (MAX_ACTIONS). */
  TOO_MANY_ACTIONS: 'ERR_CT_TOO_MANY_ACTIONS',
  /** LockTimeoutError: another thread holds a lock for longer than `lockTimeoutMs`. */
  LOCK_TIMEOUT: 'ERR_CT_LOCK_TIMEOUT',
  /** DatapathError: a worker thread has died and is not started again; `cause` says of what. */
  WORKER_DIED: 'ERR_CT_WORKER_DIED',
  /** DatapathError: a worker thread was not at work in time. */
  START_TIMEOUT: 'ERR_CT_START_TIMEOUT',
} as const;

export type ErrorCodeName = (typeof ErrorCode)[keyof typeof ErrorCode];
