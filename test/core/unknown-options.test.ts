/** The library refuses a misspelt option everywhere, and suggests the most similar known one. */

import { describe, expect, it } from 'vitest';
import { CtAction } from '../../src/core/action.ts';
import { Conntrack } from '../../src/core/conntrack.ts';
import type { ConnEntry } from '../../src/core/inspect/dump.ts';
import { formatEvent } from '../../src/core/events/event-format.ts';
import type { ConnEvent } from '../../src/core/events/event-reader.ts';
import { ConnFilter } from '../../src/core/inspect/filter.ts';
import { formatBuckets, formatConn, formatConnStats } from '../../src/core/inspect/format.ts';
import { nearestName } from '../../src/core/options/option-names.ts';
import { PacketBatch } from '../../src/core/packet/batch.ts';
import type { ConnStats } from '../../src/core/inspect/stats.ts';
import { Control } from '../../src/workers/control/control-thread.ts';
import { Datapath } from '../../src/workers/datapath/datapath.ts';
import { udp } from '../support/frames.ts';
import { any, complaint } from '../support/refusals.ts';
import { send } from '../support/tracking.ts';

const ENDS = { src: '10.0.0.1', dst: '10.0.0.2', sport: 1, dport: 53 };
const TUPLE = { ...ENDS, proto: 17 };
const NOW_MS = 1000;

/** Two connections in zone 0, one in zone 5. */
function table(): Conntrack {
  const ct = new Conntrack({ buckets: 4, maxConnections: 100 });
  send(ct, udp(ENDS), NOW_MS);
  send(ct, udp({ ...ENDS, sport: 2 }), NOW_MS);
  send(ct, udp(ENDS), NOW_MS, { commit: true, zone: 5 });
  return ct;
}

describe('a misspelt option', () => {
  it.each<[string, string, (ct: Conntrack) => unknown]>([
    ['bukets', 'buckets', () => new Conntrack(any({ bukets: 4 }))],
    ['particpant', 'participant', (ct) => Conntrack.attach(ct.memory, any({ particpant: 1 }))],
    ['keepSlot', 'keepsSlot', (ct) => ct.repair(3, any({ keepSlot: true }))],
    ['keepSlot', 'keepsSlot', (ct) => ct.close(any({ keepSlot: true }))],
    ['zoen', 'zone', () => new CtAction(any({ zoen: 1 }))],
    ['vlaue', 'value', () => new CtAction({ mark: any({ vlaue: 1, mask: 1 }) })],
    ['masc', 'mask', () => new CtAction({ label: any({ value: '1', masc: '1' }) })],
    ['minAdress', 'minAddr', () => new CtAction({ nat: any({ action: ['src'], minAdress: '10.0.0.1' }) })],
    ['prot', 'proto', (ct) => ct.flush({ filter: any({ prot: 6 }) })],
    ['zoen', 'zone', (ct) => ct.flush(any({ zoen: 5 }))],
    ['filtr', 'filter', (ct) => ct.flush(any({ filtr: { zone: 5 } }))],
    ['sprt', 'sport', (ct) => ct.flush({ filter: { orig: any({ sprt: 1 }) } })],
    ['srcPort', 'sport', (ct) => ct.flush({ filter: { orig: any({ srcPort: 1 }) } })],
    ['dest', 'dst', (ct) => ct.flush({ filter: { reply: any({ dest: '10.0.0.1' }) } })],
    ['vlaue', 'value', (ct) => ct.flush({ filter: { mark: any({ vlaue: 1, mask: 1 }) } })],
    ['masc', 'mask', (ct) => ct.flush({ filter: { label: any({ value: '1', masc: '1' }) } })],
    ['tcpstate', 'tcpState', () => new ConnFilter(any({ tcpstate: 'ESTABLISHED' }))],
    ['now', 'nowMs', (ct) => ct.dump(any({ now: 1, nowMs: 1 }))],
    ['sorce', 'src', (ct) => ct.flushTuple(any({ ...TUPLE, sorce: '10.0.0.1' }), { nowMs: NOW_MS })],
    [
      'cod',
      'code',
      (ct) => ct.flushTuple(any({ src: '::1', dst: '::2', proto: 58, id: 1, type: 8, cod: 0 }), { nowMs: NOW_MS }),
    ],
    ['zoen', 'zone', (ct) => ct.flushTuple(TUPLE, any({ nowMs: NOW_MS, zoen: 5 }))],
    ['zoen', 'zone', (ct) => ct.stats(any({ nowMs: NOW_MS, zoen: 5 }))],
    ['zoen', 'zone', (ct) => ct.dumpExpectations(any({ zoen: 5 }))],
    ['polMs', 'pollMs', (ct) => ct.events().follow(any({ polMs: 5 }))],
    ['checksum', 'checksums', () => PacketBatch.allocate().add(udp(ENDS), any({ checksum: 1 }))],
    ['moer', 'more', () => formatConn(any<ConnEntry>({}), any({ moer: true }))],
    ['verbos', 'verbose', () => formatConnStats(any<ConnStats>({}), any({ verbos: true }))],
    ['greaterThen', 'greaterThan', () => formatBuckets(any<ConnStats>({}), any({ greaterThen: 1 }))],
    ['timestamps', 'timestamp', () => formatEvent(any<ConnEvent>({}), any({ timestamps: true }))],
    ['thread', 'threads', () => Datapath.start(any({ thread: 2 }))],
    ['bukets', 'buckets', () => Datapath.start(any({ bukets: 4 }))],
    ['zoen', 'zone', () => Datapath.start({ action: any({ zoen: 1 }) })],
    ['pth', 'path', () => Control.start(any({ pth: '/tmp/x' }))],
  ])('%s is refused, with %s for what was meant', async (given, meant, action) => {
    const ct = table();
    expect(await complaint(() => action(ct))).toMatch(
      new RegExp(`^unknown option '${given}' in [^:']+: did you mean '${meant}'\\?$`),
    );
    expect(ct.connCount).toBe(3);
    expect(ct.tracker.epochs.isOnline(ct.tracker.participant)).toBe(false);
  });

  it('that is similar to none is refused with a list of all', async () => {
    expect(await complaint(() => Datapath.start(any({ zone: 1 })))).toMatch(
      /^unknown option 'zone' in the options of a datapath: known options are engine, buckets, .*, hung$/,
    );
    expect(await complaint(() => new ConnFilter(any({ 'a\nb': 1 })))).toMatch(
      /^unknown option 'a\\nb' in a filter: known options are zone/,
    );
  });

  it('is refused even if the options inherit it', async () => {
    expect(await complaint(() => new CtAction(any(Object.create({ zoen: 1 }))))).toMatch(/did you mean 'zone'/);
  });

  it('of a timeout policy is refused with the nearest and a list of all', async () => {
    const ct = table();
    expect(await complaint(() => ct.setTimeoutPolicy(1, { udp_frist: 5 }))).toMatch(
      /^unknown timeout udp_frist: did you mean 'udp_first'\?; known timeouts are tcp_syn_sent, /,
    );
    expect(ct.timeoutPolicy(1)).toBe(undefined);
  });
});

describe('the name that is most similar to a given one', () => {
  it('differs by neighbours exchanged, a letter missing, added, or replaced', () => {
    const known = ['zone', 'proto', 'orig', 'reply', 'seen'];
    expect(['zoen', 'prot', 'origg', 'repli', 'SEEN'].map((name) => nearestName(name, known))).toEqual([
      'zone',
      'proto',
      'orig',
      'reply',
      'seen',
    ]);
  });

  it('is the one that begins in the same way, of two that are equally near, and not a part of the given one', () => {
    const tuple = ['src', 'dst', 'sport', 'dport'];
    expect(['dst_port', 'src_port', 'dstPort', 'srcPort'].map((name) => nearestName(name, tuple))).toEqual([
      'dport',
      'sport',
      'dport',
      'sport',
    ]);
    expect(nearestName('ringSize', ['engine', 'ringBytes'])).toBe('ringBytes');
    expect(nearestName('state', ['zone', 'seen', 'tcpState'])).toBe('tcpState');
  });

  it('is none if more than half of it differs, or the given one is no name', () => {
    expect(['colour', 'x', '', 'z'.repeat(1000)].map((name) => nearestName(name, ['zone', 'proto']))).toEqual(
      Array.from({ length: 4 }, () => undefined),
    );
  });
});

describe('a flush removes no more than was named', () => {
  it.each<[string, unknown]>([
    ['a filter that was never set', { filter: undefined }],
    ['a filter that is null', { filter: null }],
    ['a zone that was never set', { zone: undefined }],
    ['a zone that is null', { zone: null }],
    ['a zone of the filter that was never set', { filter: { zone: undefined } }],
    ['an address that was never set', { filter: { orig: { src: undefined } } }],
    ['a tuple that was never set', { filter: { orig: undefined } }],
    ['a mark without a mask', { filter: { mark: { value: 5 } } }],
    ['a label without a mask', { filter: { label: { value: '5' } } }],
    ['a list of filters', { filter: [{ zone: 5 }] }],
    ['a text', 'zone=5'],
    ['null', null],
  ])('and is refused for %s', async (_what, options) => {
    const ct = table();
    expect(await complaint(() => ct.flush(any(options)))).not.toBe('nothing');
    expect(ct.connCount).toBe(3);
  });

  it('and removes everything when nothing is named', () => {
    for (const flush of [
      (ct: Conntrack) => ct.flush(),
      (ct: Conntrack) => ct.flush({}),
      (ct: Conntrack) => ct.flush({ filter: {} }),
      (ct: Conntrack) => ct.flush({ filter: new ConnFilter() }),
    ]) {
      expect(flush(table())).toBe(3);
    }
  });

  it('of a tuple in a zone that was never set is refused', async () => {
    const ct = table();
    for (const zone of [undefined, null]) {
      expect(await complaint(() => ct.flushTuple(TUPLE, any({ nowMs: NOW_MS, zone })))).not.toBe('nothing');
    }
    expect(ct.connCount).toBe(3);
  });
});

describe('a value of another type', () => {
  it.each<[RegExp, (ct: Conntrack) => unknown]>([
    [/^commit must be true or false, not "false"$/, () => new CtAction({ commit: any('false') })],
    [/^force must be true or false, not 1$/, () => new CtAction({ force: any(1) })],
    [/^nat random must be true or false, not 0$/, () => new CtAction({ nat: { action: [], random: any(0) } })],
    [/^nat persistent must be /, () => new CtAction({ nat: { action: [], persistent: any('no') } })],
    [/^nat minPort must be .* not null$/, () => new CtAction({ nat: { action: ['src'], minPort: any(null) } })],
    [/^zone must be .* not null$/, () => new CtAction({ zone: any(null) })],
    [/^buckets must be .* not null$/, () => new Conntrack({ buckets: any(null) })],
    [/^the options of a table must be an object, not null$/, () => new Conntrack(any(null))],
    [/^threads must be .* not null$/, () => Datapath.start({ threads: any(null) })],
    [/^sweeper must be true or false, not "no"$/, () => Datapath.start({ sweeper: any('no') })],
    [/^maxParticipants must be .* not NaN$/, () => Datapath.start({ maxParticipants: Number.NaN })],
    [/^lockTimeoutMs must be .* not NaN$/, (ct) => (ct.lockTimeoutMs = Number.NaN)],
    [/^tcpSeqChk must be true or false, not "off"$/, (ct) => (ct.tcpSeqChk = any('off'))],
    [/^the reassembly of a family must be true or false/, (ct) => ct.fragments.setEnabled('v4', any('off'))],
    [/^the address family must be 'v4' or 'v6', not "v5"$/, (ct) => ct.fragments.setEnabled(any('v5'), false)],
    [/^the address family must be/, (ct) => ct.fragments.setMinFragSize(any(6), 1280)],
    [/^pollMs must be .* not NaN$/, (ct) => ct.events().follow({ pollMs: Number.NaN })],
    [/^signal must be an AbortSignal, not \{\}$/, (ct) => ct.events().follow({ signal: any({}) })],
    [/^frameBytes must be .* not \{"bytes":5\}$/, () => PacketBatch.allocate(any({ bytes: 5 }))],
    [/^a frame must be a Uint8Array, not "00"$/, () => PacketBatch.allocate().add(any('00'))],
    [
      /^the number of a packet must be .* not NaN$/,
      () => PacketBatch.allocate().add(udp(ENDS), { number: Number.NaN }),
    ],
    [
      /^checksums must be a whole number from 0 to 15, not 16$/,
      () => PacketBatch.allocate().add(udp(ENDS), { checksums: 16 }),
    ],
  ])('is refused: %s', async (says, action) => {
    const ct = table();
    expect(await complaint(() => action(ct))).toMatch(says);
    expect(ct.tcpSeqChk).toBe(true);
    expect(ct.fragments.status().v4.enabled && ct.fragments.status().v6.enabled).toBe(true);
  });
});

describe('the memory to attach to', () => {
  it.each<[string, (memory: object) => unknown]>([
    ['nothing', () => undefined],
    ['null', () => null],
    ['options', () => ({ buckets: 4 })],
    ['words that are not shared', (memory) => ({ ...memory, words: new Int32Array(1000) })],
    ['too few words', (memory) => ({ ...memory, words: new Int32Array(new SharedArrayBuffer(4000)) })],
    ['another size', (memory) => ({ ...memory, maxConnections: 1_000_000 })],
    ['another number of buckets', (memory) => ({ ...memory, bucketBits: 31 })],
    ['no rings of events', (memory) => ({ ...memory, events: undefined })],
    ['no fragments', (memory) => ({ ...memory, fragments: new Int32Array(new SharedArrayBuffer(64)) })],
    ['another engine', (memory) => ({ ...memory, engine: 'ct-scale' })],
    ['no key', (memory) => ({ ...memory, hashKey: [1] })],
  ])('must be the memory of a table, not %s', async (_what, change) => {
    const { memory } = table();
    expect(await complaint(() => Conntrack.attach(any(change(memory))))).toMatch(/must be/);
    expect(await complaint(() => new Conntrack(any({ ...memory, words: undefined })))).toMatch(/must be/);
  });

  it('may come from another thread, as a copy of the object', () => {
    const ct = table();
    const other = Conntrack.attach(structuredClone(ct.memory));
    expect(other.connCount).toBe(3);
    other.close();
  });
});
