/** The tracker's counters: each packet in one verdict, each refusal by its reason. */

import { beforeEach, expect, it } from 'vitest';
import { Conntrack } from '../../src/core/conntrack.ts';
import { icmp, icmpError, reverse, tcp, udp } from '../support/frames.ts';
import { send } from '../support/tracking.ts';

const ENDS = { src: '10.1.1.1', dst: '10.1.1.2', sport: 1000, dport: 53 };
let ct: Conntrack;

beforeEach(() => {
  ct = new Conntrack({ buckets: 1, maxParticipants: 3 });
});

/** A copy with one byte inverted. */
function damaged(frame: Buffer, at: number): Buffer {
  const copy = Buffer.from(frame);
  copy[at]! ^= 0x55;
  return copy;
}

it('a packet that finds its connection is counted as found, whatever its verdict', () => {
  send(ct, udp(ENDS), 0, {});
  expect(ct.counters()).toMatchObject({ found: 0, created: 0, unconnected: 1, new: 1 });
  send(ct, udp(ENDS), 0);
  expect(ct.counters()).toMatchObject({ found: 0, created: 1, unconnected: 1, new: 2 });
  send(ct, udp(ENDS), 0);
  expect(ct.counters()).toMatchObject({ found: 1, new: 3 });
  send(ct, udp(reverse(ENDS)), 0);
  expect(ct.counters()).toMatchObject({ found: 2, established: 1 });
  send(ct, icmpError('10.9.9.9', udp(ENDS)), 0);
  expect(ct.counters()).toMatchObject({ found: 3, related: 1 });
  /* An ICMP error about an unknown connection. */
  send(ct, icmpError('10.9.9.9', udp({ ...ENDS, sport: 9 })), 0);
  expect(ct.counters()).toMatchObject({ found: 3, invalid: 1, unconnected: 2 });
});

it('a packet that its connection rejects is counted as found and invalid', () => {
  send(ct, tcp(ENDS, { flags: 'S', seq: 100 }), 0);
  send(ct, tcp(reverse(ENDS), { flags: 'SA', seq: 500, ack: 101 }), 0);
  send(ct, tcp(ENDS, { flags: 'A', seq: 101, ack: 501 }), 0);
  expect(send(ct, tcp(ENDS, { flags: 'A', seq: 0x7000_0000, ack: 501, data: Buffer.alloc(4) }), 0)).toBe('inv|trk');
  expect(ct.counters()).toMatchObject({ found: 3, created: 1, invalid: 1, unconnected: 0, checksumErrors: 0 });
});

it('packets refused at a limit are counted by reason and not as found', () => {
  ct.setZoneLimit(1, 0);
  send(ct, udp(ENDS), 0, { commit: true, zone: 1 });
  ct.maxConnections = 0;
  send(ct, udp(ENDS), 0);
  expect(ct.counters()).toMatchObject({ zoneFull: 1, tableFull: 1, found: 0, created: 0, unconnected: 2 });
});

it('checksum errors are counted for every protocol, other damage is not', () => {
  const frames = [
    udp(ENDS, Buffer.from('data')),
    tcp(ENDS, { flags: 'S', seq: 1 }),
    icmp(ENDS, 8, Buffer.from([0, 1, 0, 1])),
  ];
  for (const [i, frame] of frames.entries()) {
    expect(send(ct, damaged(frame, frame.length - 1), 0)).toBe('inv|trk');
    expect(ct.counters().checksumErrors).toBe(2 * i + 1);
    /* The time to live, under the IP checksum. */
    expect(send(ct, damaged(frame, 22), 0)).toBe('inv|trk');
    expect(ct.counters().checksumErrors).toBe(2 * i + 2);
  }
  /* Cut off, port 0, and a type of ICMP that belongs to nothing: invalid, but nothing is wrong with a sum. */
  send(ct, frames[0]!.subarray(0, 30), 0);
  send(ct, udp({ ...ENDS, sport: 0 }), 0);
  send(ct, icmp(ENDS, 40, Buffer.alloc(4)), 0);
  expect(ct.counters()).toMatchObject({ invalid: 9, checksumErrors: 6, unconnected: 9, found: 0 });
});

it('removals are counted by the finder: lookup or sweep', () => {
  send(ct, udp(ENDS), 0);
  send(ct, udp(ENDS), 60_000);
  ct.sweep(200_000);
  expect(ct.counters()).toMatchObject({ created: 2, expiredAtLookup: 1, expiredAtSweep: 1 });
});

it('each thread has its own counters, and they add up', () => {
  const other = Conntrack.attach(ct.memory);
  send(ct, udp(ENDS), 0);
  send(other, udp(ENDS), 0);
  send(other, udp(reverse(ENDS)), 0);
  const [mine, others, ...more] = ct.participantCounters();
  expect(more).toEqual([]);
  expect(mine).toMatchObject({ participant: 0, isTaken: true, counters: { packets: 1, created: 1, found: 0 } });
  expect(others).toMatchObject({ participant: 1, isTaken: true, counters: { packets: 2, created: 0, found: 2 } });
  other.close();
  expect(ct.participantCounters()[1]).toMatchObject({ isTaken: false, counters: { packets: 2 } });
  expect(ct.counters()).toMatchObject({ packets: 3, created: 1, found: 2 });
});
