/** The error for a bad input must be a UsageError with a one-line message of our own. */

import { UsageError } from '../../src/core/errors.ts';
import { Finding } from './target.ts';

/** Texts of V8 and Node. They tell the user nothing about the input. */
const ENGINE_WORDS =
  /Cannot (?:read|set|convert|destructure|mix|access|create)|is not (?:a function|iterable|a constructor|extensible)|undefined \(reading|Invalid (?:array|typed array|string) length|Maximum call stack|\[object Object\]|Reduce of empty|must be of type|circular structure/;
const MAX_COMPLAINT_CHARACTERS = 4000;

/** @throws Finding if the message of a UsageError is not a clear line; the error itself if it is not a UsageError */
export function expectComplaint(error: unknown): void {
  if (!(error instanceof UsageError)) {
    throw error;
  }
  expectClearLine(error.message);
}

/** @throws Finding unless the message is one line of our own */
export function expectClearLine(message: string): void {
  /* Messages quote the input, which may contain any text. */
  const own = message.replaceAll(/"(?:[^"\\]|\\.)*"/g, '""').replaceAll(/'[^']*'/g, "''");
  if (ENGINE_WORDS.test(own)) {
    throw new Finding(`complains in the engine's words: ${message.slice(0, 300)}`);
  }
  if (/[\n\r\u2028\u2029]/.test(message.trimEnd())) {
    throw new Finding(`complains in more than one line: ${JSON.stringify(message.slice(0, 300))}`);
  }
  if (own.length > MAX_COMPLAINT_CHARACTERS) {
    throw new Finding(`complains in ${own.length} characters: ${own.slice(0, 100)}`);
  }
  if (message.trim() === '') {
    throw new Finding('complains without a word');
  }
}

/** Runs an action that may throw a UsageError. @returns whether it threw none. @throws Finding as expectComplaint does */
export function complainsOrWorks(action: () => unknown): boolean {
  try {
    action();
    return true;
  } catch (error) {
    expectComplaint(error);
    return false;
  }
}
