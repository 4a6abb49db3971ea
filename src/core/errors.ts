/** A wrong option or file: the message is one line and says what to do. The command exits with code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}
