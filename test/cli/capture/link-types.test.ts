/** Captures of every link type and pcap version: the reader finds the same IP packets in each of them. */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  CaptureError,
  CaptureNotes,
  fileChunks,
  pcapHeader,
  pcapRecord,
  readCapture,
} from '../../../src/cli/capture/open-capture.ts';
import { CT_BUCKET, run } from '../../support/child.ts';
import { udp } from '../../support/frames.ts';

const WRAPPED = join(import.meta.dirname, '..', '..', 'fixtures', 'wrapped-captures');
const BEHIND_ADDRESSES = 12;

/** The EtherType and the packet of each frame, in hexadecimal. */
async function packetsOf(chunks: AsyncIterable<Uint8Array>, notes = new CaptureNotes()): Promise<string[]> {
  const packets: string[] = [];
  for await (const { frame } of readCapture(chunks, { notes })) {
    packets.push(Buffer.from(frame.subarray(BEHIND_ADDRESSES)).toString('hex'));
  }
  return packets;
}

async function* chunk(...parts: Uint8Array[]) {
  yield Buffer.concat(parts);
}

/** The packets of a file of one link type with these records. */
function packetsIn(linkType: number, ...records: Uint8Array[]): Promise<string[]> {
  return packetsOf(chunk(pcapHeader({ linkType }), ...records.map((record) => pcapRecord(record, 1000))));
}

const IPV4 = udp({ src: '192.0.2.1', dst: '192.0.2.2', sport: 1, dport: 2 }).subarray(14);
const IPV6 = Buffer.from(`60000000${'00083b40'}${'0'.repeat(64)}0001000200080000`, 'hex');
const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');
const wrapped = (header: string, packet: Uint8Array) => Buffer.concat([hex(header), packet]);
const AS_IPV4 = `0800${IPV4.toString('hex')}`;
const AS_IPV6 = `86dd${IPV6.toString('hex')}`;

describe('a conversation captured with another link type', () => {
  const names = readdirSync(WRAPPED).filter((name) => /\.(pcap|pcapng|gz)$/.test(name));

  it.each(names)('has the same packets as on Ethernet: %s', async (name) => {
    const expected = await packetsOf(fileChunks(join(WRAPPED, 'ethernet.pcap')));
    expect(expected).toHaveLength(9);
    expect(await packetsOf(fileChunks(join(WRAPPED, name)))).toEqual(expected);
  });

  it('has a line of states for each packet of a supported link type; one line counts the others', async () => {
    const path = join(WRAPPED, 'mixed-link-types.pcapng');
    const { code, stdout, stderr } = await run(process.execPath, [...CT_BUCKET, 'replay', path, '--format', 'states']);
    expect(code).toBe(0);
    expect(stdout).toBe(readFileSync(join(WRAPPED, 'ethernet.states'), 'utf8'));
    expect(stderr).toBe(
      `ct-bucket: ${path}: 1 packet skipped, first packet 6: link type 147 (private use) cannot be tracked\n`,
    );
  });
});

describe('a record of link type', () => {
  const snap = 'aaaa03 000000';
  const dataFrame = (control: string, more = '') => `${control} 0000 ${'00'.repeat(20)} ${more}`;
  const cases: [linkType: number, what: string, v4: string, v6: string][] = [
    [0, 'loopback, little-endian', '02000000', '1e000000'],
    [0, 'loopback, big-endian', '00000002', '00000018'],
    [0, 'loopback of FreeBSD', '02000000', '1c000000'],
    [0, 'loopback of Linux', '02000000', '0a000000'],
    [108, 'loopback of OpenBSD', '00000002', '00000018'],
    [108, 'loopback in the other byte order', '02000000', '18000000'],
    [12, 'raw', '', ''],
    [14, 'raw of OpenBSD', '', ''],
    [101, 'raw', '', ''],
    [8, 'SLIP', '00'.repeat(16), '00'.repeat(16)],
    [9, 'PPP', 'ff03 0021', 'ff03 0057'],
    [9, 'PPP without framing', '0021', '0057'],
    [9, 'PPP with a short protocol', 'ff03 21', '57'],
    [50, 'PPP in HDLC', 'ff03 0021', 'ff03 0057'],
    [50, 'PPP or Cisco HDLC', '0f00 0800', '8f00 86dd'],
    [51, 'PPPoE', '1100 0001 0000 0021', '1100 0001 0000 0057'],
    [104, 'Cisco HDLC', '0f00 0800', '8f00 86dd'],
    [166, 'pppd', '00 03 0021', '01 03 0057'],
    [204, 'PPP with direction', '00 ff03 0021', '01 0057'],
    [205, 'Cisco HDLC with direction', '00 0f00 0800', '01 8f00 86dd'],
    [107, 'frame relay', '1841 03 cc', '1841 03 00 8e'],
    [107, 'frame relay with SNAP, and Cisco', '1841 03 00 80 000000 0800', '1841 86dd'],
    [206, 'frame relay with direction', '00 1841 03 cc', '01 1841 03 8e'],
    [100, 'ATM', `${snap} 0800`, `${snap} 86dd`],
    [10, 'FDDI', `${'00'.repeat(13)} ${snap} 0800`, `${'00'.repeat(13)} ${snap} 86dd`],
    [
      6,
      'token ring',
      `${'00'.repeat(14)} ${snap} 0800`,
      `${'00'.repeat(8)} 80 ${'00'.repeat(5)} 0400 0000 ${snap} 86dd`,
    ],
    [117, 'pflog', `3d02 ${'00'.repeat(62)}`, `4018 ${'00'.repeat(62)}`],
    [219, 'MPLS', '00010140', '00010040 00020140'],
    [240, 'netANALYZER', `${'00'.repeat(16)} 0800`, `${'00'.repeat(16)} 86dd`],
    [274, 'Ethernet with preamble', `${'00'.repeat(20)} 0800`, `${'00'.repeat(20)} 86dd`],
    [281, 'a switch tag', `${'00'.repeat(16)} 0800`, `${'00'.repeat(16)} 86dd`],
    [284, 'a long switch tag', `${'00'.repeat(20)} 0800`, `${'00'.repeat(20)} 86dd`],
    [109, 'IPsec of OpenBSD', '02000000 00000000 00000000', '00000018 00000000 00000000'],
    [113, 'Linux cooked', `0000 0001 0006 ${'00'.repeat(8)} 0800`, `0004 ffff 0000 ${'00'.repeat(8)} 86dd`],
    [276, 'Linux cooked v2', `0800 ${'00'.repeat(18)}`, `86dd ${'00'.repeat(18)}`],
    [239, 'netfilter log', '02 00 0000 0800 0100 0000 0000 3000 0900', '0a 00 0000 0600 0a00 4141 0000 3000 0900'],
    [138, 'IEEE 1394', `${'00'.repeat(16)} 0800`, `${'00'.repeat(16)} 86dd`],
    [242, 'InfiniBand', `${'00'.repeat(40)} 0800 0000`, `${'00'.repeat(40)} 86dd 0000`],
    [105, '802.11', `${dataFrame('0801')} ${snap} 0800`, `${dataFrame('0802')} ${snap} 86dd`],
    [
      105,
      '802.11 with QoS, and between stations',
      `${dataFrame('8801', '0000')} ${snap} 0800`,
      `${dataFrame('8803', '000000000000 0000')} ${snap} 86dd`,
    ],
    [
      127,
      '802.11 behind radiotap',
      `0000 0800 00000000 ${dataFrame('0801')} ${snap} 0800`,
      `0000 0a00 00000000 ffff ${dataFrame('0801')} ${snap} 86dd`,
    ],
  ];

  it.each(cases)('%i may have an IPv4 or an IPv6 packet: %s', async (linkType, _what, v4, v6) => {
    expect(await packetsIn(linkType, wrapped(v4, IPV4), wrapped(v6, IPV6))).toEqual([AS_IPV4, AS_IPV6]);
  });

  it('228 or 229 has packets of its family, or of the other one if their version says so', async () => {
    expect(await packetsIn(228, IPV4, IPV6)).toEqual([AS_IPV4, AS_IPV6]);
    expect(await packetsIn(229, IPV4, IPV6)).toEqual([AS_IPV4, AS_IPV6]);
    expect(await packetsIn(228, hex('5500'))).toEqual(['08005500']);
    expect(await packetsIn(229, hex('5500'))).toEqual(['86dd5500']);
  });

  it('113 or 276 may have a VLAN tag or LLC, which the reader converts to Ethernet', async () => {
    const tagged = wrapped(`0000 0001 0006 ${'00'.repeat(8)} 8100 0007 0800`, IPV4);
    expect(await packetsIn(113, tagged)).toEqual([`81000007${AS_IPV4}`]);
    const tagged2 = wrapped(`8100 ${'00'.repeat(18)} 0007 0800`, IPV4);
    expect(await packetsIn(276, tagged2)).toEqual([`81000007${AS_IPV4}`]);
    const inLlc = wrapped(`0000 0001 0006 ${'00'.repeat(8)} 0004 ${snap} 0800`, IPV4);
    const llcBytes = (8 + IPV4.length).toString(16).padStart(4, '0');
    expect(await packetsIn(113, inLlc)).toEqual([`${llcBytes}aaaa03000000${AS_IPV4}`]);
  });

  it.each([
    [0, 'another family', '07000000'],
    [9, 'LCP', 'ff03 c021'],
    [51, 'PPPoE discovery', '1109 0000 0000 0021'],
    [101, 'neither version', '50'],
    [113, 'a protocol that is no EtherType', `0000 0001 0006 ${'00'.repeat(8)} 0003`],
    [105, 'a beacon', dataFrame('8000')],
    [105, 'an encrypted frame', `${dataFrame('0841')} ${snap} 0800`],
    [105, 'an empty frame', `${dataFrame('4801')} ${snap} 0800`],
    [127, 'less than its header', '0000'],
    [239, 'no packet', '02 00 0000 0400 0300'],
    [276, 'a protocol that is no EtherType', `0003 ${'00'.repeat(18)}`],
  ])('%i with %s gives a packet that is not IP', async (linkType, _what, header) => {
    const [packet, ...rest] = await packetsIn(linkType, wrapped(header, IPV4));
    expect(rest).toEqual([]);
    expect(packet).toMatch(/^(ffff|0000)/);
  });

  it('147 alone in its file is refused by name, with a way out', async () => {
    await expect(packetsIn(147, IPV4)).rejects.toThrow(
      'offset 0: link type 147 (private use): the tracker cannot read its packets: capture on an interface of Ethernet or IP',
    );
    await expect(packetsIn(195, IPV4)).rejects.toThrow('link type 195 (IEEE 802.15.4)');
    await expect(packetsIn(4000, IPV4)).rejects.toThrow(CaptureError);
  });
});
