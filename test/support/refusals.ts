/** Helpers to test that the library refuses wrong values. */

import { expect } from 'vitest';
import { UsageError } from '../../src/core/errors.ts';

/** A value that only a program without types can pass. */
export function any<Type>(value: unknown): Type {
  return value as Type;
}

/** The message of the UsageError that the action throws, "nothing" if it throws none. Fails unless it is one line. */
export async function complaint(action: () => unknown): Promise<string> {
  try {
    await action();
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError);
    expect((error as Error).message).not.toMatch(/[\n\r]/);
    return (error as Error).message;
  }
  return 'nothing';
}
