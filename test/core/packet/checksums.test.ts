/** Checksums: which packets pass, at the lengths and values at which sums easily go wrong. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CtAction } from '../../../src/core/action.ts';
import { Conntrack } from '../../../src/core/conntrack.ts';
import { PacketBatch } from '../../../src/core/packet/batch.ts';
import { isSumRight, sctpChecksum, sumWords } from '../../../src/core/packet/checksum.ts';
import { ChecksumBit, PacketWord } from '../../../src/core/packet/layout.ts';
import { stateText } from '../../../src/core/inspect/state-names.ts';
import { allocateWords } from '../../../src/shared/access.ts';
import { icmp, ipv4, tcp, udp } from '../../support/frames.ts';
import { scenarioFrames } from '../../support/fixtures.ts';
import { crc32c, onesComplementSum, repaired } from '../../support/repair.ts';

const SEED = 20260603;
const ENDS = { src: '10.0.0.1', dst: '10.0.0.2', sport: 1025, dport: 2049 };
const MAX_IP_BYTES = 65_535;
const IP_AT = 14;
const L4_AT = IP_AT + 20;

const ct = new Conntrack({ buckets: 1, maxConnections: 100 });
const batch = PacketBatch.allocate(1 << 17);
const look = new CtAction();

/** The state of a packet without a known connection, and the checksum verdicts afterwards. */
function judged(frame: Uint8Array, checksums = 0): { state: string; checksums: number } {
  batch.clear();
  batch.add(frame, { checksums });
  ct.execute(batch, look, 0);
  return { state: stateText(batch.state(0)), checksums: batch.words[batch.slots[0]! + PacketWord.CHECKSUMS]! };
}

function stateOf(frame: Uint8Array): string {
  return judged(frame).state;
}

function withBitFlipped(frame: Buffer, byte: number): Buffer {
  const flipped = Buffer.from(frame);
  flipped[byte]! ^= 0x10;
  return flipped;
}

function sctp(body: Buffer): Buffer {
  return repaired(ipv4(ENDS, 132, Buffer.concat([Buffer.from('0401080100000001', 'hex'), Buffer.alloc(4), body])));
}

/** An IPv6 packet. */
function ipv6(nextHeader: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(54);
  header.writeUInt16BE(0x86dd, 12);
  header[14] = 0x60;
  header[20] = nextHeader;
  header[37] = 1;
  header[53] = 2;
  return repaired(Buffer.concat([header, payload]));
}

const PORTS = Buffer.from('04010801', 'hex');

describe('a sum of words', () => {
  const words = allocateWords(1 << 15);
  const bytes = new Uint8Array(words.buffer);

  it('is that of RFC 1071 for any bytes, at every length and whatever follows', () => {
    const cases = fc.record({
      data: fc.uint8Array({ maxLength: 300 }),
      word: fc.nat(20),
      behind: fc.integer({ min: 0, max: 255 }),
    });
    fc.assert(
      fc.property(cases, ({ data, word, behind }) => {
        bytes.fill(behind);
        bytes.set(data, word * 4);
        const sum = sumWords(words, word, data.length, 0);
        const inMemoryOrder = ((sum & 0xff) << 8) | (sum >>> 8);
        expect(inMemoryOrder).toBe(onesComplementSum(data));
      }),
      { seed: SEED, numRuns: 1000 },
    );
  });

  it.each([
    ['all ones', 0xff],
    ['zeros', 0],
    ['0xfe', 0xfe],
  ])('does not overflow over 65,535 bytes of %s', (_what, value) => {
    for (const length of [MAX_IP_BYTES, MAX_IP_BYTES - 1, MAX_IP_BYTES - 2, MAX_IP_BYTES - 3, 32_768, 32_772]) {
      bytes.fill(value);
      const sum = sumWords(words, 0, length, 0xffff);
      const expected = onesComplementSum(Buffer.concat([Buffer.from([0xff, 0xff]), Buffer.alloc(length, value)]));
      expect({ length, sum: ((sum & 0xff) << 8) | (sum >>> 8) }).toEqual({ length, sum: expected });
      expect(isSumRight(words, 0, length)).toBe(onesComplementSum(Buffer.alloc(length, value)) === 0xffff);
    }
  });
});

describe('a packet of odd length', () => {
  it('is let through with the right checksum and refused with one bit of its last bytes flipped', () => {
    for (let length = 0; length <= 33; length++) {
      const data = Buffer.from(Array.from({ length }, (_, i) => 0x81 + i));
      for (const frame of [
        udp(ENDS, data),
        tcp(ENDS, { flags: 'S', seq: 1, data }),
        icmp(ENDS, 8, Buffer.concat([Buffer.from('00070001', 'hex'), data])),
        ipv6(17, Buffer.concat([PORTS, Buffer.alloc(4), data])),
        ipv6(58, Buffer.concat([Buffer.from('8000000000070001', 'hex'), data])),
      ]) {
        expect({ length, state: stateOf(frame) }).toEqual({ length, state: 'new|trk' });
        const last = { length, state: stateOf(withBitFlipped(frame, frame.length - 1)) };
        expect(last).toEqual({ length, state: 'inv|trk' });
      }
    }
  });

  it('is judged by its own bytes, not by the padding behind it', () => {
    for (let length = 0; length <= 4; length++) {
      const frame = udp(ENDS, Buffer.alloc(length, 0x55));
      expect(stateOf(Buffer.concat([frame, Buffer.alloc(9, 0xff)]))).toBe('new|trk');
    }
  });
});

/** Two bytes of data that turn a frame's checksum into 0 (which is sent as 0xffff by UDP). */
function withZeroChecksum(make: (data: Buffer) => Buffer, checksumAt: number): Buffer {
  const checksum = make(Buffer.alloc(2)).readUInt16BE(checksumAt);
  const data = Buffer.alloc(2);
  data.writeUInt16BE(checksum);
  return make(data);
}

describe('a checksum that comes out as 0', () => {
  it('is 0xffff in UDP and right', () => {
    const frame = withZeroChecksum((data) => udp(ENDS, data), L4_AT + 6);
    expect(frame.readUInt16BE(L4_AT + 6)).toBe(0xffff);
    expect(judged(frame)).toEqual({ state: 'new|trk', checksums: ChecksumBit.IP_GOOD | ChecksumBit.L4_GOOD });
  });

  it('says in UDP over IPv4 that there is none when it stands there as 0', () => {
    const frame = udp(ENDS, Buffer.from('ab'));
    frame.writeUInt16BE(0, L4_AT + 6);
    expect(judged(frame)).toEqual({ state: 'new|trk', checksums: ChecksumBit.IP_GOOD });
  });

  it('is not allowed to be left out in UDP over IPv6', () => {
    const frame = ipv6(17, Buffer.concat([PORTS, Buffer.alloc(4), Buffer.from('ab')]));
    frame.writeUInt16BE(0, 54 + 6);
    expect(judged(frame)).toEqual({ state: 'inv|trk', checksums: ChecksumBit.L4_BAD });
  });

  it('is right in TCP as 0 and as 0xffff', () => {
    const frame = withZeroChecksum((data) => tcp(ENDS, { flags: 'S', seq: 1, data }), L4_AT + 16);
    expect(frame.readUInt16BE(L4_AT + 16)).toBe(0);
    expect(stateOf(frame)).toBe('new|trk');
    frame.writeUInt16BE(0xffff, L4_AT + 16);
    expect(stateOf(frame)).toBe('new|trk');
    frame.writeUInt16BE(0xfffe, L4_AT + 16);
    expect(stateOf(frame)).toBe('inv|trk');
  });

  it('is right in an IPv4 header as 0 and as 0xffff', () => {
    const frame = udp(ENDS);
    /* The identification absorbs the checksum's old value. */
    frame.writeUInt16BE(frame.readUInt16BE(IP_AT + 10), IP_AT + 4);
    frame.writeUInt16BE(0, IP_AT + 10);
    expect(stateOf(frame)).toBe('new|trk');
    frame.writeUInt16BE(0xffff, IP_AT + 10);
    expect(stateOf(frame)).toBe('new|trk');
    frame.writeUInt16BE(1, IP_AT + 10);
    expect(judged(frame)).toEqual({ state: 'inv|trk', checksums: ChecksumBit.IP_BAD });
  });
});

describe('an IPv4 header with options', () => {
  it('is summed with all of its options', () => {
    for (let words = 1; words <= 10; words++) {
      const plain = udp(ENDS, Buffer.from('data'));
      const frame = Buffer.concat([plain.subarray(0, L4_AT), Buffer.alloc(words * 4, 1), plain.subarray(L4_AT)]);
      frame[IP_AT] = 0x45 + words;
      const right = repaired(frame);
      expect(stateOf(right)).toBe('new|trk');
      expect(stateOf(withBitFlipped(right, L4_AT + words * 4 - 1))).toBe('inv|trk');
    }
  });
});

describe('a packet of 65,535 bytes', () => {
  const data = Buffer.alloc(MAX_IP_BYTES - 20 - 8, 0xff);
  const packets: [string, Buffer][] = [
    ['UDP', udp(ENDS, data)],
    ['TCP', tcp(ENDS, { flags: 'S', seq: 1, data: data.subarray(12) })],
    ['ICMP', icmp(ENDS, 8, Buffer.concat([Buffer.from('00070001', 'hex'), data]))],
    ['IPv6 UDP', ipv6(17, Buffer.concat([PORTS, Buffer.alloc(MAX_IP_BYTES - 4, 0xff)]))],
    ['IPv6 ICMPv6', ipv6(58, Buffer.concat([Buffer.from('8000000000070001', 'hex'), Buffer.alloc(MAX_IP_BYTES - 8)]))],
    /* Chunks fill a packet in steps of four bytes: 65,532 is the longest. */
    ['SCTP', sctp(Buffer.concat([Buffer.from('0000ffdc', 'hex'), Buffer.alloc(0xffdc - 4)]))],
  ];

  it.each(packets)('of %s is let through, and refused with one bit flipped at its end', (name, frame) => {
    expect(frame.length).toBe(14 + (name.startsWith('IPv6') ? 40 : 0) + MAX_IP_BYTES - (name === 'SCTP' ? 3 : 0));
    expect(stateOf(frame)).toBe('new|trk');
    expect(stateOf(withBitFlipped(frame, frame.length - 1))).toBe('inv|trk');
    expect(stateOf(withBitFlipped(frame, 40_000))).toBe('inv|trk');
  });
});

describe('the CRC32c of SCTP', () => {
  const words = allocateWords(64);
  const bytes = Buffer.from(words.buffer);

  it('is that of RFC 3720 for 32 zeros', () => {
    words.fill(0);
    expect(sctpChecksum(words, 0, 32) >>> 0).toBe(0x8a9136aa);
    expect(crc32c(Buffer.alloc(32))).toBe(0x8a9136aa);
  });

  it('takes its own field as zero and is right at odd lengths', () => {
    for (let length = 12; length <= 40; length++) {
      bytes.set(
        Array.from({ length: 64 }, (_, i) => i * 7 + length),
        8,
      );
      const expected = Buffer.from(bytes.subarray(8, 8 + length));
      expected.fill(0, 8, 12);
      expect({ length, crc: sctpChecksum(words, 2, length) >>> 0 }).toEqual({ length, crc: crc32c(expected) });
    }
    /* The check value of the Rocksoft catalogue, for the reference in this test. */
    expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
  });

  it('is right in an INIT, and every bit of it counts', () => {
    const frame = sctp(Buffer.from('0100001400000001000100000001000100000001', 'hex'));
    expect(judged(frame)).toEqual({ state: 'new|trk', checksums: ChecksumBit.IP_GOOD | ChecksumBit.L4_GOOD });
    for (let bit = 0; bit < 32; bit++) {
      const wrong = Buffer.from(frame);
      wrong[L4_AT + 8 + (bit >>> 3)]! ^= 1 << (bit & 7);
      expect(judged(wrong)).toEqual({ state: 'inv|trk', checksums: ChecksumBit.IP_GOOD | ChecksumBit.L4_BAD });
    }
  });
});

/** RFC 768: a UDP checksum of zero over IPv4 means that there is none. */
function isUdpWithoutChecksum(frame: Buffer): boolean {
  const udpAt = IP_AT + (frame[IP_AT]! & 0xf) * 4;
  return frame[IP_AT + 9] === 17 && frame.length >= udpAt + 8 && frame.readUInt16BE(udpAt + 6) === 0;
}

describe('recorded frames', () => {
  it('that are right keep the checksums that they were recorded with when a test works them out anew', () => {
    /* Checks the helpers of these tests: they agree with the recorded senders. */
    const plain = scenarioFrames().filter(
      (frame) =>
        stateOf(frame) !== 'inv|trk' &&
        frame.readUInt16BE(12) === 0x0800 &&
        frame.readUInt16BE(16) === frame.length - 14 &&
        (frame.readUInt16BE(20) & 0x3fff) === 0 &&
        !isUdpWithoutChecksum(frame),
    );
    const protocols = new Set(plain.map((frame) => frame[IP_AT + 9]));
    expect([1, 6, 17, 132].filter((protocol) => !protocols.has(protocol))).toEqual([]);
    for (const frame of plain) {
      expect(repaired(frame).toString('hex')).toBe(frame.toString('hex'));
    }
  });
});
