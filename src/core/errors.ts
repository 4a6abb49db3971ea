import { ErrorCode } from '../shared/error-codes.ts';

/** The most characters of a message: it must be readable as one line. */
const MAX_MESSAGE = 2000;

export type UsageErrorCode = 'ERR_CT_INVALID_ARG' | 'ERR_CT_CLOSED' | 'ERR_CT_TOO_MANY_ACTIONS' | 'ERR_CT_NO_MEMORY';

/** A wrong option or file. The message is one line and says what to do. The command exits with code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
  readonly code: UsageErrorCode;

  /** @param options.code default ERR_CT_INVALID_ARG */
  constructor(message: string, options: { cause?: unknown; code?: UsageErrorCode } = {}) {
    const line = onOneLine(message);
    const { code = ErrorCode.INVALID_ARG, ...rest } = options;
    super(line.length > MAX_MESSAGE ? `${line.slice(0, MAX_MESSAGE)}...` : line, rest);
    this.code = code;
  }
}

/** Escapes control characters and line separators as JSON does, so that a message stays on one line. */
export function onOneLine(text: string): string {
  // oxlint-disable-next-line no-control-regex -- the search is for control characters
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}

/** The most characters of a wrong value that a message shows. */
const MAX_SHOWN = 80;

function textOf(value: unknown): string | undefined {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value);
    case 'bigint':
      return `${value}n`;
    case 'function':
      return 'a function';
    case 'object':
      /* Leaves out the contents of typed arrays, which may be very long. */
      return isOfNoKind(value) || Array.isArray(value)
        ? JSON.stringify(value, (_, member: unknown) => (ArrayBuffer.isView(member) ? kindOf(member) : member))
        : kindOf(value);
    default:
      return String(value);
  }
}

/** The built-in tag of an object: "Map", "Promise"; "Object" for a plain one. */
function tagOf(value: object): string {
  return Object.prototype.toString.call(value).slice('[object '.length, -1);
}

function isOfNoKind(value: object | null): boolean {
  return value === null || tagOf(value) === 'Object';
}

function kindOf(value: object | null): string {
  const kind = tagOf(value ?? {});
  return `${/^[AEIO]/.test(kind) ? 'an' : 'a'} ${kind}`;
}

/** A wrong value as text for a one-line message: strings in quotes, long values cut. */
export function shown(value: unknown): string {
  let text: string | undefined;
  try {
    text = textOf(value);
  } catch {
    /* The value is cyclic, or contains a bigint. */
  }
  const line = text ?? 'that';
  return line.length > MAX_SHOWN ? `${line.slice(0, MAX_SHOWN)}...` : line;
}

/**
 * Checks that a value is a plain object, since a program without types may pass anything. A Map, or a promise that was
 * not awaited, would look like options without any name.
 * @param what the value's name with its article: "a tuple"
 * @throws UsageError
 */
export function expectObject(what: string, value: unknown): void {
  if (typeof value !== 'object' || value === null || !isOfNoKind(value)) {
    throw new UsageError(`${what} must be an object, not ${shown(value)}`);
  }
}

/** As expectObject, for an object that must have these members. @throws UsageError */
export function expectMembers(what: string, value: unknown, members: readonly string[]): void {
  expectObject(what, value);
  for (const member of members) {
    if ((value as Record<string, unknown>)[member] === undefined) {
      throw new UsageError(`${what} must have ${members.join(', ')}: ${member} is missing`);
    }
  }
}

/** @returns whether an option is on; false if it is not given. @throws UsageError unless it is true or false */
export function expectFlag(what: string, value: unknown): boolean {
  if (value !== undefined && typeof value !== 'boolean') {
    throw new UsageError(`${what} must be true or false, not ${shown(value)}`);
  }
  return value === true;
}

/** @returns the signal; undefined if none is given. @throws UsageError unless it is an AbortSignal */
export function expectSignal(signal: unknown): AbortSignal | undefined {
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new UsageError(`signal must be an AbortSignal, not ${shown(signal)}`);
  }
  return signal;
}

/** @returns the function. @throws UsageError unless it is one: otherwise every later call would throw */
export function expectVisitor<Visitor>(what: string, visitor: Visitor): Visitor {
  if (typeof visitor !== 'function') {
    throw new UsageError(`${what} must be a function, not ${shown(visitor)}`);
  }
  return visitor;
}

/** @returns the value. @throws UsageError unless it is a whole number from `min` to `max` */
export function expectWhole(what: string, value: unknown, min: number, max: number): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
    throw new UsageError(`${what} must be a whole number from ${min} to ${max}, not ${shown(value)}`);
  }
  return value;
}
