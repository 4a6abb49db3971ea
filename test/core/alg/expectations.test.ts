/** Expected connections: what they inherit, how many there may be, and when expectations are removed. */

import { afterEach, describe, expect, it } from 'vitest';
import { CtAction, type CtActionOptions } from '../../../src/core/action.ts';
import { cleanExpectations } from '../../../src/core/alg/clean.ts';
import { EntryWord } from '../../../src/core/alg/expectation-layout.ts';
import { Conntrack } from '../../../src/core/conntrack.ts';
import type { ConntrackOptions } from '../../../src/core/memory/table-options.ts';
import { PacketBatch } from '../../../src/core/packet/batch.ts';
import { PacketWord } from '../../../src/core/packet/layout.ts';
import { stateText } from '../../../src/core/inspect/state-names.ts';
import { ConnWord, LIFE_CLEANED, UNIT_SHIFT } from '../../../src/core/table/conn.ts';
import type { CommandContext } from '../../../src/workers/control/command.ts';
import { DUMP_COMMANDS } from '../../../src/workers/control/dump-commands.ts';
import { expectAccountingHolds } from '../../support/accounting.ts';
import { ControlConnection, hostPort } from '../../support/ftp.ts';
import { reverse, udp, type PortEnds } from '../../support/frames.ts';
import { tcpFrame } from '../../support/tcp-frames.ts';
import { dumpAll, send } from '../../support/tracking.ts';

const MARK = { value: 0xcafe, mask: 0xffffffff };
const LABEL = { value: '0123456789abcdef0011223344556677', mask: 'f'.repeat(32) };
const TCP_ESTABLISHED_MS = 86_400_000;

let ct: Conntrack;
afterEach(() => ct.close());

function table(options: ConntrackOptions = {}): void {
  ct = new Conntrack({ buckets: 16, maxConnections: 1000, ...options });
}

const V4: PortEnds = { src: '10.0.0.1', dst: '192.0.2.1', sport: 30_000, dport: 21 };
const V6: PortEnds = { src: 'fd00::1', dst: '2001:db8::1', sport: 30_000, dport: 21 };

function opened(ends: PortEnds, action: CtActionOptions = {}): ControlConnection {
  const control = new ControlConnection(ct, { ends, action: { commit: true, helper: 'ftp', ...action } });
  control.open();
  return control;
}

function active(ends: PortEnds, port: number): string {
  return ends === V6 || ends.src.includes(':')
    ? `EPRT |2|${ends.src}|${port}|\r\n`
    : `PORT ${hostPort(ends.src, port)}\r\n`;
}

function passive(ends: PortEnds, port: number): string {
  return ends.src.includes(':')
    ? `229 Entering Extended Passive Mode (|||${port}|)\r\n`
    : `227 Entering Passive Mode (${hostPort(ends.dst, port)}).\r\n`;
}

function tuple({ src, dst, sport, dport }: PortEnds, proto = 6): object {
  return { src, dst, sport, dport, proto };
}

function syn(ends: PortEnds): Buffer {
  return tcpFrame(ends, { flags: 'S', seq: 77 });
}

const batch = PacketBatch.allocate(1 << 14);

/** State and mark of a packet, its label, and the source port of its original tuple. */
function verdictOn(
  frame: Uint8Array,
  action: CtActionOptions,
): { state: string; mark: number; label: number; sport: number } {
  batch.clear();
  batch.add(frame);
  ct.execute(batch, new CtAction(action), 0);
  const at = batch.slots[0]!;
  const ports = batch.words[at + PacketWord.ORIG_PORTS]!;
  return {
    state: stateText(batch.state(0)),
    mark: batch.words[at + PacketWord.MARK]! >>> 0,
    label: batch.words[at + PacketWord.LABEL]! >>> 0,
    sport: ((ports & 0xff) << 8) | ((ports >>> 8) & 0xff),
  };
}

describe.each([
  ['active, IPv4', V4, 'client'],
  ['passive, IPv4', V4, 'server'],
  ['active, IPv6', V6, 'client'],
  ['passive, IPv6', V6, 'server'],
] as const)('a data connection that was announced (%s)', (_name, ends, side) => {
  /** The tuple as the opening end sends it. */
  function dataEnds(sport: number): PortEnds {
    return side === 'client'
      ? { src: ends.dst, dst: ends.src, sport, dport: 4321 }
      : { src: ends.src, dst: ends.dst, sport, dport: 4321 };
  }

  function announce(action: CtActionOptions = {}): void {
    opened(ends, action).send(side, side === 'client' ? active(ends, 4321) : passive(ends, 4321));
  }

  it('is related, inherits mark and label, and names its parent', () => {
    table();
    announce({ mark: MARK, label: LABEL });
    expect(ct.dumpExpectations()).toEqual([
      { orig: tuple(dataEnds(0)), parent: tuple(ends), zone: 0, mark: MARK.value, label: LABEL.value, proto: 6 },
    ]);
    /* The mark and label of the pass do not count. */
    const other = { commit: true, mark: { value: 1, mask: 1 }, label: { value: '1', mask: '1' } };
    const inherited = { mark: MARK.value, label: 0x44556677, sport: ends.sport };
    expect(verdictOn(syn(dataEnds(20)), other)).toEqual({ state: 'new|rel|trk', ...inherited });
    const answer = tcpFrame(reverse(dataEnds(20)), { flags: 'SA', seq: 1, ack: 78 });
    expect(verdictOn(answer, other)).toEqual({ state: 'est|rel|rpl|trk', ...inherited });
    expect(dumpAll(ct, 0).filter(({ parent }) => parent !== undefined)).toEqual([
      expect.objectContaining({
        orig: tuple(dataEnds(20)),
        parent: tuple(ends),
        mark: MARK.value,
        label: LABEL.value,
      }),
    ]);
    expectAccountingHolds(ct, 0);
  });

  it('may be opened more than once: the expectation stays', () => {
    table();
    announce();
    for (const sport of [20, 21, 22]) {
      expect(send(ct, syn(dataEnds(sport)), 0)).toBe('new|rel|trk');
    }
    expect(ct.dumpExpectations()).toHaveLength(1);
    ct.flush();
    expect(send(ct, syn(dataEnds(23)), 0)).toBe('new|trk');
    expectAccountingHolds(ct, 0);
  });

  it('is `rel` without being committed', () => {
    table();
    announce({ mark: MARK });
    expect(verdictOn(syn(dataEnds(20)), {})).toMatchObject({
      state: 'new|rel|trk',
      mark: MARK.value,
      sport: ends.sport,
    });
    expect(dumpAll(ct, 0)).toHaveLength(1);
    /* It cannot be picked up in mid-stream either. */
    const late = tcpFrame(dataEnds(20), { flags: 'SA', seq: 1 });
    expect(verdictOn(late, { commit: true })).toMatchObject({ state: 'inv|trk', mark: MARK.value, sport: ends.sport });
  });

  it('is another port, host, protocol or zone: not related', () => {
    table();
    announce();
    const right = dataEnds(20);
    const others = [
      { ...right, dport: 4322 },
      { ...right, src: side === 'client' ? ends.src : ends.dst },
      reverse(right),
    ];
    for (const wrong of others) {
      expect(send(ct, syn(wrong), 0, {})).toBe('new|trk');
    }
    expect(send(ct, syn(right), 0, { zone: 1, commit: true })).toBe('new|trk');
    if (ends === V4) {
      expect(send(ct, udp(right), 0)).toBe('new|trk');
    }
    expect(send(ct, syn(right), 0)).toBe('new|rel|trk');
  });

  it('outlives its control connection', () => {
    table();
    announce({ mark: MARK });
    send(ct, syn(dataEnds(20)), 0);
    expect(ct.flushTuple(tuple(ends) as never, { nowMs: 0 })).toBe(true);
    expect(dumpAll(ct, 0)).toMatchObject([{ parent: tuple(ends), mark: MARK.value }]);
    expect(send(ct, tcpFrame(reverse(dataEnds(20)), { flags: 'SA', seq: 1, ack: 78 }), 0)).toBe('est|rel|rpl|trk');
    expectAccountingHolds(ct, 0);
  });
});

describe('a TFTP transfer', () => {
  const request = { src: '10.0.0.1', dst: '192.0.2.1', sport: 30_000, dport: 69 };

  it('is expected from any port of the server to that of the request', () => {
    table();
    send(ct, udp(request), 0, { commit: true, helper: 'tftp' });
    expect(ct.dumpExpectations()).toMatchObject([
      { orig: tuple({ ...reverse(request), sport: 0 }, 17), parent: tuple(request, 17), proto: 17 },
    ]);
    expect(send(ct, udp({ ...reverse(request), sport: 5555 }), 0)).toBe('new|rel|trk');
    expect(dumpAll(ct, 0).filter(({ parent }) => parent !== undefined)).toHaveLength(1);
  });

  it('translated like its request, without a range', () => {
    table();
    const nat = { action: ['src' as const], minAddr: '198.51.100.1' };
    expect(send(ct, udp(request), 0, { commit: true, helper: 'tftp', nat })).toBe('new|trk|snat');
    const data = { src: '192.0.2.1', dst: '198.51.100.1', sport: 5555, dport: 30_000 };
    expect(send(ct, udp(data), 0, { commit: true, nat: { action: [] } })).toBe('new|rel|trk|dnat');
    const [entry] = dumpAll(ct, 0).filter(({ parent }) => parent !== undefined);
    expect(entry!.reply).toEqual(tuple({ src: '10.0.0.1', dst: '192.0.2.1', sport: 30_000, dport: 5555 }, 17));
    expect(send(ct, udp({ ...request, dport: 5555 }), 0, { nat: { action: [] } })).toBe('est|rel|rpl|trk|snat');
    expectAccountingHolds(ct, 0);
  });
});

describe('the expectations of a control connection', () => {
  const COUNT = 5;

  function announceSome(ends: PortEnds = V4): ControlConnection {
    const control = opened(ends);
    for (let port = 1; port <= COUNT; port++) {
      control.send('client', active(ends, port));
    }
    return control;
  }

  /** Ways in which the control connection ends. */
  const ENDINGS: [name: string, options: ConntrackOptions, end: (control: ControlConnection) => void][] = [
    ['flush', {}, () => ct.flush()],
    ['flush of its zone', {}, () => ct.flush({ zone: 0 })],
    ['flush by tuple', {}, () => ct.flushTuple(tuple(reverse(V4)) as never, { nowMs: 0 })],
    ['the sweeper', {}, () => ct.sweep(TCP_ESTABLISHED_MS)],
    ['the sweeper alone', { reclaim: 'sweep' }, () => ct.sweep(TCP_ESTABLISHED_MS)],
    [
      'a packet that meets it expired',
      {},
      (control) => {
        control.nowMs = TCP_ESTABLISHED_MS;
        expect(control.deliver('client', {}).state).toBe('new|trk');
      },
    ],
    ['force', {}, () => expect(send(ct, syn(reverse(V4)), 0, { force: true })).toBe('new|trk')],
    [
      'RST and a SYN that uses its tuple again',
      {},
      (control) => {
        control.deliver('client', { flags: 'R' });
        expect(ct.dumpExpectations()).toHaveLength(COUNT);
        expect(control.deliver('client', { flags: 'S', seq: 1 << 20 }).state).toBe('new|trk');
      },
    ],
    [
      'RST and time',
      {},
      (control) => {
        control.deliver('client', { flags: 'R' });
        expect(ct.sweep(29_999)).toBe(0);
        expect(ct.dumpExpectations()).toHaveLength(COUNT);
        ct.sweep(30_000);
      },
    ],
    [
      'eviction',
      { tableFull: 'early-drop', maxConnections: 2 },
      () => {
        /* It has no reply, so others evict it. */
        ct.flush();
        new ControlConnection(ct, { ends: V4 }).deliver('client', { flags: 'S', data: active(V4, 1) });
        expect(ct.dumpExpectations()).toHaveLength(1);
        for (let sport = 1; sport < 200; sport++) {
          send(ct, udp({ ...V4, sport, dport: 7 }), 0);
        }
        expect(dumpAll(ct, 0).every(({ orig }) => orig.proto === 17)).toBe(true);
      },
    ],
  ];

  it.each(ENDINGS)('go with it: %s', (_name, options, end) => {
    table(options);
    const control = announceSome();
    expect(ct.dumpExpectations()).toHaveLength(COUNT);
    end(control);
    expect(ct.dumpExpectations()).toEqual([]);
    expect(ct.tracker.alg.expectations.used).toBe(0);
    expectAccountingHolds(ct, control.nowMs);
  });

  it('stay while it does, others going', () => {
    table();
    announceSome();
    announceSome({ ...V4, sport: 30_001 }).send('client', active(V4, 99));
    /* Two expectations with the same ends: the first one stays. */
    expect(ct.dumpExpectations()).toHaveLength(COUNT + 1);
    ct.flushTuple(tuple({ ...V4, sport: 30_001 }) as never, { nowMs: 0 });
    expect(ct.dumpExpectations()).toHaveLength(COUNT);
    expect(ct.dumpExpectations().every(({ parent }) => 'sport' in parent && parent.sport === V4.sport)).toBe(true);
  });

  it('do not keep another from the same once it is being removed', () => {
    table();
    announceSome();
    const { tracker } = ct;
    const at = tracker.alg.expectations;
    const records = new Set<number>();
    at.visit(tracker.participant, (entry) => records.add(entry[EntryWord.PARENT_RECORD]!));
    const [record] = [...records];
    const life = (record! << UNIT_SHIFT) + ConnWord.LIFE;
    /* The first step of a removal by a thread that is then slow. */
    tracker.words[life]! |= LIFE_CLEANED;
    const other = opened({ ...V4, sport: 30_001 });
    other.send('client', active(V4, 1));
    cleanExpectations(tracker, record!);
    expect(ct.dumpExpectations()).toMatchObject([{ parent: tuple(other.ends) }]);
    tracker.words[life]! &= ~LIFE_CLEANED;
    ct.flush();
    expect(at.used).toBe(0);
  });

  it('stay while it is dead or expired, but not swept, where only the sweeper removes', () => {
    table({ reclaim: 'sweep' });
    announceSome();
    send(ct, syn(reverse(V4)), TCP_ESTABLISHED_MS, { force: true });
    expect(ct.dumpExpectations()).toHaveLength(COUNT);
    ct.sweep(TCP_ESTABLISHED_MS);
    expect(ct.dumpExpectations()).toEqual([]);
  });

  it('are at most 256: a new one replaces the oldest', () => {
    table();
    const control = opened(V4);
    for (let port = 1; port <= 300; port++) {
      control.send('client', active(V4, port));
    }
    const ports = ct.dumpExpectations().map(({ orig }) => ('dport' in orig ? orig.dport : 0));
    expect(ports.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 256 }, (_, index) => index + 45));
    expect(ct.counters()).toMatchObject({ expectationsAdded: 300, expectationsRefused: 0 });
    /* An expectation that is added again keeps its age. */
    control.send('client', active(V4, 45));
    control.send('client', active(V4, 301));
    expect(send(ct, syn({ ...reverse(V4), sport: 20, dport: 45 }), 0)).toBe('new|trk');
    expect(send(ct, syn({ ...reverse(V4), sport: 20, dport: 46 }), 0)).toBe('new|rel|trk');
  });

  it('are refused when the table of 65536 is full, and accepted again afterwards', () => {
    table();
    const controls = Array.from({ length: 257 }, (_, n) => opened({ ...V4, src: `10.0.${n >> 8}.${n & 255}` }));
    for (const control of controls) {
      for (let port = 1; port <= 256; port++) {
        control.deliver('client', { flags: 'PA', data: active(control.ends, port) });
      }
    }
    expect(ct.counters()).toMatchObject({ expectationsAdded: 65_536, expectationsRefused: 256 });
    expect(ct.dumpExpectations()).toHaveLength(65_536);
    ct.flushTuple(tuple(controls[7]!.ends) as never, { nowMs: 0 });
    expect(ct.dumpExpectations()).toHaveLength(65_280);
    controls[256]!.send('client', active(controls[256]!.ends, 9));
    expect(ct.dumpExpectations()).toHaveLength(65_281);
    ct.flush();
    expect(ct.dumpExpectations()).toEqual([]);
  });
});

describe('the helper of a connection', () => {
  it('goes on to one that a packet opens which remembers it, in another zone or by force', () => {
    table();
    opened(V4);
    batch.clear();
    batch.add(tcpFrame(V4, { flags: 'S', seq: 1 << 20 }));
    for (const action of [{ commit: true }, { zone: 5, commit: true }]) {
      ct.execute(batch, new CtAction(action), 0);
    }
    expect(dumpAll(ct, 0, 5)).toMatchObject([{ helper: 'ftp' }]);

    batch.clear();
    batch.add(tcpFrame(reverse(V4), { flags: 'S', seq: 1 << 20 }));
    ct.execute(batch, new CtAction({ zone: 5 }), 0);
    ct.execute(batch, new CtAction({ zone: 5, force: true }), 0);
    expect(dumpAll(ct, 0, 5)).toMatchObject([{ orig: tuple(reverse(V4)), helper: 'ftp' }]);
  });

  it('is not that of a connection which is gone', () => {
    table();
    opened(V4);
    batch.clear();
    batch.add(tcpFrame(V4, { flags: 'A', seq: 1001, ack: 5001 }));
    ct.execute(batch, new CtAction({}), 0);
    ct.flush();
    ct.execute(batch, new CtAction({ zone: 5, commit: true }), 0);
    expect(dumpAll(ct, 0, 5)).toHaveLength(1);
    expect(dumpAll(ct, 0, 5)[0]!.helper).toBeUndefined();
  });
});

describe('the dump of expectations', () => {
  function answer(command: string, args: string[], asked: Partial<CommandContext>): string {
    const context = { conntrack: ct, json: false, more: false, statistics: false, nowMs: () => 0, ...asked };
    return [...(DUMP_COMMANDS[command]!.run(context as CommandContext, args) as Iterable<string>)].join('');
  }

  it('is a line each as dpctl prints it, or JSON, of all zones or one', () => {
    table();
    opened(V4, { mark: { value: 170, mask: 255 } }).send('client', active(V4, 4321));
    opened(V6, { zone: 7, label: { value: 'ab', mask: 'ff' } }).send('server', passive(V6, 4321));
    const first =
      'tcp,orig=(src=192.0.2.1,dst=10.0.0.1,sport=0,dport=4321),mark=170,' +
      'parent=(src=10.0.0.1,dst=192.0.2.1,sport=30000,dport=21)\n';
    const second =
      'tcp,orig=(src=fd00::1,dst=2001:db8::1,sport=0,dport=4321),zone=7,labels=0xab,' +
      'parent=(src=fd00::1,dst=2001:db8::1,sport=30000,dport=21)\n';
    expect(answer('dump-conntrack-exp', [], {})).toBe(first + second);
    expect(answer('dump-conntrack-exp', ['zone=7'], { more: true })).toBe(second);
    expect(answer('dump-conntrack-exp', ['zone=8'], {})).toBe('');
    expect(JSON.parse(answer('dump-conntrack-exp', [], { json: true }))).toEqual(ct.dumpExpectations());
    expect(JSON.parse(answer('dump-conntrack-exp', ['zone=8'], { json: true }))).toEqual([]);
    expect(() => answer('dump-conntrack-exp', ['zone=x'], {})).toThrow('invalid zone');
  });

  it('names helper and parent among the connections, the parent with -m', () => {
    table();
    opened(V4).send('client', active(V4, 4321));
    send(ct, syn({ ...reverse(V4), sport: 20, dport: 4321 }), 0);
    const parent = ',parent=(src=10.0.0.1,dst=192.0.2.1,sport=30000,dport=21)';
    const short = answer('dump-conntrack', [], {});
    expect(short).toContain(',helper=ftp');
    expect(short).not.toContain('parent');
    expect(answer('dump-conntrack', [], { more: true })).toContain(parent);
    const entries = JSON.parse(answer('dump-conntrack', [], { json: true })) as { parent?: object }[];
    expect(entries.filter((entry) => entry.parent !== undefined)).toMatchObject([{ parent: tuple(V4) }]);
  });
});
