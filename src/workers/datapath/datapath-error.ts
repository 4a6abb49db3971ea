import { ErrorCode } from '../../shared/error-codes.ts';

/** The datapath has failed, or did not start. `cause` is the error of its worker, if there was one. */
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
