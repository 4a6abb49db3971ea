import { ErrorCode } from '../shared/error-codes.ts';

/** Whatever was given for a name, a message shows no more: it is a line, to be read. */
const MAX_MESSAGE = 2000;

export type UsageErrorCode = 'ERR_CT_INVALID_ARG' | 'ERR_CT_CLOSED' | 'ERR_CT_TOO_MANY_ACTIONS';

/** A wrong option or file: the message is one line and says what to do. The command exits with code 2. */
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

/** What was given may hold line feeds and worse: they are shown as JSON has them. */
export function onOneLine(text: string): string {
  // oxlint-disable-next-line no-control-regex -- it is them that are looked for
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}

/** Of a wrong value, a message shows no more than so many characters. */
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
      /* Without words of memory, of which there may be very many. */
      return isOfNoKind(value) || Array.isArray(value)
        ? JSON.stringify(value, (_, member: unknown) => (ArrayBuffer.isView(member) ? kindOf(member) : member))
        : kindOf(value);
    default:
      return String(value);
  }
}

/** What the language says that an object is: "Map", "Promise"; "Object" where it is nothing in particular. */
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

/** A wrong value, whatever it is, for a message of one line: text in quotes, nothing at length. */
export function shown(value: unknown): string {
  let text: string | undefined;
  try {
    text = textOf(value);
  } catch {
    /* It holds itself, or a bigint. */
  }
  const line = text ?? 'that';
  return line.length > MAX_SHOWN ? `${line.slice(0, MAX_SHOWN)}...` : line;
}

/**
 * Refuses what is no object with named members: a program without types may hand over anything. A Map, or a promise that was not
 * awaited, would look as if nothing had been named.
 * @param what who it is, with its article: "a tuple"
 * @throws UsageError
 */
export function expectObject(what: string, value: unknown): void {
  if (typeof value !== 'object' || value === null || !isOfNoKind(value)) {
    throw new UsageError(`${what} must be an object, not ${shown(value)}`);
  }
}

/** As expectObject, of an object that must have these members. @throws UsageError */
export function expectMembers(what: string, value: unknown, members: readonly string[]): void {
  expectObject(what, value);
  for (const member of members) {
    if ((value as Record<string, unknown>)[member] === undefined) {
      throw new UsageError(`${what} must have ${members.join(', ')}: ${member} is missing`);
    }
  }
}

/** @returns whether an option is on; not given, it is off. @throws UsageError if it is neither true nor false */
export function expectFlag(what: string, value: unknown): boolean {
  if (value !== undefined && typeof value !== 'boolean') {
    throw new UsageError(`${what} must be true or false, not ${shown(value)}`);
  }
  return value === true;
}

/** @returns the signal, undefined if none is given. @throws UsageError if it is no AbortSignal */
export function expectSignal(signal: unknown): AbortSignal | undefined {
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new UsageError(`signal must be an AbortSignal, not ${shown(signal)}`);
  }
  return signal;
}

/** @returns the function. @throws UsageError if it is none: it would throw whenever it is called */
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
