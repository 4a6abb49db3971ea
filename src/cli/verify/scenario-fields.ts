/** Schemas of operations of a scenario: members and their types. The code that uses a value checks the value. */

import * as v from 'valibot';
import { shown, UsageError } from '../../core/errors.ts';
import {
  anything,
  faultOf,
  type FileSchema,
  list,
  type Members,
  number,
  object,
  optional,
  text,
} from '../../host/file-schema.ts';

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
const time = v.pipe(v.number('a time in milliseconds'), v.finite('a time in milliseconds'));
const tuple = object({ src: text, dst: text, proto: number });
const ids = list(text);

const changedLimit = object({ expect: object({ ok: anything }) });
const limitInForce = object({ action: text, expect: anything });

/** Schemas by operation. Operations without members have none. */
const OPERATIONS: Record<string, FileSchema> = {
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
  timeoutPolicy: object({ action: text, timeouts: optional(object({})), expect: object({ error: anything }) }),
  assertDistinct: object({ packets: optional(ids) }),
  clear: object({ packets: optional(ids) }),
};

function schemaOf(op: string, { action }: Members): FileSchema | undefined {
  if (op === 'zoneLimit') {
    return action === 'update' || action === 'delete' ? changedLimit : limitInForce;
  }
  return Object.hasOwn(OPERATIONS, op) ? OPERATIONS[op] : undefined;
}

/** @throws UsageError with the first missing or wrong member */
export function requireOperation(operation: Members): void {
  const { op } = operation;
  if (typeof op !== 'string') {
    throw new UsageError(`op must be the name of an operation, not ${shown(op)}`);
  }
  const schema = schemaOf(op, operation);
  const fault = schema === undefined ? undefined : faultOf(operation, schema);
  if (fault !== undefined) {
    throw new UsageError(`${op}.${fault}`);
  }
}
