/** Checks of what files hold: which members there must be, and of what kind. The first fault is told, with its place. */

import { shown } from './errors.ts';

export type Members = Record<string, unknown>;

/** @returns undefined, or what is wrong with a value, as the end of a sentence that begins with its place */
export type Check = (value: unknown) => string | undefined;

export function isMembers(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function kind(name: string, is: (value: unknown) => boolean): Check {
  return (value) =>
    is(value) ? undefined : value === undefined ? ' is missing' : ` must be ${name}, not ${shown(value)}`;
}

export const text: Check = kind('a text', (value) => typeof value === 'string');
export const number: Check = kind('a number', (value) => typeof value === 'number' && Number.isFinite(value));
export const count: Check = kind('a number from 0 on', (value) => Number.isFinite(value) && (value as number) >= 0);
export const positive: Check = kind('a number above 0', (value) => Number.isFinite(value) && (value as number) > 0);
export const whole: Check = kind('a whole number', (value) => Number.isSafeInteger(value));
export const anything: Check = kind('there', (value) => value !== undefined);

export function oneOf(...values: readonly string[]): Check {
  return kind(`one of ${values.join(', ')}`, (value) => typeof value === 'string' && values.includes(value));
}

export function optional(check: Check): Check {
  return (value) => (value === undefined ? undefined : check(value));
}

export function list(check: Check): Check {
  const isList = kind('a list', Array.isArray);
  return (value) => {
    for (const [index, item] of Array.isArray(value) ? value.entries() : []) {
      const fault = check(item);
      if (fault !== undefined) {
        return `[${index}]${fault}`;
      }
    }
    return isList(value);
  };
}

const isObject = kind('an object', isMembers);

/** An object with these members, and any others. */
export function object(members: Record<string, Check>): Check {
  return (value) => {
    for (const [name, check] of isMembers(value) ? Object.entries(members) : []) {
      const fault = check(Object.hasOwn(value as Members, name) ? (value as Members)[name] : undefined);
      if (fault !== undefined) {
        return `.${name}${fault}`;
      }
    }
    return isObject(value);
  };
}

/** An object whose members, whatever their names, are all of a kind. */
export function members(check: Check): Check {
  return (value) => {
    for (const [name, member] of isMembers(value) ? Object.entries(value) : []) {
      const fault = check(member);
      if (fault !== undefined) {
        return `[${shown(name)}]${fault}`;
      }
    }
    return isObject(value);
  };
}

/** As a sentence of its own. @returns undefined, or the first fault of the whole */
export function faultOf(value: unknown, check: Check): string | undefined {
  return check(value)?.replace(/^[. ]/, '');
}
