/** The grammar of Open vSwitch's `dpctl/flush-conntrack`: each input with its result. */

import { beforeEach, describe, expect, it } from 'vitest';
import { CtAction, type CtActionOptions } from '../../../src/core/action.ts';
import { Conntrack } from '../../../src/core/conntrack.ts';
import { UsageError } from '../../../src/core/errors.ts';
import { parseConnFilter } from '../../../src/core/inspect/filter-text.ts';
import { PacketBatch } from '../../../src/core/packet/batch.ts';
import { ChecksumBit } from '../../../src/core/packet/layout.ts';
import { icmp, ipv4, tcp, udp } from '../../support/frames.ts';
import { send } from '../../support/tracking.ts';

/** An IPv6 frame: the part after the fixed header, and the last 16 bits of each address after fd00::, 0 for `::`. */
function ipv6(src: Buffer, dst: Buffer, protocol: number, payload: Buffer): Buffer {
  const header = Buffer.from('02000000000202000000000186dd60000000000000400000', 'hex').subarray(0, 22);
  header.writeUInt16BE(payload.length, 18);
  header[20] = protocol;
  return Buffer.concat([header, src, dst, payload]);
}

function address6(first: string, last: number): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.write(first, 'hex');
  bytes[15] = last;
  return bytes;
}

let ct: Conntrack;

/** The transport checksum is taken for right. */
function sendTrusted(frame: Buffer, action: CtActionOptions): void {
  const batch = PacketBatch.allocate();
  batch.add(frame, { checksums: ChecksumBit.L4_GOOD });
  ct.execute(batch, new CtAction({ commit: true, ...action }), 0);
}

const NAMES: [name: string, src: string, dst: string, proto: number, zone: number, port: number][] = [
  ['a', '10.1.1.1', '10.1.1.2', 17, 0, 1000],
  ['b', '10.1.1.1', '10.1.1.2', 17, 5, 1000],
  ['c', '10.1.1.1', '10.1.1.4', 6, 0, 8],
  ['d', '10.1.1.1', '10.1.1.4', 6, 0, 10],
  ['ping', '10.1.1.7', '10.1.1.8', 1, 0, 4660],
  ['ping0', '10.1.1.8', '10.1.1.7', 1, 0, 0],
  ['dhcp', '0.0.0.0', '255.255.255.255', 17, 0, 68],
  ['u6', 'fd00::1', 'fd00::2', 17, 0, 1000],
  ['gre', '10.1.1.1', '10.1.1.2', 47, 0, 0],
];

function shown(): string {
  return [...ct.dump({ nowMs: 0 })]
    .flat()
    .map(({ orig, zone }) => {
      const port = 'id' in orig ? orig.id : orig.sport;
      const found = NAMES.find(
        ([, src, dst, proto, inZone, number]) =>
          src === orig.src && dst === orig.dst && proto === orig.proto && inZone === zone && number === port,
      );
      return found?.[0] ?? JSON.stringify(orig);
    })
    .toSorted()
    .join(' ');
}

beforeEach(() => {
  ct = new Conntrack({ buckets: 4, maxParticipants: 1 });
  const ab = { src: '10.1.1.1', dst: '10.1.1.2', sport: 1000, dport: 53 };
  const cd = { src: '10.1.1.1', dst: '10.1.1.4', sport: 8, dport: 80 };
  const twelve = { value: 0x12, mask: 0xffffffff };
  send(ct, udp(ab), 0, { commit: true, mark: twelve });
  send(ct, udp(ab), 0, { commit: true, zone: 5 });
  send(ct, tcp(cd, { flags: 'S', seq: 1 }), 0, { commit: true, label: { value: 'ab00', mask: 'ffff' } });
  const highBit = { value: `1${'0'.repeat(16)}`, mask: 'f'.repeat(32) };
  send(ct, tcp({ ...cd, sport: 10 }, { flags: 'S', seq: 1 }), 0, { commit: true, label: highBit });
  send(ct, icmp({ src: '10.1.1.7', dst: '10.1.1.8' }, 8, Buffer.from('12340001', 'hex')), 0);
  send(ct, icmp({ src: '10.1.1.8', dst: '10.1.1.7' }, 8, Buffer.from('00000001', 'hex')), 0);
  send(ct, udp({ src: '0.0.0.0', dst: '255.255.255.255', sport: 68, dport: 67 }), 0);
  sendTrusted(ipv6(address6('fd', 1), address6('fd', 2), 17, Buffer.from('03e8003500081234', 'hex')), { mark: twelve });
  send(ct, ipv4({ src: '10.1.1.1', dst: '10.1.1.2' }, 47, Buffer.alloc(4)), 0);
});

const ALL = 'a b c d dhcp gre ping ping0 u6';
const TUPLE = 'ct_nw_src=10.1.1.1,ct_nw_dst=10.1.1.2,ct_nw_proto=17,ct_tp_src=1000,ct_tp_dst=53';
const ECHO = 'ct_nw_src=10.1.1.7,ct_nw_dst=10.1.1.8,ct_nw_proto=1';

it('the table has these connections', () => {
  expect(shown()).toBe(ALL);
});

describe('a filter that is no whole tuple is about', () => {
  it.each<[args: string[], names: string]>([
    [[], ALL],
    [['', ''], ALL],
    [[','], ALL],
    [[' '], ALL],
    [['zone=5'], 'b'],
    [['zone=05'], 'b'],
    /* Numbers as in C. */
    [['mark=0x12'], 'a u6'],
    [['mark=18'], 'a u6'],
    [['mark=022'], 'a u6'],
    [['mark=2/017'], 'a u6'],
    [['ct_nw_proto=6,ct_tp_src=010'], 'c'],
    [['ct_nw_proto=6,ct_tp_src=10'], 'd'],
    [['ct_nw_proto=021'], 'a b dhcp u6'],
    [['ct_nw_proto=0x11'], 'a b dhcp u6'],
    /* A mask of 0 is no condition. */
    [['mark=5/0'], ALL],
    [['zone=5', 'mark=5/0'], 'b'],
    [['labels=5/0'], ALL],
    [['mark=0x12', TUPLE], 'a'],
    /* Labels: hexadecimal to 128 bits, decimal to 64. */
    [['labels=43776'], 'c'],
    [['labels=0125400'], 'c'],
    [['labels=0xab00/0xff00'], 'c'],
    [['labels=0x10000000000000000'], 'd'],
    [['labels=18446744073709551615'], ''],
    [['labels=0/0x10000000000000000'], 'a b c dhcp gre ping ping0 u6'],
    /* A zero address matches any address, and fixes the family. */
    [['ct_ipv6_src=::'], 'u6'],
    [['', 'ct_ipv6_src=::'], 'u6'],
    [['ct_ipv6_src=::,ct_ipv6_src=fd00::1'], 'u6'],
    [['ct_ipv6_src=fd00::1,ct_ipv6_dst=::,ct_nw_proto=17,ct_tp_src=1000,ct_tp_dst=53'], 'u6'],
    [['ct_ipv6_src=::ffff:10.1.1.1'], ''],
    /* Different from Open vSwitch, which matches 0.0.0.0 itself. */
    [['ct_nw_src=0.0.0.0'], 'a b c d dhcp gre ping ping0'],
    [['ct_nw_src=0.0.0.0,ct_nw_proto=17'], 'a b dhcp'],
    [['', 'ct_nw_dst=0.0.0.0'], 'a b c d dhcp gre ping ping0'],
    [['ct_nw_src=10.1.1.1,ct_nw_dst=0.0.0.0,ct_nw_proto=17,ct_tp_src=1000,ct_tp_dst=53'], 'a b'],
    /* The protocol applies to both tuples. The last one counts; 0 matches any. */
    [['ct_nw_proto=17', 'ct_nw_proto=17'], 'a b dhcp u6'],
    [['ct_nw_proto=17', 'ct_nw_proto=6'], 'c d'],
    [['ct_nw_proto=6,ct_nw_proto=17'], 'a b dhcp u6'],
    [['ct_nw_proto=17,ct_nw_proto=0'], ALL],
    [['ct_nw_proto=0'], ALL],
    [['ct_nw_proto=17,ct_tp_dst=53', 'ct_nw_proto=0'], 'a b u6'],
    [['ct_nw_proto=17,ct_tp_dst=53', 'ct_nw_proto=6,ct_tp_src=80'], ''],
    [['ct_nw_proto=1,icmp_id=1000', 'ct_nw_proto=17'], 'a b u6'],
    /* So does the last port. */
    [['ct_nw_proto=17,ct_tp_dst=53,ct_tp_dst=80'], ''],
    [['ct_nw_proto=17,ct_tp_dst=80,ct_tp_dst=53'], 'a b u6'],
    [['ct_nw_proto=17,ct_tp_src=0,ct_tp_dst=53'], 'a b u6'],
    [['ct_tp_src=1000,ct_nw_proto=17'], 'a b u6'],
    [['ct_nw_proto=17', 'ct_tp_src=53'], 'a b u6'],
    [['ct_tp_src=0'], ALL],
    [[TUPLE.slice(0, TUPLE.lastIndexOf(','))], 'a b'],
    [['ct_nw_src=10.1.1.1,ct_nw_dst=10.1.1.2,ct_nw_proto=47'], 'gre'],
    [[TUPLE, 'ct_nw_src=10.1.1.2'], 'a b'],
    [['', 'ct_nw_src=10.1.1.2,ct_nw_dst=10.1.1.1,ct_nw_proto=17,ct_tp_src=53,ct_tp_dst=1000'], 'a b'],
    /* Different: Open vSwitch reads ICMP fields that are not given as 0, in both tuples. */
    [['ct_nw_proto=1'], 'ping ping0'],
    [['ct_nw_proto=1,icmp_type=8,icmp_code=0,icmp_id=4660'], 'ping'],
    [['ct_nw_proto=1,icmp_type=8,icmp_id=4660', 'icmp_type=0,icmp_id=4660'], 'ping'],
    [[ECHO, 'ct_nw_src=10.1.1.8'], 'ping'],
    /* Spellings. */
    [['ct_nw_src:10.1.1.1'], 'a b c d gre'],
    [['ct_nw_src(10.1.1.1)'], 'a b c d gre'],
    [['ct_ipv6_src:fd00::1'], 'u6'],
    [['ct_nw_src=10.1.1.7 \t,ct_nw_dst=10.1.1.8'], 'ping'],
  ])('%j: %s', (args, names) => {
    const filter = parseConnFilter(args);
    expect(filter.fiveTuple).toBeUndefined();
    ct.flush({ filter });
    const left = ALL.split(' ').filter((name) => !names.split(' ').includes(name));
    expect(shown()).toBe(left.join(' '));
  });
});

describe('a whole tuple and nothing else is removed by tuple', () => {
  const udpTuple = { src: '10.1.1.1', dst: '10.1.1.2', proto: 17, sport: 1000, dport: 53 };
  const echo = { src: '10.1.1.7', dst: '10.1.1.8', proto: 1 };
  it.each<[args: string[], tuple: object, left: string | undefined]>([
    [[TUPLE], udpTuple, 'b c d dhcp gre ping ping0 u6'],
    [['zone=5', TUPLE], udpTuple, 'a c d dhcp gre ping ping0 u6'],
    [['zone=6', TUPLE], udpTuple, undefined],
    [['mark=5/0', TUPLE], udpTuple, 'b c d dhcp gre ping ping0 u6'],
    [['labels=5/0', TUPLE], udpTuple, 'b c d dhcp gre ping ping0 u6'],
    [[TUPLE, ''], udpTuple, 'b c d dhcp gre ping ping0 u6'],
    [[TUPLE, ','], udpTuple, 'b c d dhcp gre ping ping0 u6'],
    [[TUPLE, 'ct_tp_src=0'], udpTuple, 'b c d dhcp gre ping ping0 u6'],
    [[TUPLE, 'ct_nw_proto=17'], udpTuple, 'b c d dhcp gre ping ping0 u6'],
    [
      ['ct_nw_src=10.1.1.2,ct_nw_dst=10.1.1.1,ct_nw_proto=17,ct_tp_src=53,ct_tp_dst=1000'],
      { src: '10.1.1.2', dst: '10.1.1.1', proto: 17, sport: 53, dport: 1000 },
      'b c d dhcp gre ping ping0 u6',
    ],
    /* Without type, code and id these are 0: here the echo reply to `ping0`. */
    [[ECHO], { ...echo, id: 0, type: 0, code: 0 }, 'a b c d dhcp gre ping u6'],
    [[`${ECHO},icmp_id=4660`], { ...echo, id: 4660, type: 0, code: 0 }, undefined],
    [[`${ECHO},icmp_id=4660,icmp_type=8`], { ...echo, id: 4660, type: 8, code: 0 }, 'a b c d dhcp gre ping0 u6'],
    [
      [`${ECHO},icmp_id=4660,icmp_type=8`, 'icmp_type=0,icmp_id=1'],
      { ...echo, id: 4660, type: 8, code: 0 },
      'a b c d dhcp gre ping0 u6',
    ],
    [
      ['ct_ipv6_src=fd00::1,ct_ipv6_dst=fd00::2,ct_nw_proto=17,ct_tp_src=1000,ct_tp_dst=53'],
      { src: 'fd00::1', dst: 'fd00::2', proto: 17, sport: 1000, dport: 53 },
      'a b c d dhcp gre ping ping0',
    ],
    [
      ['ct_ipv6_src=fd00::1,ct_ipv6_dst=fd00::2,ct_nw_proto=58'],
      { src: 'fd00::1', dst: 'fd00::2', proto: 58, id: 0, type: 0, code: 0 },
      undefined,
    ],
  ])('%j: %j, left: %s', (args, tuple, left) => {
    const filter = parseConnFilter(args);
    expect(filter.fiveTuple).toEqual(tuple);
    const wasThere = ct.flushTuple(filter.fiveTuple!, { nowMs: 0, zone: filter.options.zone ?? 0 });
    expect(wasThere).toBe(left !== undefined);
    expect(shown()).toBe(left ?? ALL);
  });

  it('in the library, too', () => {
    const { proto, ...orig } = udpTuple;
    const bare = { proto, orig, mark: { value: 5, mask: 0 }, label: { value: '5', mask: '0' } };
    expect(parseConnFilter([]).fiveTuple).toBeUndefined();
    expect(ct.flush({ filter: { family: 'ipv6' } })).toBe(1);
    expect(ct.flush({ filter: bare })).toBe(2);
    expect(() => ct.flush({ filter: { family: 'ipv6', orig: { src: '10.1.1.1' } } })).toThrow('one address family');
    expect(() => ct.flush({ filter: { family: 'ip' as 'ipv4' } })).toThrow('family must be one of ipv4, ipv6');
  });
});

describe('refused, as in Open vSwitch', () => {
  it.each<[args: string[], says: string]>([
    [['zone='], 'failed to parse field zone'],
    [['zone=x'], 'failed to parse field zone'],
    [['mark=0x100000000'], 'failed to parse mark'],
    [['mark=4294967296'], 'failed to parse mark'],
    [['mark=-1'], 'failed to parse mark'],
    [['mark='], 'failed to parse mark'],
    [
      ['labels=18446744073709551616'],
      'failed to parse labels: "18446744073709551616" is not VALUE or VALUE/MASK of 128 bits',
    ],
    [['labels=0x100000000000000000000000000000000'], 'failed to parse labels'],
    [['labels=zz'], 'failed to parse labels'],
    [['ct_nw_src=0.0.0.0', 'ct_ipv6_src=fd00::1'], 'the L3 protocol does not match fd00::1'],
    [['ct_ipv6_src=::,ct_nw_src=10.1.1.1'], 'the L3 protocol does not match 10.1.1.1'],
    [['ct_ipv6_src=fd00::1,ct_ipv6_src=fd00::1'], 'ct_ipv6_src is set multiple times'],
    [['ct_nw_src=10.1.1.1,ct_nw_src=10.1.1.2'], 'ct_nw_src is set multiple times'],
    [['ct_nw_proto=17,ct_tp_dst=53,ct_nw_proto=0'], 'port is set without protocol'],
    [['ct_nw_proto=256'], 'failed to parse field ct_nw_proto'],
    [['ct_nw_proto=-1'], 'failed to parse field ct_nw_proto'],
    [['ct_nw_proto=17x'], 'failed to parse field ct_nw_proto'],
    [['ct_nw_proto=6,ct_tp_src=08'], 'failed to parse field ct_tp_src'],
    [['ct_nw_proto=17,ct_tp_src=65536'], 'failed to parse field ct_tp_src'],
    [['ct_tp_src=1'], 'port is set without protocol'],
    [['ct_tp_src=1000', 'ct_nw_proto=17'], 'port is set without protocol'],
    [['ct_nw_proto=17,icmp_type=8'], 'invalid L4 fields'],
    [['icmp_type=8,ct_nw_proto=1'], 'invalid L4 fields'],
    [['ct_nw_proto=1,icmp_type=256'], 'failed to parse field icmp_type'],
    [['ct_nw_src='], 'field ct_nw_src missing value'],
    [['ct_nw_src'], 'field ct_nw_src missing value'],
    [['=5'], 'invalid conntrack tuple field: '],
    [['ct_nw_src=(10.1.1.1)'], 'failed to parse field ct_nw_src'],
    [['ct_nw_src=010.1.1.1'], 'failed to parse field ct_nw_src'],
    [['ct_nw_src=10.1.1.1/24'], 'failed to parse field ct_nw_src'],
    [['ct_ipv6_dst=10.1.1.1'], 'failed to parse field ct_ipv6_dst'],
    [['', '', ''], 'invalid arguments'],
  ])('%j: %s', (args, says) => {
    expect(() => parseConnFilter(args)).toThrow(UsageError);
    expect(() => parseConnFilter(args)).toThrow(says);
  });
});

describe('refused, where Open vSwitch ignores the error', () => {
  it.each([
    ['zone=5x'],
    ['zone=65536'],
    ['zone=-1'],
    ['mark=1/2/3'],
    ['mark=18x'],
    ['mark=18/zz'],
    ['mark=18/'],
    ['mark=08'],
    ['mark=0x'],
    ['labels=0xab00/18446744073709551616'],
  ])('%s', (arg) => {
    expect(() => parseConnFilter([arg])).toThrow(UsageError);
  });
});
