/**
 * Schemas of the JSON files that commands read (valibot's), and their faults as text: where, what is wrong, what must be there.
 * The message of a schema is a noun phrase for the accepted values: "a whole number from 1 to 64".
 * Only modules that read a file import this one: other commands start faster without valibot.
 */

import * as v from 'valibot';
import { shown } from '../core/errors.ts';
import { didYouMean } from '../core/options/nearest-name.ts';

export type Members = Record<string, unknown>;
/** A synchronous schema. */
export type FileSchema = v.GenericSchema<unknown, unknown>;

export function isMembers(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export const text = v.string('a text');
export const number = v.pipe(v.number('a number'), v.finite('a number'));
export const count = atLeast(0, 'a number from 0 on');
export const positive = v.pipe(
  v.number('a number above 0'),
  v.finite('a number above 0'),
  v.gtValue(0, 'a number above 0'),
);
export const whole = v.pipe(v.number('a whole number'), v.safeInteger('a whole number'));
export const wholeFrom0 = v.pipe(
  v.number('a whole number from 0 on'),
  v.safeInteger('a whole number from 0 on'),
  v.minValue(0, 'a whole number from 0 on'),
);
export const flag = v.boolean('true or false');
/** Any value. The member must exist. */
export const anything = v.unknown();

function atLeast(least: number, message: string) {
  return v.pipe(v.number(message), v.finite(message), v.minValue(least, message));
}

export function oneOf<const Names extends readonly string[]>(...names: Names) {
  return v.picklist(names, `one of ${names.join(', ')}`);
}

export function optional<Schema extends FileSchema>(schema: Schema) {
  return v.optional(schema);
}

export function list<Schema extends FileSchema>(item: Schema) {
  return v.array(item, 'a list');
}

/** Comes before valibot's object schemas, which accept a list as an object with the members 0, 1, 2. */
export const namedMembers = v.custom<Members>(isMembers, 'an object');

/** The message about a missing or unknown member. */
function memberFault(entries: Record<string, FileSchema>) {
  return ({ expected, path }: v.BaseIssue<unknown>): string => {
    const name = String(path?.at(-1)?.key);
    if (expected === 'never') {
      return `is unknown${didYouMean(name, Object.keys(entries))}`;
    }
    const { message } = entries[name] as { message?: unknown };
    return typeof message === 'string' ? `is missing: it must be ${message}` : 'is missing';
  };
}

/** An object with these members. Further members are allowed. */
export function object<Entries extends Record<string, FileSchema>>(entries: Entries) {
  return v.pipe(namedMembers, v.looseObject(entries, memberFault(entries)));
}

/** An object with these members. Further members are faults. */
export function onlyObject<Entries extends Record<string, FileSchema>>(entries: Entries) {
  return v.pipe(namedMembers, v.strictObject(entries, memberFault(entries)));
}

/** Valibot's records silently drop members with these names, so they are refused. */
const RESERVED_NAMES = ['__proto__', 'prototype', 'constructor'];
const NO_RESERVED = `an object without a member named ${RESERVED_NAMES.join(', ')}`;

/** An object with members of any name, all of one kind. */
export function members<Schema extends FileSchema>(member: Schema) {
  return v.pipe(
    namedMembers,
    v.check((value) => !RESERVED_NAMES.some((name) => Object.hasOwn(value, name)), NO_RESERVED),
    v.record(v.string(), member, 'an object'),
  );
}

/** A path like `cases[0].name`. Names with special characters stand in brackets and quotes. */
function placeOf(path: readonly v.IssuePathItem[]): string {
  return path
    .map(({ key }, index) => {
      if (typeof key === 'number') {
        return `[${key}]`;
      }
      const name = String(key);
      return /^[\w$-]+$/.test(name) ? `${index === 0 ? '' : '.'}${name}` : `[${shown(name)}]`;
    })
    .join('');
}

/** Whether an issue is about the existence of a member, so that `memberFault` has written its message. */
function isOfMember({ type, expected, path }: v.BaseIssue<unknown>): boolean {
  return path !== undefined && (type === 'loose_object' || type === 'strict_object') && expected !== 'Object';
}

function faultText(issue: v.BaseIssue<unknown>): string {
  const { path = [], message, input } = issue;
  const place = path.length === 0 ? 'the whole' : placeOf(path as v.IssuePathItem[]);
  return isOfMember(issue) ? `${place} ${message}` : `${place} must be ${message}, not ${shown(input)}`;
}

/** Valibot's issues, each as one line. */
export function faultsIn(issues: readonly v.BaseIssue<unknown>[]): string[] {
  return issues.map(faultText);
}

/** The first fault of a value; undefined if there is none. */
export function faultOf(value: unknown, schema: FileSchema): string | undefined {
  const [issue] = v.safeParse(schema, value, { abortEarly: true }).issues ?? [];
  return issue === undefined ? undefined : faultText(issue);
}
