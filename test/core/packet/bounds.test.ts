/** Any bytes may come in: nothing throws, and nothing outside the frame counts. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CtAction } from '../../../src/core/action.ts';
import { Conntrack } from '../../../src/core/conntrack.ts';
import { PacketBatch } from '../../../src/core/packet/batch.ts';
import { PARSED_WORDS } from '../../../src/core/packet/key.ts';
import { ChecksumBit, packetWords, PacketWord, growablePacketWords } from '../../../src/core/packet/layout.ts';
import { parseAny, parsePacket } from '../../../src/core/packet/parse.ts';
import { stateText } from '../../../src/core/inspect/state-names.ts';
import { allocateWords, type Words } from '../../../src/shared/access.ts';
import { dumpAll } from '../../support/tracking.ts';
import { scenarioFrames } from '../../support/fixtures.ts';
import { tcp } from '../../support/frames.ts';
import { repaired } from '../../support/repair.ts';
import { rounds } from '../../support/rounds.ts';

const SEED = 20260602;
const COMMIT = new CtAction({ commit: true });
const KNOWN_GOOD = ChecksumBit.IP_GOOD | ChecksumBit.L4_GOOD;
const LEGAL_STATES = ['new|trk', 'est|trk', 'est|rpl|trk', 'rel|trk', 'rel|rpl|trk', 'inv|trk'];

/** A SYN whose options end where the frame ends. */
function synWithOptions(options: string): Buffer {
  const bytes = Buffer.from(options, 'hex');
  const syn = tcp({ src: '10.0.0.1', dst: '10.0.0.2', sport: 1, dport: 2 }, { flags: 'S', seq: 1, data: bytes });
  syn[46] = (5 + bytes.length / 4) << 4;
  return repaired(syn);
}

const frames = [
  ...scenarioFrames(),
  /* Window scales with nothing and with one byte after the kind; a length that leads out of the header; no length. */
  ...['01010103', '01010303', '01030307', '030307fd', '0104ff03', '01010104'].map(synWithOptions),
];
const maxFrameBytes = Math.max(...frames.map((frame) => frame.length));

/** Memory that ends at the largest size to which a frame of this length may grow. `behind` adds words after it. */
class Memory {
  readonly #batches = new Map<number, PacketBatch>();
  readonly #behind: number;
  readonly #garbage: () => number;

  constructor(behind: number, garbage: () => number) {
    this.#behind = behind;
    this.#garbage = garbage;
  }

  /** A batch with this packet only, and garbage from the frame's end to the memory's. */
  batchWith(frame: Uint8Array, checksums: number): PacketBatch {
    const words = growablePacketWords(frame.length);
    let batch = this.#batches.get(words);
    if (batch === undefined) {
      batch = new PacketBatch(allocateWords(words + this.#behind));
      this.#batches.set(words, batch);
    }
    const bytes = new Uint8Array(batch.words.buffer);
    for (let i = PacketWord.FRAME * 4; i < bytes.length; i++) {
      bytes[i] = this.#garbage();
    }
    batch.clear();
    batch.add(frame, { checksums });
    return batch;
  }
}

let seed = 1;
function randomByte(): number {
  seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) | 0;
  return seed >>> 24;
}

/** The same frame at the very end of its memory, and with different data behind it. */
const memories = [
  new Memory(0, () => 0),
  new Memory(0, () => 0xff),
  new Memory(64, () => 0xff),
  new Memory(64, () => 0),
  new Memory(64, randomByte),
];

const ct = new Conntrack({ buckets: 1, maxConnections: 1000, hashSeed: [1, 2] });
/* A held fragment would change the verdict on the next one. */
ct.fragments.setEnabled('v4', false);
ct.fragments.setEnabled('v6', false);

/** Everything that the tracker writes about a frame on an empty table, and everything that the packet remembers. */
function answerTo(memory: Memory, frame: Uint8Array, checksums: number): string {
  const batch = memory.batchWith(frame, checksums);
  ct.execute(batch, COMMIT, 1000);
  const slot = batch.slots[0]!;
  const verdict = batch.words.slice(slot + PacketWord.CHECKSUMS, slot + PacketWord.CONN);
  const tuple = batch.words.slice(slot + PacketWord.ORIG_PROTOCOL, slot + PacketWord.NOW);
  const entries = dumpAll(ct, 1000);
  ct.flush();
  return JSON.stringify([stateText(batch.state(0)), [...verdict], [...tuple], entries]);
}

function expectOneAnswer(frame: Uint8Array): string {
  let shown = '';
  for (const checksums of [0, KNOWN_GOOD]) {
    const answers = new Set(memories.map((memory) => answerTo(memory, frame, checksums)));
    if (answers.size > 1) {
      expect.fail(`${Buffer.from(frame).toString('hex')}: ${[...answers].join('\nor ')}`);
    }
    shown = [...answers][0]!;
  }
  return shown;
}

/** A region that notes the reads of words behind `end`. */
function watched(words: Words, end: number, readBehind: Set<number>): Words {
  return new Proxy(words, {
    get(target, property) {
      const index = typeof property === 'string' ? Number(property) : Number.NaN;
      if (index >= end) {
        readBehind.add(index - end);
      }
      return Reflect.get(target, property, target) as unknown;
    },
    set(target, property, value) {
      return Reflect.set(target, property, value, target);
    },
  });
}

const parsed = new Int32Array(PARSED_WORDS);
type Parse = (words: Words, slot: number, parsed: Int32Array, at: number, zone: number) => unknown;

/** The number of words that a parser reads behind the frame's last word. */
function wordsReadBehind(parse: Parse, frame: Uint8Array, checksums: number): number {
  const words = allocateWords(packetWords(frame.length) + 64);
  new PacketBatch(words).add(frame, { checksums });
  const readBehind = new Set<number>();
  parse(watched(words, packetWords(frame.length), readBehind), 0, parsed, 0, 1);
  return readBehind.size;
}

/** The test fails if the parser reads outside some frame, recorded or truncated. */
function expectNothingReadBehind(parse: Parse): void {
  for (const frame of frames.filter((_, index) => index % rounds(16, 4) === 0)) {
    for (const cut of truncations(frame)) {
      for (const each of [cut, repaired(cut)]) {
        const bytes = each.length;
        expect({ bytes, outside: wordsReadBehind(parse, each, 0) }).toEqual({ bytes, outside: 0 });
        expect({ bytes, outside: wordsReadBehind(parse, each, KNOWN_GOOD) }).toEqual({ bytes, outside: 0 });
      }
    }
  }
}

function truncations(frame: Buffer): Buffer[] {
  return Array.from({ length: frame.length + 1 }, (_, bytes) => frame.subarray(0, bytes));
}

describe('a frame cut short', () => {
  /* Recorded frames resemble one another, so every third one is enough, and of some of these the most part. */
  const someFrames = frames.filter((_, index) => index % rounds(12, 3) === 0 || index >= frames.length - 6);

  it('gets one verdict at each length, whatever lies behind it', () => {
    for (const frame of someFrames) {
      for (const cut of truncations(frame)) {
        expectOneAnswer(cut);
      }
    }
  });

  it('gets one verdict at each length also with the lengths and checksums of the rest', () => {
    /* These frames pass the checks of lengths and sums, so that options, quoted packets and chunks are read to the end. */
    const seen = new Set<string>();
    for (const frame of someFrames) {
      for (const cut of truncations(frame)) {
        seen.add(expectOneAnswer(repaired(cut)).slice(2, 9));
      }
    }
    expect([...seen].toSorted()).toEqual(['inv|trk', 'new|trk']);
  });

  it('makes the parser for any frame read nothing behind its last word', () => {
    expectNothingReadBehind(parseAny);
  });

  /*
   * parsePlain reads first and looks at the length afterwards: the word behind the Ethernet header of frames shorter than
   * 16 bytes, and the fourth word of a TCP header that is not there. What it reads there never counts (see the tests
   * above), but parsePacket promises not to read it.
   */
  it('makes the whole parser read nothing behind its last word', () => {
    expectNothingReadBehind(parsePacket);
  });
});

describe('any bytes', () => {
  const busy = new Conntrack({ buckets: 1, maxConnections: 100_000, hashSeed: [1, 2] });
  const batch = PacketBatch.allocate(32 * (maxFrameBytes + 300));
  const actions = [COMMIT, new CtAction(), new CtAction({ commit: true, force: true })];
  let nowMs = 0;

  /** Sends frames in batches to a table that keeps the connections that they create. */
  function expectLegalStates(sent: readonly Uint8Array[]): void {
    for (let from = 0; from < sent.length; from += 32) {
      batch.clear();
      for (const [index, frame] of sent.slice(from, from + 32).entries()) {
        batch.add(frame, { checksums: index % 3 === 0 ? KNOWN_GOOD : 0 });
      }
      busy.execute(batch, actions[(from / 32) % actions.length]!, nowMs++);
      for (let i = 0; i < batch.count; i++) {
        expect(LEGAL_STATES).toContain(stateText(batch.state(i)));
      }
    }
  }

  it('of every length from 0 to 200 never throw and get a legal state', () => {
    for (let round = 0; round < 20; round++) {
      const sent = Array.from({ length: 201 }, (_, bytes) => Uint8Array.from({ length: bytes }, randomByte));
      expectLegalStates(sent);
      /* The same with the EtherType of IPv4 or IPv6, or a tag. */
      expectLegalStates(
        sent.map((frame, bytes) => {
          if (bytes >= 15) {
            frame.set(
              [
                [0x08, 0x00, 0x45],
                [0x86, 0xdd, 0x60],
                [0x81, 0x00, 0x00],
              ][bytes % 3]!,
              12,
            );
          }
          return frame;
        }),
      );
    }
  });

  it('in the place of some of a real frame never throw and get a legal state', () => {
    const mutated = fc.record({
      frame: fc.constantFrom(...frames),
      changes: fc.array(fc.tuple(fc.nat(1500), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 6 }),
      isRepaired: fc.boolean(),
      cut: fc.constantFrom(0, 0, 0, 1, 2, 7, 30),
    });
    fc.assert(
      fc.property(fc.array(mutated, { minLength: 1, maxLength: 32 }), (plans) => {
        const sent = plans.map(({ frame, changes, isRepaired, cut }) => {
          const changed = Buffer.from(frame.subarray(0, Math.max(0, frame.length - cut)));
          for (const [offset, byte] of changes) {
            changed[offset % changed.length] = byte;
          }
          return isRepaired ? repaired(changed) : changed;
        });
        expectLegalStates(sent);
      }),
      { seed: SEED, numRuns: 1000 },
    );
    /* Some frames created connections. */
    expect(busy.counters().created).toBeGreaterThan(1000);
  });
});
