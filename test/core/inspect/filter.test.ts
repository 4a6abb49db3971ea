/** Filters of dump and flush, and their text form. */

import { beforeEach, describe, expect, it } from 'vitest';
import { Conntrack } from '../../../src/core/conntrack.ts';
import type { ConnFilter, ConnFilterOptions } from '../../../src/core/inspect/filter.ts';
import { parseConnFilter } from '../../../src/core/inspect/filter-text.ts';
import { scenarioPath } from '../../support/fixtures.ts';
import { icmp, reverse, tcp, udp } from '../../support/frames.ts';
import { send } from '../../support/tracking.ts';

const A = { src: '10.1.1.1', dst: '10.1.1.2', sport: 1000, dport: 53 };
const B = { src: '10.1.1.3', dst: '10.1.1.2', sport: 1000, dport: 54 };
const C = { src: '10.1.1.1', dst: '10.1.1.4', sport: 2000, dport: 80 };
const D = { src: '10.1.1.5', dst: '10.1.1.6', sport: 2001, dport: 443 };
const PING = { src: '10.1.1.7', dst: '10.1.1.8' };

let ct: Conntrack;

/** a: UDP, unreplied, mark. b: UDP, replied, zone. c: TCP, established, label. d: TCP, SYN only. ping: echo request. */
beforeEach(() => {
  ct = new Conntrack({ buckets: 8, maxParticipants: 1 });
  send(ct, udp(A), 0, { commit: true, mark: { value: 0x12, mask: 0xffffffff } });
  send(ct, udp(B), 0, { commit: true, zone: 5 });
  send(ct, udp(reverse(B)), 0, { zone: 5 });
  send(ct, tcp(C, { flags: 'S', seq: 100 }), 0, { commit: true, label: { value: 'ab00', mask: 'ffff' } });
  send(ct, tcp(reverse(C), { flags: 'SA', seq: 500, ack: 101 }), 0);
  send(ct, tcp(C, { flags: 'A', seq: 101, ack: 501 }), 0);
  send(ct, tcp(D, { flags: 'S', seq: 100 }), 0);
  send(ct, icmp(PING, 8, Buffer.from([0x12, 0x34, 0, 1])), 0);
});

const NAMES: Record<string, string> = { 53: 'a', 54: 'b', 80: 'c', 443: 'd' };

function shown(filter: ConnFilter | ConnFilterOptions): string {
  const entries = [...ct.dump({ nowMs: 0, filter })].flat();
  return entries
    .map(({ orig }) => ('dport' in orig ? NAMES[orig.dport]! : 'ping'))
    .toSorted()
    .join(' ');
}

describe('a filter shows', () => {
  it.each<[what: string, filter: ConnFilterOptions, names: string]>([
    ['everything when nothing is given', {}, 'a b c d ping'],
    ['a zone', { zone: 5 }, 'b'],
    ['zone 0', { zone: 0 }, 'a c d ping'],
    ['a mark', { mark: { value: 0x12, mask: 0xffffffff } }, 'a'],
    ['a mark under a mask, value bits outside it apart', { mark: { value: 0xf2, mask: 0x0f } }, 'a'],
    ['connections without a bit of the mark', { mark: { value: 0, mask: 0x10 } }, 'b c d ping'],
    ['a label under a mask', { label: { value: 'ab00', mask: 'ff00' } }, 'c'],
    ['no label', { label: { value: '0', mask: 'f'.repeat(32) } }, 'a b d ping'],
    ['a protocol', { proto: 17 }, 'a b'],
    ['a source', { orig: { src: '10.1.1.1' } }, 'a c'],
    ['a source and a port', { orig: { src: '10.1.1.1', dport: 53 } }, 'a'],
    ['a source port', { orig: { sport: 1000 } }, 'a b'],
    ['a source of answers', { reply: { src: '10.1.1.2' } }, 'a b'],
    ['ports of answers', { reply: { sport: 443, dport: 2001 } }, 'd'],
    ['both tuples', { orig: { src: '10.1.1.1' }, reply: { src: '10.1.1.4' } }, 'c'],
    ['an ICMP id', { orig: { id: 0x1234 } }, 'ping'],
    ['an ICMP type', { orig: { type: 8, code: 0 } }, 'ping'],
    ['an ICMP type of answers', { reply: { type: 0 } }, 'ping'],
    ['no ICMP connection with a code', { orig: { type: 8, code: 1 } }, ''],
    ['no ICMP connection by a port', { proto: 1, orig: { sport: 0x1234 } }, ''],
    ['no address of the other family', { orig: { src: 'fd00::1' } }, ''],
    ['a TCP state', { tcpState: 'ESTABLISHED' }, 'c'],
    ['another TCP state', { tcpState: 'SYN_SENT' }, 'd'],
    ['what was answered', { seen: 'replied' }, 'b c'],
    ['what was not', { seen: 'unreplied' }, 'a d ping'],
    ['what is established', { seen: 'established' }, 'b c'],
  ])('%s', (_what, filter, names) => {
    expect(shown(filter)).toBe(names);
  });

  it('IPv6 connections by address', async () => {
    const { readFileSync } = await import('node:fs');
    const frames = readFileSync(scenarioPath('udp-basic-v6'), 'utf8').matchAll(/"hex":"([0-9a-f]+)"/g);
    for (const [, hex] of frames) {
      send(ct, Buffer.from(hex!, 'hex'), 0);
    }
    const [entry] = [...ct.dump({ nowMs: 0 })].flat().filter(({ orig }) => orig.src.includes(':'));
    const { src, dst } = entry!.orig;
    const found = (filter: ConnFilterOptions) => [...ct.dump({ nowMs: 0, filter })].flat();
    expect(found({ orig: { src, dst } })).toContainEqual(entry);
    expect(found({ reply: { src: dst, dst: src } })).toContainEqual(entry);
    expect(found({ orig: { src, dst: src } })).toEqual([]);
  });
});

describe('a flush by a filter', () => {
  it('removes the connections that a dump with it shows, and no others', () => {
    expect(ct.flush({ filter: { orig: { src: '10.1.1.1' } } })).toBe(2);
    expect(shown({})).toBe('b d ping');
    expect(ct.flush({ filter: parseConnFilter(['zone=5']) })).toBe(1);
    expect(ct.flush({ filter: { seen: 'established' } })).toBe(0);
    expect(ct.connCount).toBe(2);
    expect(ct.counters().flushed).toBe(3);
  });

  it('with a zone beside it needs both', () => {
    expect(ct.flush({ zone: 5, filter: { proto: 6 } })).toBe(0);
    expect(ct.flush({ zone: 5, filter: { proto: 17 } })).toBe(1);
    expect(() => ct.flush({ zone: 5, filter: { zone: 6 } })).toThrow('two zones are given: 5, and 6 in the filter');
  });
});

describe('filter text', () => {
  it.each<[args: string[], names: string]>([
    [[], 'a b c d ping'],
    [['zone=5'], 'b'],
    [['mark=0x12'], 'a'],
    [['mark=2/0xf'], 'a'],
    [['labels=0xab00'], 'c'],
    [['labels=0xab00/0xff00'], 'c'],
    [['zone=0', 'ct_nw_src=10.1.1.1'], 'a c'],
    [['ct_nw_src=10.1.1.1,ct_nw_dst=10.1.1.2,ct_nw_proto=17,ct_tp_src=1000,ct_tp_dst=53'], 'a'],
    [['ct_nw_proto=17,ct_tp_src=0,ct_tp_dst=53'], 'a'],
    [['ct_nw_src=0.0.0.0,ct_nw_proto=6'], 'c d'],
    [['', 'ct_nw_src=10.1.1.2'], 'a b'],
    [['ct_nw_src=10.1.1.1', 'ct_nw_src=10.1.1.4,ct_nw_dst=10.1.1.1'], 'c'],
    [['ct_nw_proto=1,icmp_type=8,icmp_code=0,icmp_id=4660'], 'ping'],
    [['ct_nw_proto=1,icmp_id=4660'], 'ping'],
    [['ct_nw_src=10.1.1.7 ct_nw_dst=10.1.1.8'], 'ping'],
    [['state=established'], 'c'],
    [['seen=unreplied', 'zone=0'], 'a d ping'],
  ])('%j', (args, names) => {
    expect(shown(parseConnFilter(args))).toBe(names);
  });

  it.each<[args: string[], says: string]>([
    [['zone=x'], 'failed to parse field zone: "x" is not a number from 0 to 65535'],
    [['zone=65536'], 'failed to parse field zone: "65536" is not a number from 0 to 65535'],
    [['mark=1/2/3'], 'failed to parse mark: "1/2/3" is not VALUE or VALUE/MASK'],
    [['mark=0x100000000'], 'failed to parse mark: "0x100000000" is not VALUE or VALUE/MASK'],
    [['labels=zz'], 'failed to parse labels: "zz" is not VALUE or VALUE/MASK'],
    [['ct_nw_src='], 'field ct_nw_src missing value'],
    [['ct_nw_src'], 'field ct_nw_src missing value'],
    [['ct_nw_src=10.1.1'], 'failed to parse field ct_nw_src: "10.1.1" is not an IPv4 address'],
    [['ct_ipv6_dst=10.1.1.1'], 'failed to parse field ct_ipv6_dst: "10.1.1.1" is not an IPv6 address'],
    [['ct_nw_src=10.1.1.1,ct_ipv6_dst=fd00::1'], 'the L3 protocol does not match fd00::1'],
    [['ct_nw_src=10.1.1.1', 'ct_ipv6_dst=fd00::1'], 'the L3 protocol does not match fd00::1'],
    [['ct_nw_src=10.1.1.1,ct_nw_src=10.1.1.2'], 'ct_nw_src is set multiple times'],
    [['ct_nw_proto=256'], 'failed to parse field ct_nw_proto: "256" is not a number from 0 to 255'],
    [['ct_tp_src=1'], 'port is set without protocol: give ct_nw_proto as well'],
    [['ct_nw_proto=17,icmp_type=8'], 'invalid L4 fields: icmp_type needs ct_nw_proto=1 or ct_nw_proto=58 before it'],
    [
      ['ct_nw_source=1'],
      'invalid conntrack tuple field: ct_nw_source; did you mean ct_nw_src?; known are zone, mark, labels, state, seen, ct_nw_src,',
    ],
    [['', '', ''], 'invalid arguments: "" after two tuples'],
    [['state=OPEN'], 'tcpState must be one of CLOSED, '],
    [['seen=once'], 'seen must be one of replied, unreplied, established, not "once"'],
  ])('%j is refused with one clear line', (args, says) => {
    expect(() => parseConnFilter(args)).toThrow(says);
  });

  it('of one whole tuple names one connection, for a removal in either direction', () => {
    const text = 'ct_nw_src=10.1.1.2,ct_nw_dst=10.1.1.1,ct_nw_proto=17,ct_tp_src=53,ct_tp_dst=1000';
    const filter = parseConnFilter(['zone=0', text]);
    expect(filter.fiveTuple).toEqual({ ...reverse(A), proto: 17 });
    expect(ct.flushTuple(filter.fiveTuple!, { nowMs: 0 })).toBe(true);
    expect(shown({})).toBe('b c d ping');
    const withoutPort = text.slice(0, text.lastIndexOf(','));
    for (const args of [['mark=1', text], ['seen=replied', text], [text, 'ct_nw_src=10.1.1.1'], [withoutPort]]) {
      expect(parseConnFilter(args).fiveTuple).toBe(undefined);
    }
  });
});
