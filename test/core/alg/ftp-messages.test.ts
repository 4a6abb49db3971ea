/** FTP control messages: good ones are read correctly, and bad ones do no harm. */

import fc from 'fast-check';
import { SocketAddress } from 'node:net';
import { describe, expect, it } from 'vitest';
import { FtpKind, FtpMessage } from '../../../src/core/alg/ftp.ts';
import { allocateWords } from '../../../src/shared/access.ts';

interface Read {
  kind: number;
  makesSense: boolean;
  port: number;
  addressAt: number;
  addressBytes: number;
  address: number[];
}

const message = new FtpMessage();

/** Reads a payload at byte `start` of a region that is otherwise filled with `around`. */
function read(payload: Uint8Array, isIpv6: boolean, { start = 0, around = 0 } = {}): Read {
  const words = allocateWords(((start + payload.length) >> 2) + 64);
  const bytes = new Uint8Array(words.buffer).fill(around);
  bytes.set(payload, start);
  const before = bytes.slice();
  message.take(words, start, payload.length, isIpv6);
  const { kind } = message;
  const makesSense = kind !== FtpKind.other && message.parse();
  expect(Buffer.compare(bytes, before)).toBe(0);
  if (kind === FtpKind.other) {
    return { kind, makesSense, port: 0, addressAt: 0, addressBytes: 0, address: [] };
  }
  const { port, addressAt, addressBytes } = message;
  const addressWordCount = makesSense && addressBytes > 0 ? (isIpv6 ? 4 : 1) : 0;
  return {
    kind,
    makesSense,
    port,
    addressAt,
    addressBytes,
    address: [...message.address.subarray(0, addressWordCount)],
  };
}

function bytesOf(text: string): Uint8Array {
  return Buffer.from(text, 'latin1');
}

const octets = fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255));
const port = fc.nat(65535);
const groups = fc.array(fc.oneof(fc.constant(0), fc.nat(0xffff)), { minLength: 8, maxLength: 8 });
const lineEnd = fc.constantFrom('\r\n', '\n', '\r\nNOOP\r\n');

function anyCase(text: string): fc.Arbitrary<string> {
  return fc
    .array(fc.boolean(), { minLength: text.length, maxLength: text.length })
    .map((upper) => [...text].map((letter, i) => (upper[i]! ? letter.toUpperCase() : letter.toLowerCase())).join(''));
}

interface Wanted {
  text: string;
  kind: number;
  isIpv6: boolean;
  port: number;
  /** The address as in the message; '' for none. */
  address: string;
}

function wanted(kind: number, isIpv6: boolean, text: string, address: string, wantedPort: number): Wanted {
  return { kind, isIpv6, text, address, port: wantedPort };
}

const portCommand = fc
  .tuple(anyCase('port'), octets, port, lineEnd)
  .map(([word, host, p, end]) =>
    wanted(FtpKind.port, false, `${word} ${host.join(',')},${p >> 8},${p & 255}${end}`, host.join(','), p),
  );
const pasvReply = fc
  .tuple(fc.constantFrom('Entering Passive Mode ', '', 'ok, '), octets, port, lineEnd)
  .map(([words, host, p, end]) =>
    wanted(FtpKind.pasv, false, `227 ${words}(${host.join(',')},${p >> 8},${p & 255}).${end}`, host.join(','), p),
  );
const eprt4 = fc
  .tuple(anyCase('eprt'), octets, port, fc.constantFrom('|', '!'), lineEnd)
  .map(([word, host, p, bar, end]) =>
    wanted(FtpKind.eprt, false, `${word} ${bar}1${bar}${host.join('.')}${bar}${p}${bar}${end}`, host.join('.'), p),
  );
/** Spellings of one address: in full, upper case, as printed, with an IPv4 address at the end. */
function spellings(all: readonly number[]): string[] {
  const full = all.map((group) => group.toString(16).padStart(4, '0')).join(':');
  const tail = all.slice(6).flatMap((group) => [group >> 8, group & 255]);
  const embedded = `${all
    .slice(0, 6)
    .map((group) => group.toString(16))
    .join(':')}:${tail.join('.')}`;
  return [full, full.toUpperCase(), new SocketAddress({ address: full, family: 'ipv6' }).address, embedded];
}
const eprt6 = fc.tuple(anyCase('eprt'), groups, fc.nat(3), port, lineEnd).map(([word, all, spelling, p, end]) => {
  const address = spellings(all)[spelling]!;
  return wanted(FtpKind.eprt, true, `${word} |2|${address}|${p}|${end}`, address, p);
});
const epsv = fc
  .tuple(anyCase('extended passive'), port, fc.boolean(), lineEnd)
  .map(([words, p, isIpv6, end]) => wanted(FtpKind.epsv, isIpv6, `229 Entering ${words} Mode (|||${p}|)${end}`, '', p));
const good = fc.oneof(portCommand, pasvReply, eprt4, eprt6, epsv);

function addressWords(text: string, isIpv6: boolean): number[] {
  if (text === '') {
    return [];
  }
  if (!isIpv6) {
    return [Buffer.from(text.split(/[.,]/).map(Number)).readInt32LE()];
  }
  const [head, tail] = new SocketAddress({ address: text, family: 'ipv6' }).address
    .replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, a, b, c, d) =>
      [Number(a) * 256 + Number(b), Number(c) * 256 + Number(d)].map((group) => group.toString(16)).join(':'),
    )
    .split('::')
    .map((half) => (half === '' ? [] : half.split(':')));
  const gap = Array.from({ length: 8 - head!.length - (tail?.length ?? 0) }, () => '0');
  const bytes = Buffer.alloc(16);
  [...head!, ...gap, ...(tail ?? [])].forEach((group, i) => bytes.writeUInt16BE(Number.parseInt(group, 16), i * 2));
  return [0, 4, 8, 12].map((at) => bytes.readInt32LE(at));
}

/** Bytes that would continue a number, an address or a word. */
const around = fc.constantFrom(...[...'159,.:f|( \r'].map((letter) => letter.charCodeAt(0)), 0, 0xff);

describe('a message that names an endpoint', () => {
  it('is read: kind, port, address, and where the address stands', () => {
    fc.assert(
      fc.property(good, fc.nat(7), around, (expected, start, fill) => {
        const { text, kind, isIpv6, address } = expected;
        const got = read(bytesOf(text), isIpv6, { start, around: fill });
        expect(got).toMatchObject({ kind, makesSense: true, port: expected.port, addressBytes: address.length });
        if (address !== '') {
          expect(text.slice(got.addressAt, got.addressAt + got.addressBytes)).toBe(address);
          expect(got.address).toEqual(addressWords(address, isIpv6));
        }
      }),
      { numRuns: 3000 },
    );
  });

  it('cut anywhere gives the same whatever lies behind it', () => {
    fc.assert(
      fc.property(good, fc.nat(7), around, around, (expected, start, one, other) => {
        for (let bytes = 0; bytes <= expected.text.length; bytes++) {
          const payload = bytesOf(expected.text).subarray(0, bytes);
          const got = read(payload, expected.isIpv6, { start, around: one });
          expect(read(payload, expected.isIpv6, { start: start + 1, around: other })).toEqual(got);
          expect(got.addressAt + got.addressBytes).toBeLessThanOrEqual(bytes);
        }
      }),
      { numRuns: 150 },
    );
  });

  it('is looked for at the start of a segment alone, over IPv6 by its words anywhere', () => {
    expect(read(bytesOf(' PORT 10,0,0,1,4,5\r\n'), false).kind).toBe(FtpKind.other);
    expect(read(bytesOf('229 Extended Passive (|||5|)\r\n'), false).kind).toBe(FtpKind.epsv);
    expect(read(bytesOf('xyz extended passive (|||5|)\r\n'), true)).toMatchObject({ kind: FtpKind.epsv, port: 5 });
    expect(read(bytesOf('PORT 10,0,0,1,4,5\r\n'), true).kind).toBe(FtpKind.other);
  });
});

describe('any payload', () => {
  const letters = fc.constantFrom(...'PORTEV227 9|1(,.:af\r\n\0\t');
  const payload = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc
      .tuple(
        fc.constantFrom('PORT', 'EPRT', '227', '229', 'EPRT |1|', 'EPRT |2|', '229 extended passive (', 'PORT 1,2,3'),
        fc.array(letters, { maxLength: 200 }),
      )
      .map(([start, rest]) => bytesOf(start + rest.join(''))),
    /* A good message with some bytes changed. */
    fc.tuple(good, fc.array(fc.tuple(fc.nat(80), fc.nat(255)), { maxLength: 3 })).map(([{ text }, changes]) => {
      const bytes = bytesOf(text).slice();
      changes.forEach(([at, byte]) => (bytes[at % bytes.length] = byte));
      return bytes;
    }),
  );

  it('is read without throwing, the same whatever lies around it, and nothing found outside', () => {
    fc.assert(
      fc.property(payload, fc.boolean(), around, (bytes, isIpv6, fill) => {
        const got = read(bytes, isIpv6);
        expect(read(bytes, isIpv6, { start: 5, around: fill })).toEqual(got);
        expect(got.addressAt + got.addressBytes).toBeLessThanOrEqual(bytes.length);
        if (got.makesSense) {
          expect(got.port).toBeGreaterThanOrEqual(0);
          expect(got.port).toBeLessThanOrEqual(65535);
        }
      }),
      { numRuns: 5000 },
    );
  });

  it('leaves nothing behind for the next', () => {
    fc.assert(
      fc.property(payload, good, (bytes, { text, isIpv6 }) => {
        const fresh = read(bytesOf(text), isIpv6);
        read(bytes, !isIpv6);
        expect(read(bytesOf(text), isIpv6)).toEqual(fresh);
      }),
    );
  });

  it.each([
    ['PORT 10,0,0,1,4,256\r\n', false],
    ['PORT 10,0,0,1,256,4\r\n', false],
    ['PORT 10,0,0,256,4,4\r\n', false],
    ['PORT 10,0,0,01,4,4\r\n', false],
    ['PORT 10,0,0,1,4\r\n', false],
    ['PORT\t10,0,0,1,4,4\r\n', false],
    ['PORT 10,0,0,1,00012,4\r\n', false],
    ['EPRT |2|10.0.0.1|5|\r\n', false],
    ['EPRT |11|10.0.0.1|5|\r\n', false],
    ['EPRT |1|10.0.0.1|65536|\r\n', false],
    ['EPRT |1|10.0.0.1||\r\n', false],
    ['EPRT |1|2001:db8::1|5|\r\n', true],
    ['EPRT |2|2001:db8::g|5|\r\n', true],
    ['EPRT |2|2001:db8::1|65536|\r\n', true],
    ['EPRT |2', true],
    ['229 extended passive |||5|\r\n', true],
    ['229 (|||65536|)\r\n', false],
    ['227 no blank, no number', false],
  ])('%j makes no sense', (text, isIpv6) => {
    expect(read(bytesOf(text), isIpv6).makesSense).toBe(false);
  });
});
