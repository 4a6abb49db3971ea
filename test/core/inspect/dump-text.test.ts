/** The text forms of Open vSwitch's dpctl. The strings are what dpctl prints. */

import { describe, expect, it } from 'vitest';
import type { ExpectationEntry } from '../../../src/core/alg/dump.ts';
import { Conntrack } from '../../../src/core/conntrack.ts';
import type { ConnEntry } from '../../../src/core/inspect/dump.ts';
import {
  formatBuckets,
  formatConn,
  formatConnStats,
  formatExpectation,
  formatZoneLimits,
} from '../../../src/core/inspect/format.ts';
import type { ConnStats } from '../../../src/core/inspect/stats.ts';
import { icmp, reverse, tcp, udp } from '../../support/frames.ts';
import { dumpAll, send } from '../../support/tracking.ts';

const ZERO = '0'.repeat(32);
const ENDS = { src: '10.1.1.1', dst: '10.1.1.2', sport: 1, dport: 2 };
const UDP: ConnEntry = {
  orig: { ...ENDS, proto: 17 },
  reply: { ...reverse(ENDS), proto: 17 },
  zone: 0,
  mark: 0,
  label: ZERO,
  timeoutMs: 59_999,
};
const UDP_TEXT =
  'udp,orig=(src=10.1.1.1,dst=10.1.1.2,sport=1,dport=2),reply=(src=10.1.1.2,dst=10.1.1.1,sport=2,dport=1)';

function tcpEntry(tcp: Partial<NonNullable<ConnEntry['tcp']>>): ConnEntry {
  const proto = 6;
  return {
    ...UDP,
    orig: { ...ENDS, proto },
    reply: { ...reverse(ENDS), proto },
    tcp: {
      stateOrig: 'ESTABLISHED',
      stateReply: 'ESTABLISHED',
      wscaleOrig: 0,
      wscaleReply: 0,
      flagsOrig: 0,
      flagsReply: 0,
      ...tcp,
    },
  };
}

describe('a connection as text', () => {
  it('leaves out zeros', () => {
    expect(formatConn(UDP)).toBe(UDP_TEXT);
  });

  it('has zone, mark in decimal and label in hexadecimal', () => {
    expect(formatConn({ ...UDP, zone: 5, mark: 170 })).toBe(`${UDP_TEXT},zone=5,mark=170`);
    const label = 'aa00000000'.padStart(32, '0');
    expect(formatConn({ ...UDP, zone: 5, label })).toBe(`${UDP_TEXT},zone=5,labels=0xaa00000000`);
    /* A byte below 16 loses its leading zero at the front only. */
    expect(formatConn({ ...UDP, label: '0a01'.padStart(32, '0') })).toBe(`${UDP_TEXT},labels=0xa01`);
    expect(formatConn({ ...UDP, label: '1'.padEnd(32, '0') })).toBe(`${UDP_TEXT},labels=0x1${'0'.repeat(31)}`);
  });

  it('has one TCP state, that of the peer further on', () => {
    const state = (stateOrig: string, stateReply: string) =>
      /protoinfo=\(state=(\w+)\)$/.exec(formatConn(tcpEntry({ stateOrig, stateReply })))![1];
    expect(state('ESTABLISHED', 'ESTABLISHED')).toBe('ESTABLISHED');
    expect(state('SYN_SENT', 'CLOSED')).toBe('SYN_SENT');
    expect(state('ESTABLISHED', 'CLOSING')).toBe('CLOSING');
    expect(state('FIN_WAIT_2', 'CLOSING')).toBe('TIME_WAIT');
    expect(state('TIME_WAIT', 'TIME_WAIT')).toBe('TIME_WAIT');
  });

  it('has both peers, scales and flags with more', () => {
    const entry = tcpEntry({ stateReply: 'FIN_WAIT_2', wscaleOrig: 7, flagsOrig: 1, flagsReply: 9 });
    expect(formatConn({ ...entry, zone: 3, mark: 1 }, { more: true })).toBe(
      'tcp,orig=(src=10.1.1.1,dst=10.1.1.2,sport=1,dport=2),reply=(src=10.1.1.2,dst=10.1.1.1,sport=2,dport=1),id=0,zone=3,' +
        'status=0,mark=1,protoinfo=(state_orig=ESTABLISHED,state_reply=FIN_WAIT_2,wscale_orig=7,wscale_reply=0,' +
        'flags_orig=WINDOW_SCALE,flags_reply=WINDOW_SCALE|BE_LIBERAL)',
    );
    expect(formatConn(tcpEntry({}), { more: true })).toMatch(
      /protoinfo=\(state_orig=ESTABLISHED,state_reply=ESTABLISHED,flags_orig=0,flags_reply=0\)$/,
    );
  });

  it('has whole seconds to its expiry with statistics', () => {
    expect(formatConn({ ...UDP, zone: 5, mark: 1 }, { statistics: true })).toBe(`${UDP_TEXT},zone=5,timeout=59,mark=1`);
    expect(formatConn({ ...UDP, timeoutMs: -5 }, { statistics: true })).toBe(`${UDP_TEXT},timeout=0`);
  });

  it('has its helper always and its parent with more', () => {
    const entry = { ...tcpEntry({}), helper: 'ftp', parent: UDP.orig };
    expect(formatConn(entry)).toMatch(/,protoinfo=\(state=ESTABLISHED\),helper=ftp$/);
    expect(formatConn(entry, { more: true })).toMatch(
      /,helper=ftp,parent=\(src=10\.1\.1\.1,dst=10\.1\.1\.2,sport=1,dport=2\)$/,
    );
  });

  it('names protocols as the reference does, others by number', () => {
    const name = (proto: number) => formatConn({ ...UDP, orig: { ...ENDS, proto } }).split(',')[0];
    expect([1, 2, 6, 17, 33, 58, 132, 136, 47].map(name)).toEqual([
      'icmp',
      'igmp',
      'tcp',
      'udp',
      'dccp',
      'icmpv6',
      'sctp',
      'udplite',
      '47',
    ]);
  });

  it('comes out of the table like this', () => {
    const ct = new Conntrack({ buckets: 1, maxParticipants: 1 });
    const echo = { src: '10.1.1.1', dst: '10.1.1.2' };
    send(ct, icmp(echo, 8, Buffer.from([0x12, 0x34, 0, 1])), 0, { commit: true, zone: 9 });
    send(ct, tcp(ENDS, { flags: 'S', seq: 1 }), 0, {
      commit: true,
      mark: { value: 3, mask: 0xffffffff },
      label: { value: 'f00', mask: 'fff' },
    });
    expect(
      dumpAll(ct, 1000)
        .map((entry) => formatConn(entry, { statistics: true }))
        .toSorted(),
    ).toEqual([
      'icmp,orig=(src=10.1.1.1,dst=10.1.1.2,id=4660,type=8,code=0),' +
        'reply=(src=10.1.1.2,dst=10.1.1.1,id=4660,type=0,code=0),zone=9,timeout=59',
      'tcp,orig=(src=10.1.1.1,dst=10.1.1.2,sport=1,dport=2),reply=(src=10.1.1.2,dst=10.1.1.1,sport=2,dport=1),' +
        'timeout=29,mark=3,labels=0xf00,protoinfo=(state=SYN_SENT)',
    ]);
  });
});

it('an expectation as text has the tuple expected and its parent', () => {
  const expectation: ExpectationEntry = {
    orig: { src: '10.1.1.2', dst: '10.1.1.1', sport: 0, dport: 40_000, proto: 6 },
    parent: { ...ENDS, proto: 6 },
    zone: 1,
    mark: 2,
    label: '3'.padStart(32, '0'),
    proto: 6,
  };
  expect(formatExpectation(expectation)).toBe(
    'tcp,orig=(src=10.1.1.2,dst=10.1.1.1,sport=0,dport=40000),zone=1,mark=2,labels=0x3,' +
      'parent=(src=10.1.1.1,dst=10.1.1.2,sport=1,dport=2)',
  );
});

describe('figures', () => {
  const stats: ConnStats = {
    total: 9,
    byProtocol: { tcp: 4, udp: 2, icmp: 1, icmpv6: 1, other: 1 },
    tcpByState: { TIME_WAIT: 1, ESTABLISHED: 3 },
    byBucket: [3, 0, 1, 0, 0, 0, 0, 0, 5, 0],
  };

  it('by protocol, and by TCP state when asked for', () => {
    expect(formatConnStats(stats)).toBe('Connections Stats:\n    Total: 9\n  TCP: 4\n  UDP: 2\n  ICMP: 1\n  Other: 1');
    expect(formatConnStats(stats, { verbose: true })).toContain(
      '  TCP: 4\n    Conn per TCP states:\n\t  [ESTABLISHED]=3\n\t  [TIME_WAIT]=1\n  UDP: 2\n',
    );
  });

  it('by bucket, eight in a row', () => {
    expect(formatBuckets(stats)).toBe(
      [
        'Total Buckets: 10',
        'Current Connections: 9',
        '',
        '+-----------+-----------------------------------------+',
        '|  Buckets  |         Connections per Buckets         |',
        '+-----------+-----------------------------------------+',
        '   0..  7   |     3    .    1    .    .    .    .    .',
        '   8.. 15   |     5    .',
        '',
        '',
      ].join('\n'),
    );
    expect(formatBuckets(stats, { greaterThan: 3 })).toContain('   0..  7   |     .    .    .');
    expect(formatBuckets({ ...stats, total: 0 })).toBe('Total Buckets: 10\nCurrent Connections: 0\n\n');
  });

  it('come from the table, expired connections apart', () => {
    const ct = new Conntrack({ buckets: 4, maxParticipants: 1 });
    for (let sport = 1; sport <= 20; sport++) {
      send(ct, udp({ ...ENDS, sport }), 0, { commit: true, zone: sport % 2 });
    }
    send(ct, tcp(ENDS, { flags: 'S', seq: 1 }), 50_000);
    const all = ct.stats({ nowMs: 59_999 });
    expect(all).toMatchObject({ total: 21, byProtocol: { udp: 20, tcp: 1 }, tcpByState: { SYN_SENT: 1 } });
    expect(all.byBucket).toEqual(ct.buckets().map(({ entries }) => entries));
    expect(ct.stats({ nowMs: 59_999, zone: 1 }).total).toBe(10);
    expect(ct.stats({ nowMs: 60_000 })).toMatchObject({ total: 1, byProtocol: { tcp: 1 } });
  });

  it('of zone limits have the default first', () => {
    const ct = new Conntrack({ buckets: 1, maxParticipants: 1 });
    expect(formatZoneLimits(ct.zoneLimits())).toBe('default limit=0');
    ct.setZoneLimit('default', 15);
    ct.setZoneLimit(7, 3);
    ct.setZoneLimit(2, 5);
    send(ct, udp(ENDS), 0, { commit: true, zone: 7 });
    send(ct, udp(ENDS), 0, { commit: true, zone: 8 });
    expect(formatZoneLimits(ct.zoneLimits())).toBe('default limit=15\nzone=2,limit=5,count=0\nzone=7,limit=3,count=1');
  });
});
