/** The shape of a scenario's operations: which members there must be, and of what kind. What they say is for others to judge. */

import { shown, UsageError } from '../core/errors.ts';
import { anything, type Check, list, type Members, number, object, optional, text } from '../core/shape.ts';

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
const time: Check = (value) => (number(value) === undefined ? undefined : ' must be a time in milliseconds');
const tuple = object({ src: text, dst: text, proto: number });
const ids = list(text);

/** By operation; one that is not here has no members of its own, or is unknown. */
const OPERATIONS: Record<string, Check> = {
  exec: object({
    now: time,
    packets: list(packetInput),
    ct: optional(object({})),
    expect: object({ packets: list(packetExpected) }),
  }),
  dump: object({ now: time, expect: object({ entries: list(entry) }) }),
  expDump: object({ expect: object({ entries: list(object({})) }) }),
  flushTuple: object({ now: time, tuple, expect: object({ error: anything }) }),
  sweep: object({ now: time, expect: object({ removed: anything }) }),
  set: object({ what: text, expect: object({ ok: anything }) }),
  zoneLimit: (operation) =>
    (['update', 'delete'] as unknown[]).includes((operation as Members)['action'])
      ? object({ expect: object({ ok: anything }) })(operation)
      : object({ action: text, expect: anything })(operation),
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
