/** What the library refuses, and how. */

import { expect } from 'vitest';
import { UsageError } from '../../src/core/errors.ts';

/** What a program without types may hand over. */
export function any<Type>(value: unknown): Type {
  return value as Type;
}

/** The message of the UsageError of one line that it throws. */
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
