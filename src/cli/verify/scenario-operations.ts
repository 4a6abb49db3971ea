/** Operations of a scenario file, and the comparison of answers. */

import type { CtActionOptions } from '../../core/action.ts';
import type { ConnEntry } from '../../core/inspect/dump.ts';
import { UsageError } from '../../core/errors.ts';
import type { TimeoutPolicy } from '../../core/expiry/timeouts.ts';
import type { Tuple } from '../../core/inspect/tuple.ts';
import type { NatInRange } from './scenario-choices.ts';
import type { EndName } from './scenario-ends.ts';

export interface PacketExpectation {
  id: string;
  state: string[];
  zone: number;
  mark?: number;
  label?: string;
  hex?: string;
  natInRange?: NatInRange;
  natSameAs?: string;
  origTuple: unknown;
}

/** A packet of an `exec` operation. */
export interface PacketInput {
  id?: string;
  hex?: string;
  reuse?: string;
  /** Ends to replace, each with the opposite end of an earlier packet. */
  rewrite?: Partial<Record<EndName, string>>;
}

export interface Operation {
  op: string;
  now?: number;
  packets?: (PacketInput | string)[];
  ct?: CtActionOptions & Record<string, unknown>;
  zone?: number | 'default' | null;
  tuple?: Tuple;
  what?: string;
  field?: EndName;
  value?: number | boolean;
  action?: string;
  limit?: number;
  id?: number;
  timeouts?: TimeoutPolicy;
  expect?: unknown;
}

export const ZERO_LABEL: string = '0'.repeat(32);

/** The answer of an operation differs. `runScenario` catches it. */
export class Mismatch extends Error {
  readonly field: string;
  readonly expected: unknown;
  readonly got: unknown;

  constructor(field: string, expected: unknown, got: unknown) {
    super(field);
    this.field = field;
    this.expected = expected;
    this.got = got;
  }
}

/** JSON with sorted members, so that equal values have equal text. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, member: unknown) =>
    typeof member === 'object' && member !== null && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : member,
  );
}

export function expectEqual(field: string, expected: unknown, got: unknown): void {
  if (canonical(expected) !== canonical(got)) {
    throw new Mismatch(field, expected, got);
  }
}

export function nowOf(operation: Operation): number {
  if (typeof operation.now !== 'number') {
    throw new UsageError(`operation ${JSON.stringify(operation.op)} needs a time in "now"`);
  }
  return operation.now;
}

export function zoneFilter(operation: Operation): { zone?: number } {
  return typeof operation.zone === 'number' ? { zone: operation.zone } : {};
}

export function entryKey(zone: number, orig: Tuple): string {
  return canonical({ zone, ...orig });
}

/** An entry in the form of recorded ones. */
export function recordedForm(entry: ConnEntry): Record<string, unknown> {
  return { ...withoutZeros(entry), timeout: Math.floor(entry.timeoutMs / 1000) };
}

/** An entry without a mark or label that is zero. */
export function withoutZeros(entry: { mark: number; label: string }): Record<string, unknown> {
  const { mark, label, ...rest } = entry;
  return { ...rest, ...(mark === 0 ? {} : { mark }), ...(label === ZERO_LABEL ? {} : { label }) };
}
