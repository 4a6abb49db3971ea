/** Addresses as text in byte buffers, compared with Node's own parser and printer. */

import fc from 'fast-check';
import { isIPv4, isIPv6, SocketAddress } from 'node:net';
import { describe, expect, it } from 'vitest';
import {
  MAX_ADDRESS_TEXT_BYTES,
  readIpv4Text,
  readIpv6Text,
  writeIpv4Text,
  writeIpv6Text,
} from '../../../src/core/alg/address-text.ts';

const DOT = 0x2e;

function bytesOf(text: string): Uint8Array {
  return Buffer.from(text, 'latin1');
}

/** Reads text in the middle of other text, which must not count. */
function read(text: string, around: string, reader: typeof readIpv4Text): Int32Array | undefined {
  const address = new Int32Array(6).fill(-1);
  const from = around.length;
  const isRead = reader(bytesOf(around + text + around), from, from + text.length, address, 1);
  /* Nothing beside the address is written. */
  expect([address[0], address[5]]).toEqual([-1, -1]);
  return isRead ? address.subarray(1, 5) : undefined;
}

function write(address: Int32Array, isIpv6: boolean): string {
  const text = new Uint8Array(2 + MAX_ADDRESS_TEXT_BYTES).fill(0x7a);
  const end = isIpv6 ? writeIpv6Text(text, 1, address, 0, true) : writeIpv4Text(text, 1, address[0]!, DOT);
  expect(text[0]).toBe(0x7a);
  expect(text.subarray(end).every((byte) => byte === 0x7a)).toBe(true);
  return Buffer.from(text.subarray(1, end)).toString('latin1');
}

function nodeText(text: string, family: 'ipv4' | 'ipv6'): string {
  return new SocketAddress({ address: text, family }).address;
}

/** Text around an address in a message, which could extend the address. */
const around = fc.constantFrom('', '1', '0', ':', '::', '.', ',', '|', 'f', ' ');

const octet = fc.oneof(fc.integer({ min: 0, max: 299 }).map(String), fc.constantFrom('00', '01', '010', '', '255'));
const group = fc.oneof(
  { weight: 3, arbitrary: fc.constant('0') },
  { weight: 3, arbitrary: fc.integer({ min: 0, max: 0xffff }).map((value) => value.toString(16)) },
  fc.constantFrom('0000', '00ab', 'FFFF', 'ffff', '12345', '', 'g'),
);
const ipv4Like = fc.array(octet, { minLength: 3, maxLength: 5 }).map((octets) => octets.join('.'));
const ipv6Like = fc
  .tuple(
    fc.array(group, { maxLength: 9 }),
    fc.option(ipv4Like, { freq: 3, nil: undefined }),
    fc.option(fc.nat(8), { nil: undefined }),
  )
  .map(([groups, tail, gap]) => {
    const parts = tail === undefined ? groups : [...groups, tail];
    return gap === undefined ? parts.join(':') : `${parts.slice(0, gap).join(':')}::${parts.slice(gap).join(':')}`;
  });
const anyText = fc
  .array(fc.constantFrom(...'0123456789abcdefABF:::::...g '), { maxLength: 24 })
  .map((letters) => letters.join(''));

/** Addresses with runs of zero groups: these have several spellings. */
const words6 = fc
  .array(fc.oneof(fc.constant(0), fc.constant(0xffff), fc.integer({ min: 0, max: 0xffff })), {
    minLength: 8,
    maxLength: 8,
  })
  .map((groups) => {
    const bytes = Buffer.alloc(16);
    groups.forEach((value, index) => bytes.writeUInt16BE(value, index * 2));
    return bytes;
  });

function wordsOf(bytes: Buffer): Int32Array {
  return Int32Array.from({ length: bytes.length / 4 }, (_, index) => bytes.readInt32LE(index * 4));
}

describe('an IPv4 address', () => {
  it('is read where Node reads one, and is the same', () => {
    fc.assert(
      fc.property(fc.oneof(ipv4Like, anyText, fc.ipV4()), around, (text, between) => {
        const address = read(text, between, readIpv4Text);
        expect(address !== undefined).toBe(isIPv4(text));
        if (address !== undefined) {
          expect(write(address, false)).toBe(nodeText(text, 'ipv4'));
        }
      }),
      { numRuns: 5000 },
    );
  });

  it('is written with the separator asked for', () => {
    const text = new Uint8Array(16);
    const end = writeIpv4Text(text, 0, Buffer.from([10, 0, 200, 99]).readInt32LE(), 0x2c);
    expect(Buffer.from(text.subarray(0, end)).toString()).toBe('10,0,200,99');
  });
});

describe('an IPv6 address', () => {
  it('is read where Node reads one, and is the same', () => {
    fc.assert(
      fc.property(fc.oneof(ipv6Like, ipv6Like, anyText, fc.ipV6()), around, (text, between) => {
        const address = read(text, between, readIpv6Text);
        expect(address !== undefined).toBe(isIPv6(text));
        if (address !== undefined) {
          expect(write(address, true)).toBe(nodeText(text, 'ipv6'));
        }
      }),
      { numRuns: 10_000 },
    );
  });

  it('is written in the form that Node prints, and read back', () => {
    fc.assert(
      fc.property(words6, (bytes) => {
        const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2).toString(16));
        const text = write(wordsOf(bytes), true);
        expect(text).toBe(nodeText(groups.join(':'), 'ipv6'));
        expect(read(text, '', readIpv6Text)).toEqual(wordsOf(bytes));
      }),
      { numRuns: 5000 },
    );
  });

  it.each(['::', '::1', '1::', '::1.2.3.4', '::ffff:1.2.3.4', '1:0:0:2::', '0:0:1::', 'fe80::1:0:0:1'])(
    'as %s comes back as it was',
    (text) => {
      expect(write(read(text, '', readIpv6Text)!, true)).toBe(nodeText(text, 'ipv6'));
    },
  );

  it.each([
    '',
    ':',
    ':::',
    '1:',
    ':1',
    '1:2:3:4:5:6:7:8::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '12345::',
    '1:2:3:4:5:6:7:1.2.3.4',
  ])('is not in %j', (text) => {
    expect(read(text, '', readIpv6Text)).toBeUndefined();
  });
});
