import { ErrorCode } from '../../shared/error-codes.ts';

/** A datapath cannot go on, or could not be started. `cause` is what its worker has thrown, if it did. */
export class DatapathError extends Error {
  override readonly name = 'DatapathError';
  readonly code: 'ERR_CT_WORKER_DIED' | 'ERR_CT_START_TIMEOUT';

  constructor(message: string, options: { code: DatapathError['code']; cause?: unknown }) {
    const { code, ...rest } = options;
    super(message, rest);
    this.code = code;
  }

  static ofDeath(failure: Error): DatapathError {
    const message = `a worker of the datapath has died: ${failure.message}`;
    return new DatapathError(message, { code: ErrorCode.WORKER_DIED, cause: failure });
  }
}
