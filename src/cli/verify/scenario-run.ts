/** Runs the operations of a scenario file in order, and compares each answer. */

import { CtAction, formatLabel } from '../../core/action.ts';
import { Conntrack } from '../../core/conntrack.ts';
import type { EngineName } from '../../core/engines/engine.ts';
import { UsageError } from '../../core/errors.ts';
import type { IpFamily } from '../../core/fragments/settings.ts';
import type { Reclaim } from '../../core/memory/table-options.ts';
import { MAX_BATCH } from '../../core/packet/batch.ts';
import { PacketWord } from '../../core/packet/layout.ts';
import { stateNames } from '../../core/inspect/state-names.ts';
import { originalTuple, type Tuple } from '../../core/inspect/tuple.ts';
import { endsText, endText, outOfRange, withoutWildcards } from './scenario-choices.ts';
import { endOf } from './scenario-ends.ts';
import {
  canonical,
  entryKey,
  expectEqual,
  Mismatch,
  nowOf,
  type Operation,
  type PacketExpectation,
  type PacketInput,
  recordedForm,
  withoutZeros,
  ZERO_LABEL,
  zoneFilter,
} from './scenario-operations.ts';
import { ScenarioPackets } from './scenario-packets.ts';

/** Options of the table. */
export interface ScenarioOptions {
  reclaim: Reclaim;
  engine?: EngineName;
}

/** Runs the operations of a file on a fresh tracker. */
export class ScenarioRun {
  readonly #ct: Conntrack;
  readonly #packets: ScenarioPackets;
  /** Packets executed. */
  packets = 0;

  constructor(options: ScenarioOptions, operations: readonly Operation[]) {
    this.#ct = new Conntrack({ ...options, hashSeed: [1, 2], maxParticipants: 1 });
    this.#packets = new ScenarioPackets(operations, this.#ct.memory);
  }

  /** @throws Mismatch if the answer differs, UsageError if the operation is wrong */
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
          this.#packets.clear(String(id));
        }
        return;
      default:
        throw new Mismatch('op', operation.op, 'an operation unknown to this tracker');
    }
  }

  #exec(operation: Operation): void {
    const packets = operation.packets ?? [];
    if (packets.length < 1 || packets.length > MAX_BATCH) {
      throw new UsageError(`a batch has 1 to ${MAX_BATCH} packets, not ${packets.length}`);
    }
    this.#packets.load(packets as PacketInput[]);
    this.#ct.execute(this.#packets.batch, new CtAction(operation.ct), nowOf(operation));
    this.packets += packets.length;

    const returned = this.#packets.takeReturned();
    const expected = (operation.expect as { packets: PacketExpectation[] }).packets;
    expectEqual(
      'packets[].id',
      expected.map((packet) => packet.id),
      returned,
    );
    expected.forEach((packet, index) => this.#comparePacket(packet, index, this.#packets.frameBefore(packet.id)));
  }

  #comparePacket(expected: PacketExpectation, index: number, before: Buffer): void {
    const { batch } = this.#packets;
    const { words } = batch;
    const slot = batch.slots[index]!;
    const at = `packets[${index}]`;
    expectEqual(`${at}.state`, expected.state.toSorted(), stateNames(words[slot + PacketWord.STATE]!).toSorted());
    expectEqual(`${at}.zone`, expected.zone, words[slot + PacketWord.ZONE]);
    expectEqual(`${at}.mark`, expected.mark ?? 0, words[slot + PacketWord.MARK]! >>> 0);
    expectEqual(`${at}.label`, expected.label ?? ZERO_LABEL, formatLabel(words, slot + PacketWord.LABEL));
    expectEqual(`${at}.origTuple`, expected.origTuple, originalTuple(words, slot));
    const after = Buffer.from(batch.frame(index));
    if (expected.natInRange !== undefined) {
      const wrong = outOfRange(before, after, expected.natInRange);
      if (wrong !== undefined) {
        throw new Mismatch(`${at}.natInRange`, expected.natInRange, wrong);
      }
    } else if (expected.natSameAs !== undefined) {
      expectEqual(`${at}.natSameAs`, endsText(this.#packets.frameOf(expected.natSameAs)), endsText(after));
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
      const end = endText(endOf(this.#packets.frameOf(id), operation.field ?? 'src'));
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
        throw new Mismatch('what', operation.what, 'a setting unknown to this tracker');
    }
  }

  /** `removed` may be "any": packets remove expired connections, too, and that leaves fewer to the sweep. */
  #sweep(operation: Operation): void {
    const { removed } = operation.expect as { removed: number | 'any' };
    const got = this.#ct.sweep(nowOf(operation));
    if (removed !== 'any') {
      expectEqual('removed', removed, got);
    }
  }

  /** `ok` is false if the tracker refuses the value. */
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
