/** Runs one scenario file (recorded operations with the reference's answers) and finds the first difference. */

import { CtAction, formatLabel, type CtActionOptions } from '../core/action.ts';
import { Conntrack } from '../core/conntrack.ts';
import type { ConnEntry } from '../core/dump.ts';
import { UsageError } from '../core/errors.ts';
import type { IpFamily } from '../core/fragments/settings.ts';
import type { EngineName } from '../core/engines/engine.ts';
import type { Reclaim } from '../core/memory.ts';
import { clearPacket, MAX_BATCH, PacketBatch, writePacket } from '../core/packet/batch.ts';
import { frameByteOffset, packetWords, PacketWord, roomyPacketWords } from '../core/packet/layout.ts';
import { stateNames } from '../core/state.ts';
import type { TimeoutPolicy } from '../core/timeouts.ts';
import { originalTuple, type Tuple } from '../core/tuple.ts';
import { allocateWords } from '../shared/access.ts';
import { endsText, endText, outOfRange, withoutWildcards, type NatInRange } from './scenario-choices.ts';
import { endOf, withEnd, type EndName } from './scenario-ends.ts';
import { requireOperation } from './scenario-shape.ts';

/** Where a scenario and the tracker first disagree. */
export interface Difference {
  /** 1 for the first operation, which is line 2 of the file. */
  operation: number;
  field: string;
  expected: unknown;
  got: unknown;
}

export interface ScenarioResult {
  operations: number;
  packets: number;
  /** Undefined: all answers agree. */
  difference?: Difference;
}

interface PacketExpectation {
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
interface PacketInput {
  id?: string;
  hex?: string;
  reuse?: string;
  /** Ends to replace by the other end of an earlier packet. */
  rewrite?: Partial<Record<EndName, string>>;
}

interface Operation {
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

/** Packet memory for fragments that come back from earlier operations. */
const SPARE_WORDS = 1 << 17;
const ZERO_LABEL = '0'.repeat(32);

/** Thrown inside, caught by runScenario: this operation's answer differs. */
class Mismatch extends Error {
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

/** JSON with sorted members: equal values have equal text. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, member: unknown) =>
    typeof member === 'object' && member !== null && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : member,
  );
}

function expectEqual(field: string, expected: unknown, got: unknown): void {
  if (canonical(expected) !== canonical(got)) {
    throw new Mismatch(field, expected, got);
  }
}

/** Runs the operations of a file on a fresh tracker. */
class ScenarioRun {
  readonly #ct: Conntrack;
  readonly #batch: PacketBatch;
  readonly #bytes: Uint8Array;
  readonly #slots = new Map<string, number>();
  /** By packet number less 1. */
  readonly #ids: string[] = [];
  /** Bytes of each packet when it was last handed over. */
  readonly #before = new Map<string, Buffer>();
  #used = 0;
  packets = 0;

  constructor(options: ScenarioOptions, packetMemoryWords: number) {
    this.#ct = new Conntrack({ ...options, hashSeed: [1, 2], maxParticipants: 1 });
    const spare = (packetMemoryWords + 1) & ~1;
    this.#batch = new PacketBatch(allocateWords(spare + SPARE_WORDS), { start: spare, end: spare + SPARE_WORDS });
    this.#bytes = new Uint8Array(this.#batch.words.buffer);
  }

  run(operation: Operation): void {
    switch (operation.op) {
      case 'exec':
        return this.#exec(operation);
      case 'dump':
        return this.#dump(operation);
      case 'expDump':
        return this.#dumpExpectations(operation);
      case 'flush':
        this.#ct.flush(zoneFilter(operation));
        return;
      case 'flushTuple':
        return this.#flushTuple(operation);
      case 'sweep':
        return this.#sweep(operation);
      case 'connCount':
        return expectEqual('connCount', operation.expect, this.#ct.connCount);
      case 'set':
        return this.#set(operation);
      case 'zoneLimit':
        return this.#zoneLimit(operation);
      case 'timeoutPolicy':
        return this.#timeoutPolicy(operation);
      case 'assertDistinct':
        return this.#assertDistinct(operation);
      case 'ipfStatus':
        return expectEqual('ipfStatus', operation.expect, this.#ct.fragments.status());
      case 'clear':
        for (const id of operation.packets ?? []) {
          clearPacket(this.#batch.words, this.#slotOf(String(id)));
        }
        return;
      default:
        throw new Mismatch('op', operation.op, 'an operation that this tracker does not have');
    }
  }

  #slotOf(id: string): number {
    const slot = this.#slots.get(id);
    if (slot === undefined) {
      throw new UsageError(`packet ${JSON.stringify(id)} is used before it is defined`);
    }
    return slot;
  }

  #exec(operation: Operation): void {
    const packets = operation.packets ?? [];
    if (packets.length < 1 || packets.length > MAX_BATCH) {
      throw new UsageError(`a batch has 1 to ${MAX_BATCH} packets, not ${packets.length}`);
    }
    const ids: string[] = [];
    packets.forEach((packet, index) => {
      const { id, hex, reuse, rewrite } = packet as PacketInput;
      if (reuse === undefined) {
        this.#add(id ?? '', hex ?? '', rewrite ?? {});
      }
      ids.push(reuse ?? id ?? '');
      this.#batch.slots[index] = this.#slotOf(ids[index]!);
    });
    this.#batch.count = packets.length;
    ids.forEach((id, index) => this.#before.set(id, Buffer.from(this.#batch.frame(index))));
    this.#ct.execute(this.#batch, new CtAction(operation.ct), nowOf(operation));
    this.packets += packets.length;

    const returned = this.#takeReturned();
    const expected = (operation.expect as { packets: PacketExpectation[] }).packets;
    expectEqual(
      'packets[].id',
      expected.map((packet) => packet.id),
      returned,
    );
    expected.forEach((packet, index) => this.#comparePacket(packet, index, this.#before.get(packet.id)!));
  }

  /** Ids of what came back; fragments from earlier operations go to the memory that their packets have here. */
  #takeReturned(): string[] {
    const { words, slots, count } = this.#batch;
    const ids = Array.from(slots.subarray(0, count), (slot, index) => {
      const id = this.#ids[words[slot + PacketWord.NUMBER]! - 1]!;
      const own = this.#slotOf(id);
      if (own !== slot) {
        words.copyWithin(own, slot, slot + packetWords(words[slot + PacketWord.LENGTH]!));
        slots[index] = own;
      }
      return id;
    });
    this.#batch.resetSpare();
    return ids;
  }

  /** A copy of a packet's frame as it is now. */
  #frameOf(id: string): Buffer {
    const slot = this.#slotOf(id);
    const start = frameByteOffset(slot);
    return Buffer.from(this.#bytes.subarray(start, start + this.#batch.words[slot + PacketWord.LENGTH]!));
  }

  #add(id: string, hex: string, rewrite: Partial<Record<EndName, string>>): void {
    if (!/^([0-9a-f]{2})*$/.test(hex)) {
      throw new UsageError(`packet ${JSON.stringify(id)}: hex must be pairs of lower-case hexadecimal digits`);
    }
    let frame: Buffer = Buffer.from(hex, 'hex');
    for (const end of ['src', 'dst'] as const) {
      const other = rewrite[end] === undefined ? undefined : endOf(this.#frameOf(rewrite[end]), turned(end));
      frame = other === undefined ? frame : withEnd(frame, end, other);
    }
    this.#ids.push(id);
    writePacket(this.#batch.words, this.#bytes, this.#used, frame, { number: this.#ids.length });
    this.#slots.set(id, this.#used);
    this.#used += slotWords(frame.length);
  }

  #comparePacket(expected: PacketExpectation, index: number, before: Buffer): void {
    const words = this.#batch.words;
    const slot = this.#batch.slots[index]!;
    const at = `packets[${index}]`;
    expectEqual(`${at}.state`, expected.state.toSorted(), stateNames(words[slot + PacketWord.STATE]!).toSorted());
    expectEqual(`${at}.zone`, expected.zone, words[slot + PacketWord.ZONE]);
    expectEqual(`${at}.mark`, expected.mark ?? 0, words[slot + PacketWord.MARK]! >>> 0);
    expectEqual(`${at}.label`, expected.label ?? ZERO_LABEL, formatLabel(words, slot + PacketWord.LABEL));
    expectEqual(`${at}.origTuple`, expected.origTuple, originalTuple(words, slot));
    const after = Buffer.from(this.#batch.frame(index));
    if (expected.natInRange !== undefined) {
      const wrong = outOfRange(before, after, expected.natInRange);
      if (wrong !== undefined) {
        throw new Mismatch(`${at}.natInRange`, expected.natInRange, wrong);
      }
    } else if (expected.natSameAs !== undefined) {
      expectEqual(`${at}.natSameAs`, endsText(this.#frameOf(expected.natSameAs)), endsText(after));
    } else {
      expectEqual(`${at}.hex`, expected.hex ?? before.toString('hex'), after.toString('hex'));
    }
  }

  #dump(operation: Operation): void {
    const nowMs = nowOf(operation);
    const got = new Map<string, Record<string, unknown>>();
    for (const entries of this.#ct.dump({ nowMs, ...zoneFilter(operation) })) {
      for (const entry of entries) {
        got.set(entryKey(entry.zone, entry.orig), recordedForm(entry));
      }
    }
    const expected = (operation.expect as { entries: (Record<string, unknown> & { orig: Tuple; zone: number })[] })
      .entries;
    expectEqual('entries.length', expected.length, got.size);
    for (const entry of expected) {
      const key = entryKey(entry.zone, entry.orig);
      const found = got.get(key);
      const reply = withoutWildcards(entry['reply'] as Tuple, found?.['reply'] as Tuple | undefined);
      expectEqual(`entries[${key}]`, { ...entry, reply }, found ?? null);
    }
  }

  #dumpExpectations(operation: Operation): void {
    const entries = this.#ct.dumpExpectations(zoneFilter(operation)).map((entry) => canonical(withoutZeros(entry)));
    const expected = (operation.expect as { entries: unknown[] }).entries.map(canonical);
    expectEqual('entries', expected.toSorted(), entries.toSorted());
  }

  #assertDistinct(operation: Operation): void {
    const ids = (operation.packets ?? []).map(String);
    const ends = new Map<string, string>();
    for (const id of ids) {
      const end = endText(endOf(this.#frameOf(id), operation.field ?? 'src'));
      const other = ends.get(end);
      if (other !== undefined) {
        throw new Mismatch(`packets.${operation.field}`, `other than that of ${other}`, `${id}: ${end}`);
      }
      ends.set(end, id);
    }
  }

  #flushTuple(operation: Operation): void {
    const zone = typeof operation.zone === 'number' ? operation.zone : 0;
    const wasThere = this.#ct.flushTuple(operation.tuple!, { nowMs: nowOf(operation), zone });
    expectEqual('error', (operation.expect as { error: string | null }).error, wasThere ? null : 'ENOENT');
  }

  #set(operation: Operation): void {
    switch (operation.what) {
      case 'maxConns':
        return this.#expectOk(operation, () => (this.#ct.maxConnections = Number(operation.value)));
      case 'tcpSeqChk':
        return this.#expectOk(operation, () => (this.#ct.tcpSeqChk = operation.value === true));
      case 'ipfV4Enabled':
      case 'ipfV6Enabled':
        return this.#expectOk(operation, () =>
          this.#ct.fragments.setEnabled(familyOf(operation.what), operation.value === true),
        );
      case 'ipfMinFragV4':
      case 'ipfMinFragV6':
        return this.#expectOk(operation, () =>
          this.#ct.fragments.setMinFragSize(familyOf(operation.what), Number(operation.value)),
        );
      case 'ipfMaxFrags':
        return this.#expectOk(operation, () => this.#ct.fragments.setMaxFrags(Number(operation.value)));
      default:
        throw new Mismatch('what', operation.what, 'a setting that this tracker does not have');
    }
  }

  /** `removed` may be "any": how many are left to the sweeper depends on who else removes. */
  #sweep(operation: Operation): void {
    const { removed } = operation.expect as { removed: number | 'any' };
    const got = this.#ct.sweep(nowOf(operation));
    if (removed !== 'any') {
      expectEqual('removed', removed, got);
    }
  }

  /** A value out of range is refused: ok is false then. */
  #expectOk(operation: Operation, change: () => unknown): void {
    let ok = true;
    try {
      change();
    } catch (error) {
      if (!(error instanceof UsageError)) {
        throw error;
      }
      ok = false;
    }
    expectEqual('ok', (operation.expect as { ok: boolean }).ok, ok);
  }

  #zoneLimit(operation: Operation): void {
    const zone = operation.zone ?? 'default';
    switch (operation.action) {
      case 'get':
        return expectEqual('zoneLimit', operation.expect, this.#ct.zoneLimit(zone));
      case 'update':
        return this.#expectOk(operation, () => this.#ct.setZoneLimit(zone, operation.limit ?? 0));
      case 'delete':
        return this.#expectOk(operation, () => this.#ct.deleteZoneLimit(zone));
      default:
        throw new UsageError(`unknown zoneLimit action ${JSON.stringify(operation.action)}`);
    }
  }

  #timeoutPolicy(operation: Operation): void {
    let error: string | null = null;
    if (operation.action === 'update') {
      this.#ct.setTimeoutPolicy(operation.id ?? 0, operation.timeouts ?? {});
    } else if (operation.action === 'delete') {
      error = this.#ct.deleteTimeoutPolicy(operation.id ?? 0) ? null : 'ENOENT';
    } else {
      throw new UsageError(`unknown timeoutPolicy action ${JSON.stringify(operation.action)}`);
    }
    expectEqual('error', (operation.expect as { error: string | null }).error, error);
  }
}

function familyOf(what: string | undefined): IpFamily {
  return what?.includes('V4') ? 'v4' : 'v6';
}

function nowOf(operation: Operation): number {
  if (typeof operation.now !== 'number') {
    throw new UsageError(`operation ${JSON.stringify(operation.op)} needs a time in "now"`);
  }
  return operation.now;
}

function zoneFilter(operation: Operation): { zone?: number } {
  return typeof operation.zone === 'number' ? { zone: operation.zone } : {};
}

function turned(end: EndName): EndName {
  return end === 'src' ? 'dst' : 'src';
}

function slotWords(frameBytes: number): number {
  return (roomyPacketWords(frameBytes) + 1) & ~1;
}

function entryKey(zone: number, orig: Tuple): string {
  return canonical({ zone, ...orig });
}

/** An entry with the members and omissions of a recorded one. */
function recordedForm(entry: ConnEntry): Record<string, unknown> {
  return { ...withoutZeros(entry), timeout: Math.floor(entry.timeoutMs / 1000) };
}

/** An entry without a mark or label that is zero. */
function withoutZeros(entry: { mark: number; label: string }): Record<string, unknown> {
  const { mark, label, ...rest } = entry;
  return { ...rest, ...(mark === 0 ? {} : { mark }), ...(label === ZERO_LABEL ? {} : { label }) };
}

/** The table to run it on. */
export interface ScenarioOptions {
  reclaim: Reclaim;
  engine?: EngineName;
}

/**
 * Runs a scenario file until the first difference.
 * @param text JSON Lines: a scenario object, then one operation per line
 * @throws UsageError when it is not a scenario file; the message names the line
 */
export function runScenario(text: string, options: ScenarioOptions): ScenarioResult {
  const lines = text.split('\n');
  if (lines.at(-1) === '') {
    lines.pop();
  }
  const [header, ...operations] = lines.map((line, index) => parseLine(line, index + 1));
  if (header === undefined || !('scenario' in header)) {
    throw new UsageError('line 1: a scenario file starts with {"scenario": ...}');
  }
  const run = new ScenarioRun(options, packetMemory(operations as unknown as Operation[]));
  for (const [index, operation] of operations.entries()) {
    try {
      requireOperation(operation);
      run.run(operation as unknown as Operation);
    } catch (error) {
      if (error instanceof Mismatch) {
        const { field, expected, got } = error;
        const difference = { operation: index + 1, field, expected, got };
        return { operations: operations.length, packets: run.packets, difference };
      }
      if (error instanceof UsageError) {
        throw new UsageError(`line ${index + 2}: ${error.message}`);
      }
      throw error;
    }
  }
  return { operations: operations.length, packets: run.packets };
}

/** Words for all packets that a file defines. */
function packetMemory(operations: Operation[]): number {
  let words = slotWords(0);
  for (const operation of operations) {
    for (const packet of Array.isArray(operation.packets) ? operation.packets : []) {
      if (typeof packet === 'object' && packet !== null && typeof packet.hex === 'string') {
        words += slotWords(packet.hex.length / 2);
      }
    }
  }
  return Math.ceil(words);
}

function parseLine(line: string, number: number): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new UsageError(`line ${number}: not JSON`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new UsageError(`line ${number}: not a JSON object`);
  }
  return value as Record<string, unknown>;
}
