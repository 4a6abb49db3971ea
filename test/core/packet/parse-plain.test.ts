/** The fast path for plain packets returns the same as the parser for any packet. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PacketBatch } from '../../../src/core/packet/batch.ts';
import { META_IPV6, PARSED_WORDS, ParsedKind, ParsedWord } from '../../../src/core/packet/key.ts';
import { PacketWord } from '../../../src/core/packet/layout.ts';
import { parseAny, parsePacket } from '../../../src/core/packet/parse.ts';
import { tcp, udp } from '../../support/frames.ts';
import { scenarioFrames } from '../../support/fixtures.ts';
import { repaired } from '../../support/repair.ts';

const SEED = 20260601;
/** All combinations of the four ChecksumBit flags. */
const CHECKSUM_COMBINATIONS = 16;
/** The content of the results beforehand. parseAny writes L3, the fast path does not. */
const UNTOUCHED = 0x5a5a5a5a;

const ENDS = { src: '10.1.2.3', dst: '192.168.7.9', sport: 40_001, dport: 443 };

interface Outcome {
  kind: number;
  checksums: number;
  /** L4, L4_BYTES, RELATED, META, ports, addresses; nothing if the packet has no key. */
  key: number[];
}

const batch = PacketBatch.allocate(1 << 18);
const parsed = new Int32Array(PARSED_WORDS);

function parseBy(parse: typeof parsePacket, frame: Uint8Array, checksums: number, zone: number): Outcome {
  batch.clear();
  batch.add(frame, { checksums });
  const slot = batch.slots[0]!;
  parsed.fill(UNTOUCHED);
  const kind = parse(batch.words, slot, parsed, 0, zone);
  const outcome: Outcome = { kind, checksums: batch.words[slot + PacketWord.CHECKSUMS]!, key: [] };
  if (kind === ParsedKind.KEYED) {
    const isIpv6 = (parsed[ParsedWord.META]! & META_IPV6) !== 0;
    outcome.key = [ParsedWord.L4, ParsedWord.L4_BYTES, ParsedWord.RELATED, ParsedWord.META, ParsedWord.PORTS].map(
      (word) => parsed[word]!,
    );
    outcome.key.push(...(isIpv6 ? parsed.subarray(12, 20) : parsed.subarray(10, 12)));
  }
  return outcome;
}

const parseSlowly: typeof parsePacket = (words, slot, results, at, zone) => {
  results[at + ParsedWord.FRAGMENT_BITS] = 0;
  if (parseAny(words, slot, results, at, zone, true)) {
    return ParsedKind.KEYED;
  }
  return results[at + ParsedWord.FRAGMENT_BITS] === 0 ? ParsedKind.INVALID : ParsedKind.FRAGMENT;
};

const tally = { plainKeyed: 0, plainInvalid: 0, other: 0 };

/** The test fails unless both parsers agree on the frame, for all checksum flags. */
function expectAgreement(frame: Uint8Array, zone: number): void {
  for (let checksums = 0; checksums < CHECKSUM_COMBINATIONS; checksums++) {
    const fast = parseBy(parsePacket, frame, checksums, zone);
    const isPlain = fast.kind === ParsedKind.KEYED ? parsed[ParsedWord.L3] === UNTOUCHED : isPlainInvalid();
    tally[isPlain ? (fast.kind === ParsedKind.KEYED ? 'plainKeyed' : 'plainInvalid') : 'other']++;
    expect({ checksumsKnown: checksums, ...fast }).toEqual({
      checksumsKnown: checksums,
      ...parseBy(parseSlowly, frame, checksums, zone),
    });
  }
}

/** The fast path writes the key before it checks whether a port is 0. */
function isPlainInvalid(): boolean {
  return parsed[ParsedWord.L3] === UNTOUCHED && parsed[ParsedWord.META] !== UNTOUCHED;
}

/** Mostly plain packets: UDP or TCP with a few changes, often with corrected lengths and checksums. */
const almostPlainFrame = fc
  .record({
    isTcp: fc.boolean(),
    port: fc.constantFrom(0, 1, 0xff00, 443, 0xffff),
    otherPort: fc.constantFrom(0, 53, 0xffff),
    data: fc.uint8Array({ maxLength: 40 }),
    flags: fc.constantFrom('S', 'SA', 'A', 'FA', 'R'),
    hasUdpChecksum: fc.boolean(),
    /* Offsets from the Ethernet header to a few bytes behind the transport header. */
    changes: fc.array(fc.tuple(fc.integer({ min: 10, max: 60 }), fc.integer({ min: 0, max: 255 })), { maxLength: 2 }),
    isRepaired: fc.boolean(),
    padding: fc.constantFrom(0, 0, 1, 2, 3, 18),
    cut: fc.constantFrom(0, 0, 0, 1, 4, 20, 40),
    zone: fc.integer({ min: 0, max: 65_535 }),
  })
  .map((plan) => {
    const ends = { ...ENDS, sport: plan.port, dport: plan.otherPort };
    const data = Buffer.from(plan.data);
    let frame = plan.isTcp ? tcp(ends, { flags: plan.flags as 'S', seq: 7, data }) : udp(ends, data);
    if (!plan.isTcp && !plan.hasUdpChecksum) {
      frame.writeUInt16BE(0, 40);
    }
    for (const [offset, byte] of plan.changes) {
      if (offset < frame.length) {
        frame[offset] = byte;
      }
    }
    frame = frame.subarray(0, frame.length - plan.cut);
    if (plan.isRepaired) {
      frame = repaired(frame);
    }
    return { frame: Buffer.concat([frame, Buffer.alloc(plan.padding, 0xee)]), zone: plan.zone };
  });

const frames = scenarioFrames();

describe('parsing a plain packet in a straight run', () => {
  it('agrees with parsing any packet on thousands of almost plain ones', () => {
    fc.assert(
      fc.property(almostPlainFrame, ({ frame, zone }) => expectAgreement(frame, zone)),
      { seed: SEED, numRuns: 4000 },
    );
    /* Otherwise the test would compare one function with itself. */
    expect(tally.plainKeyed).toBeGreaterThan(2000);
    expect(tally.plainInvalid).toBeGreaterThan(1000);
    expect(tally.other).toBeGreaterThan(2000);
  });

  it('agrees with parsing any packet on every recorded frame', () => {
    for (const frame of frames) {
      expectAgreement(frame, 17);
    }
  });

  it('agrees with parsing any packet on recorded frames with a few bytes changed', () => {
    const mutated = fc.record({
      frame: fc.constantFrom(...frames),
      changes: fc.array(fc.tuple(fc.nat(1500), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 4 }),
      isRepaired: fc.boolean(),
    });
    fc.assert(
      fc.property(mutated, ({ frame, changes, isRepaired }) => {
        const changed = Buffer.from(frame);
        for (const [offset, byte] of changes) {
          changed[offset % frame.length] = byte;
        }
        expectAgreement(isRepaired ? repaired(changed) : changed, 1);
      }),
      { seed: SEED, numRuns: 2000 },
    );
  });

  it.each([
    ['as much padding as can be expressed', 65_535],
    ['one byte more', 65_536],
    ['exactly 65,535 bytes behind the Ethernet header', 65_535 - 32],
    ['65,536 bytes behind the Ethernet header', 65_536 - 32],
  ])('agrees with parsing any packet on a frame with %s', (_what, padding) => {
    const frame = udp(ENDS, Buffer.alloc(4));
    expectAgreement(Buffer.concat([frame, Buffer.alloc(padding)]), 0);
  });
});
