/** The reason beside the verdict: why a packet is `inv`, or why it created no connection. */

import { describe, expect, it } from 'vitest';
import { CtAction, type CtActionOptions } from '../../../src/core/action.ts';
import { Conntrack } from '../../../src/core/conntrack.ts';
import { clearPacket, PacketBatch } from '../../../src/core/packet/batch.ts';
import { invalidReason, refusedReason } from '../../../src/core/packet/reason.ts';
import { stateText } from '../../../src/core/inspect/state-names.ts';
import { fragmentsOf, pieceOf } from '../../support/fragments.ts';
import { icmp, icmpError, ipv4, reverse, tcp, udp } from '../../support/frames.ts';
import { tcpFrame } from '../../support/tcp-frames.ts';

const ENDS = { src: '10.0.0.1', dst: '10.0.0.2', sport: 1000, dport: 53 };
const COMMIT = { commit: true };

function table(): Conntrack {
  return new Conntrack({ buckets: 1, maxConnections: 100 });
}

/** The verdict on a packet: its state, and the reason. */
function track(ct: Conntrack, frame: Uint8Array, action: CtActionOptions = COMMIT): [string, string | undefined] {
  const batch = PacketBatch.allocate(1 << 17);
  batch.add(frame);
  ct.execute(batch, new CtAction(action), 0);
  const [invalid, refused] = [batch.invalid(0), batch.refused(0)];
  expect([invalid, refused]).toContain(undefined);
  return [stateText(batch.state(0)), invalid ?? refused];
}

function changed(frame: Buffer, at: number, byte: number): Buffer {
  const copy = Buffer.from(frame);
  copy[at] = byte;
  return copy;
}

/** An IPv6 frame with this next header and payload. */
function ipv6(nextHeader: number, payload: Buffer, payloadBytes = payload.length): Buffer {
  const header = Buffer.alloc(40);
  header[0] = 0x60;
  header.writeUInt16BE(payloadBytes, 4);
  header[6] = nextHeader;
  header[23] = 1;
  header[39] = 2;
  return Buffer.concat([Buffer.from('02000000000202000000000186dd', 'hex'), header, payload]);
}

const UDP = udp(ENDS, Buffer.from('hello'));
const TCP6 = tcpFrame({ src: '2001:db8::1', dst: '2001:db8::2', sport: 1, dport: 2 }, { flags: 'S', seq: 1 });

describe('a packet without a key is invalid for a reason', () => {
  it.each<[reason: string, what: string, frame: Buffer]>([
    ['checksum', 'a wrong UDP checksum', changed(UDP, UDP.length - 1, 0)],
    ['checksum', 'a wrong IPv4 header checksum', changed(UDP, 22, 1)],
    ['checksum', 'a wrong ICMP checksum', changed(icmp(ENDS, 8, Buffer.from('00010001', 'hex')), 36, 9)],
    ['checksum', 'a wrong TCP checksum over IPv6', changed(TCP6, TCP6.length - 1, 9)],
    ['truncated', 'no Ethernet header', Buffer.alloc(5)],
    ['truncated', 'a tag and nothing behind it', Buffer.from('0200000000020200000000018100', 'hex')],
    ['truncated', 'half an IPv4 header', UDP.subarray(0, 24)],
    ['truncated', 'less than the IPv4 length', UDP.subarray(0, UDP.length - 1)],
    ['truncated', 'half an IPv6 header', TCP6.subarray(0, 40)],
    ['truncated', 'less than the IPv6 length', TCP6.subarray(0, TCP6.length - 1)],
    ['truncated', 'half a TCP header', ipv4(ENDS, 6, Buffer.alloc(12, 1))],
    ['truncated', 'less than the UDP length', ipv4(ENDS, 17, Buffer.from('0001000200ff0000', 'hex'))],
    [
      'truncated',
      'less than the TCP header',
      ipv4(ENDS, 6, Buffer.from(`${'00010002'.repeat(3)}f0020000${'0'.repeat(8)}`, 'hex')),
    ],
    ['malformed', 'an IPv4 header of 16 bytes', changed(UDP, 14, 0x44)],
    ['malformed', 'a UDP length below its header', ipv4(ENDS, 17, Buffer.from('0001000200070000', 'hex'))],
    ['malformed', 'an IPv6 extension header without end', ipv6(0, Buffer.from('11ff000000000000', 'hex'))],
    ['not IP', 'ARP', Buffer.from(`ffffffffffff0200000000010806${'00'.repeat(28)}`, 'hex')],
    ['not IP', 'IEEE 802.3 without SNAP', Buffer.from(`ffffffffffff0200000000010010${'42'.repeat(16)}`, 'hex')],
    ['port zero', 'source port 0', udp({ ...ENDS, sport: 0 })],
    ['port zero', 'destination port 0', tcp({ ...ENDS, dport: 0 }, { flags: 'S', seq: 1 })],
    ['ICMP', 'a type that is not tracked', icmp(ENDS, 9, Buffer.alloc(8))],
    ['ICMP', 'an error that quotes nothing', icmp(ENDS, 3, Buffer.alloc(4))],
    ['fragment', 'a fragment below the minimum', pieceOf(UDP, 1, { offset: 0, bytes: 8, more: true })],
  ])('%s: %s', (reason, _what, frame) => {
    expect(track(table(), frame)).toEqual(['inv|trk', reason]);
  });

  it('fragment: a later fragment while reassembly is off', () => {
    const ct = table();
    ct.fragments.setEnabled('v4', false);
    const [, later] = fragmentsOf(udp(ENDS, Buffer.alloc(1000)), 1, 504);
    expect(track(ct, later!)).toEqual(['inv|trk', 'fragment']);
  });
});

describe('a packet with a key is invalid for a reason', () => {
  it.each<[reason: string, what: string, frame: Buffer]>([
    ['no connection', 'a SYN|ACK', tcp(ENDS, { flags: 'SA', seq: 1, ack: 1 })],
    ['no connection', 'an echo reply', icmp(ENDS, 0, Buffer.from('00010001', 'hex'))],
    ['no connection', 'an error about a packet that nobody has seen', icmpError('10.0.0.9', UDP)],
    ['TCP flags', 'a FIN without ACK', tcpFrame(ENDS, { flags: 'F', seq: 1 })],
  ])('%s: %s', (reason, _what, frame) => {
    expect(track(table(), frame)).toEqual(['inv|trk', reason]);
  });

  it('TCP window, TCP flags: a segment that its connection refuses', () => {
    const ct = table();
    track(ct, tcp(ENDS, { flags: 'S', seq: 100 }));
    track(ct, tcp(reverse(ENDS), { flags: 'SA', seq: 900, ack: 101 }));
    expect(track(ct, tcp(ENDS, { flags: 'A', seq: 101, ack: 901 }))).toEqual(['est|trk', undefined]);
    expect(track(ct, tcp(ENDS, { flags: 'PA', seq: 0x70000000, ack: 901, data: Buffer.from('far') }))).toEqual([
      'inv|trk',
      'TCP window',
    ]);
    expect(track(ct, tcpFrame(ENDS, { flags: 'SF', seq: 101 }))).toEqual(['inv|trk', 'TCP flags']);
    expect(track(ct, tcp(ENDS, { flags: 'A', seq: 101, ack: 901 }))).toEqual(['est|trk', undefined]);
  });

  it('the same where the action translates', () => {
    const ct = table();
    const nat = { commit: true, nat: { action: ['src'], minAddr: '192.0.2.1' } };
    expect(track(ct, tcp(ENDS, { flags: 'S', seq: 100 }), nat)).toEqual(['new|trk|snat', undefined]);
    const outside = { ...ENDS, src: '192.0.2.1' };
    track(ct, tcp(reverse(outside), { flags: 'SA', seq: 900, ack: 101 }), nat);
    expect(track(ct, tcpFrame(ENDS, { flags: 'SF', seq: 101 }), nat)[1]).toBe('TCP flags');
  });
});

describe('a packet that opens no connection is refused for a reason', () => {
  it('table full', () => {
    const ct = table();
    ct.maxConnections = 0;
    expect(track(ct, UDP)).toEqual(['new|trk', 'table full']);
    ct.maxConnections = 1;
    expect(track(ct, UDP)).toEqual(['new|trk', undefined]);
  });

  it('zone limit', () => {
    const ct = table();
    ct.setZoneLimit(5, 0);
    expect(track(ct, UDP, { zone: 5, commit: true })).toEqual(['new|trk', 'zone limit']);
    expect(track(ct, UDP, { zone: 6, commit: true })).toEqual(['new|trk', undefined]);
  });

  it('NAT exhausted', () => {
    const ct = table();
    const action = { commit: true, nat: { action: ['src'], minAddr: '192.0.2.1', minPort: 5000 } };
    expect(track(ct, UDP, action)).toEqual(['new|trk|snat', undefined]);
    expect(track(ct, udp({ ...ENDS, sport: 1001 }), action)).toEqual(['new|trk', 'NAT exhausted']);
  });

  it('nothing, if the pass does not commit', () => {
    const ct = table();
    ct.maxConnections = 0;
    expect(track(ct, UDP, {})).toEqual(['new|trk', undefined]);
  });
});

describe('the reason is that of the last pass', () => {
  it('goes when the packet is sent through again and taken, or cleared', () => {
    const ct = table();
    const batch = PacketBatch.allocate();
    const action = new CtAction({ commit: true, nat: { action: ['src'] } });
    ct.maxConnections = 0;
    batch.add(UDP);
    batch.add(udp({ ...ENDS, sport: 2000 }));
    ct.execute(batch, action, 0);
    expect([batch.refused(0), batch.refused(1)]).toEqual(['table full', 'table full']);
    clearPacket(batch.words, batch.slots[1]!);
    expect(batch.refused(1)).toBeUndefined();
    ct.maxConnections = 100;
    ct.execute(batch, action, 0);
    expect([batch.refused(0), batch.refused(1)]).toEqual([undefined, undefined]);
    expect(refusedReason(batch.words, batch.slots[0]!)).toBeUndefined();
    expect(invalidReason(batch.words, batch.slots[0]!)).toBeUndefined();
  });

  it('comes to each fragment of a datagram', () => {
    const ct = table();
    ct.maxConnections = 0;
    const batch = PacketBatch.allocate(1 << 17);
    fragmentsOf(udp(ENDS, Buffer.alloc(2000)), 1, 1208).forEach((frame) => batch.add(frame));
    ct.execute(batch, new CtAction(COMMIT), 0);
    expect(Array.from({ length: batch.count }, (_, index) => batch.refused(index))).toEqual([
      'table full',
      'table full',
    ]);
  });
});
