/** The shape of a scenario's operations: which members there must be, and of what kind. What they say is for others to judge. */

import { shown, UsageError } from '../core/errors.ts';

type Members = Record<string, unknown>;

/** @returns what is wrong with a value, as the end of a sentence that begins with its place */
type Check = (value: unknown) => string | undefined;

function isMembers(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const text: Check = (value) => (typeof value === 'string' ? undefined : ` must be a text, not ${shown(value)}`);
const number: Check = (value) => (typeof value === 'number' ? undefined : ` must be a number, not ${shown(value)}`);
const anything: Check = (value) => (value === undefined ? ' is missing' : undefined);

function optional(check: Check): Check {
  return (value) => (value === undefined ? undefined : check(value));
}

function list(check: Check): Check {
  return (value) => {
    if (!Array.isArray(value)) {
      return ` must be a list, not ${shown(value)}`;
    }
    for (const [index, item] of value.entries()) {
      const fault = check(item);
      if (fault !== undefined) {
        return `[${index}]${fault}`;
      }
    }
    return undefined;
  };
}

/** An object with these members, and any others. */
function object(members: Record<string, Check>): Check {
  return (value) => {
    if (!isMembers(value)) {
      return ` must be an object, not ${shown(value)}`;
    }
    for (const [name, check] of Object.entries(members)) {
      const fault = check(Object.hasOwn(value, name) ? value[name] : undefined);
      if (fault !== undefined) {
        return `.${name}${fault}`;
      }
    }
    return undefined;
  };
}

const range = object({ minAddr: text, maxAddr: optional(text), minPort: optional(number), maxPort: optional(number) });
const packetInput = object({
  id: optional(text),
  hex: optional(text),
  reuse: optional(text),
  rewrite: optional(object({ src: optional(text), dst: optional(text) })),
});
const packetExpected = object({
  id: text,
  state: list(text),
  natInRange: optional(object({ src: optional(range), dst: optional(range) })),
  natSameAs: optional(text),
});
const entry = object({ zone: number, orig: object({}), reply: object({}) });
const tuple = object({ src: text, dst: text, proto: number });
const ids = list(text);

/** By operation; one that is not here has no members of its own, or is unknown. */
const OPERATIONS: Record<string, Check> = {
  exec: object({
    now: number,
    packets: list(packetInput),
    ct: optional(object({})),
    expect: object({ packets: list(packetExpected) }),
  }),
  dump: object({ now: number, expect: object({ entries: list(entry) }) }),
  expDump: object({ expect: object({ entries: list(object({})) }) }),
  flushTuple: object({ now: number, tuple, expect: object({ error: anything }) }),
  sweep: object({ now: number, expect: object({ removed: anything }) }),
  set: object({ what: text, expect: object({ ok: anything }) }),
  zoneLimit: object({ action: text, expect: anything }),
  timeoutPolicy: object({ action: text, timeouts: optional(object({})), expect: object({ error: anything }) }),
  assertDistinct: object({ packets: optional(ids) }),
  clear: object({ packets: optional(ids) }),
};

/** @throws UsageError that names the first member that is missing or of another kind */
export function requireOperation(operation: Members): void {
  const { op } = operation;
  if (typeof op !== 'string') {
    throw new UsageError(`op must be the name of an operation, not ${shown(op)}`);
  }
  const fault = Object.hasOwn(OPERATIONS, op) ? OPERATIONS[op]!(operation) : undefined;
  if (fault !== undefined) {
    throw new UsageError(`${op}${fault}`);
  }
}
