/** Capture files: the reader gives the packets before a broken place, and then an error with its offset. */

import { gzipSync } from 'node:zlib';
import {
  CaptureClock,
  CaptureError,
  MAX_FRAME_BYTES,
  pcapHeader,
  pcapRecord,
  readCapture,
} from '../../../src/cli/capture/open-capture.ts';
import { UsageError } from '../../../src/core/errors.ts';
import { expectComplaint } from '../complaints.ts';
import { Conversations } from '../conversations.ts';
import { type Corpus, loadCorpus } from '../corpus.ts';
import { concatenated } from '../frames.ts';
import type { Random } from '../random.ts';
import { Finding, type Tally, type Target } from '../target.ts';
import { mutatedBytes } from '../text.ts';

interface CaptureInput {
  file: Uint8Array;
  /** The reader gets the file in pieces of this size. */
  pieceBytes: number;
}

const MAX_SAMPLE_BYTES = 20_000;
/** The memory limit of a read: the largest legal block and some pieces of the file. A broken length must not take more. */
const MAX_TAKEN_BYTES = 8 << 20;

let corpus: Corpus | undefined;

/** Link-layer headers in front of an IP packet, by link type. */
const WRAPPERS: [linkType: number, header: string][] = [
  [0, '02000000'],
  [0, '0000001e'],
  [9, 'ff030021'],
  [9, '57'],
  [12, ''],
  [50, '0f000800'],
  [51, '1100000100000021'],
  [101, ''],
  [104, '0f000800'],
  [105, `08010000${'00'.repeat(20)}aaaa030000000800`],
  [107, '184103cc'],
  [108, '00000018'],
  [113, `000000010006${'00'.repeat(8)}0800`],
  [113, `000000010006${'00'.repeat(8)}81000001`],
  [127, `00000800000000000801${'00'.repeat(22)}aaaa03000000`],
  [147, ''],
  [229, ''],
  [239, '020000000800010000000000ff000900'],
  [276, `0800${'00'.repeat(18)}`],
];
const ETHERNET_BYTES = 14;

/** A frame as a record of the link type, sometimes left as Ethernet. */
function wrapped(random: Random, linkType: number, frame: Uint8Array): Uint8Array {
  const headers = WRAPPERS.filter(([type]) => type === linkType);
  if (headers.length === 0 || random.oneIn(10)) {
    return frame;
  }
  const [, header] = random.pick(headers);
  return concatenated([Uint8Array.from(Buffer.from(header, 'hex')), frame.subarray(ETHERNET_BYTES)]);
}

function pcap(random: Random): Uint8Array {
  const conversations = new Conversations(random);
  const linkType = random.oneIn(2) ? 1 : random.pick(WRAPPERS)[0];
  const records = Array.from({ length: random.below(8) }, () =>
    pcapRecord(wrapped(random, linkType, conversations.next()), random.pick([1, 1000, 1e9]) * random.below(4000)),
  );
  const header = pcapHeader({ linkType });
  if (random.oneIn(4)) {
    /* Versions with the lengths in another order, and invalid ones. */
    header[6] = random.below(6);
  }
  if (random.oneIn(10)) {
    /* The modified format, which has longer record headers. */
    header.set([0x34, 0xcd, 0xb2, 0xa1]);
    return concatenated([
      header,
      ...records.map((record) => concatenated([record.subarray(0, 16), random.bytes(8), record.subarray(16)])),
    ]);
  }
  return concatenated([header, ...records]);
}

/** A pcapng block with its lengths at both ends. */
function block(type: number, body: Uint8Array, littleEndian: boolean): Uint8Array {
  const bytes = new Uint8Array(12 + ((body.length + 3) & ~3));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, type, littleEndian);
  view.setUint32(4, bytes.length, littleEndian);
  bytes.set(body, 8);
  view.setUint32(bytes.length - 4, bytes.length, littleEndian);
  return bytes;
}

function pcapng(random: Random): Uint8Array {
  const littleEndian = random.oneIn(2);
  const conversations = new Conversations(random);
  const words = (...values: number[]) => {
    const view = new DataView(new ArrayBuffer(values.length * 4));
    values.forEach((value, i) => view.setUint32(i * 4, value, littleEndian));
    return new Uint8Array(view.buffer);
  };
  const halves = (...values: number[]) => {
    const view = new DataView(new ArrayBuffer(values.length * 2));
    values.forEach((value, i) => view.setUint16(i * 2, value, littleEndian));
    return new Uint8Array(view.buffer);
  };
  const description = () => {
    const resolution = [...halves(9, 1), random.pick([6, 9, 3, 0x80 | 10, 0, 255, 19]), 0, 0, 0];
    const offset = [...halves(14, 8), ...words(random.pick([0, 0xffffffff]), random.below(2))];
    const options = random.oneIn(2) ? [] : [...resolution, ...(random.oneIn(2) ? offset : []), ...halves(0, 0)];
    return block(
      1,
      Uint8Array.from([
        ...halves(random.oneIn(4) ? random.pick(WRAPPERS)[0] : 1, 0),
        ...words(random.pick([0, 65_535, 60])),
        ...options,
      ]),
      littleEndian,
    );
  };
  const packet = () => {
    const frame = conversations.next();
    if (random.oneIn(3)) {
      return block(3, concatenated([words(frame.length), frame]), littleEndian);
    }
    const head = words(random.oneIn(10) ? 1 : 0, random.edge(32), random.next(), frame.length, frame.length);
    return block(random.oneIn(6) ? 2 : 6, concatenated([head, frame]), littleEndian);
  };
  const section = block(
    0x0a0d0d0a,
    concatenated([words(0x1a2b3c4d), halves(1, 0), words(0xffffffff, 0xffffffff)]),
    littleEndian,
  );
  const body = Array.from({ length: random.below(10) }, () => {
    switch (random.below(8)) {
      case 0:
        return description();
      case 1:
        return block(random.pick([4, 5, 0xbad, 0x40000bad]), random.bytes(4 * random.below(20)), littleEndian);
      case 2:
        return section;
      default:
        return packet();
    }
  });
  return concatenated([section, description(), ...body]);
}

/** A valid file. A recorded one may be truncated. */
export function captureFile(random: Random): Uint8Array {
  const made = random.below(4);
  if (made === 0) {
    return random.pick(corpus!.captures).bytes.slice(0, MAX_SAMPLE_BYTES);
  }
  return made === 1 ? pcapng(random) : pcap(random);
}

function generate(random: Random): CaptureInput {
  const plain = random.oneIn(8) ? random.bytes(random.below(80)) : captureFile(random);
  const mutated = random.oneIn(20) ? plain : mutatedBytes(random, plain);
  const isCompressed = random.oneIn(5);
  const compressed = isCompressed ? new Uint8Array(gzipSync(mutated, { level: random.below(10) })) : mutated;
  return {
    file: isCompressed && random.oneIn(2) ? mutatedBytes(random, compressed) : compressed,
    pieceBytes: random.pick([1, 3, 16, 100, 4096, 1e9]),
  };
}

function isCompressed({ file }: CaptureInput): boolean {
  return file[0] === 0x1f && file[1] === 0x8b;
}

async function* pieces({ file, pieceBytes }: CaptureInput): AsyncGenerator<Uint8Array, void, void> {
  /* At most about 500 pieces, so that a large file does not take long. */
  const step = Math.max(pieceBytes, Math.floor(file.length / 500));
  for (let at = 0; at < file.length; at += step) {
    /* Each piece has memory of its own without spare bytes: a read outside of it finds nothing. */
    yield file.slice(at, at + step);
  }
}

interface Outcome {
  packets: number;
  /** A hash of all frames. */
  digest: number;
  complaint: string;
}

async function outcomeOf(input: CaptureInput): Promise<Outcome> {
  let packets = 0;
  let digest = 0;
  let lastNumber = 0;
  let lastMs = Number.NEGATIVE_INFINITY;
  const clock = new CaptureClock();
  const mostBytes = isCompressed(input) ? MAX_FRAME_BYTES : Math.min(input.file.length, MAX_FRAME_BYTES);
  try {
    for await (const { frame, number, timestampMs, originalBytes } of readCapture(pieces(input), { clock })) {
      packets++;
      if (number <= lastNumber || frame.length > mostBytes) {
        throw new Finding(`packet ${number} follows ${lastNumber} and has ${frame.length} bytes`);
      }
      lastNumber = number;
      if (!(clock.nowMs >= lastMs) || !Number.isInteger(clock.nowMs)) {
        throw new Finding(`packet ${number} is tracked at ${clock.nowMs} ms, after ${lastMs}`);
      }
      lastMs = clock.nowMs;
      if (!Number.isFinite(timestampMs) || !(originalBytes >= 0)) {
        throw new Finding(`packet ${packets} is of ${timestampMs} ms, ${originalBytes} bytes on the wire`);
      }
      for (const byte of frame) {
        digest = Math.imul(digest ^ byte, 0x01000193);
      }
      digest = Math.imul(digest ^ frame.length, 0x01000193);
    }
    return { packets, digest, complaint: '' };
  } catch (error) {
    if (error instanceof UsageError && !(error instanceof CaptureError)) {
      throw new Finding(`a broken capture is no CaptureError: ${error.message}`);
    }
    expectComplaint(error);
    return { packets, digest, complaint: (error as Error).message };
  }
}

async function run(input: CaptureInput, tally: Tally): Promise<number> {
  const before = process.memoryUsage().arrayBuffers;
  const outcome = await outcomeOf(input);
  const taken = process.memoryUsage().arrayBuffers - before;
  if (taken > MAX_TAKEN_BYTES) {
    throw new Finding(`${taken} bytes were taken to read a file of ${input.file.length}`);
  }
  const whole = await outcomeOf({ ...input, pieceBytes: Number.POSITIVE_INFINITY });
  /* The number of packets before a broken place in compressed data depends on the size of the pieces. */
  const isSame =
    isCompressed(input) && outcome.complaint !== ''
      ? whole.complaint !== ''
      : JSON.stringify(outcome) === JSON.stringify(whole);
  if (!isSame) {
    throw new Finding(`read in pieces ${JSON.stringify(outcome)}, read at once ${JSON.stringify(whole)}`);
  }
  tally.add('packets', outcome.packets);
  tally.add(outcome.complaint === '' ? 'sound' : 'broken');
  if (outcome.packets > 0 && outcome.complaint !== '') {
    tally.add('broken behind packets');
  }
  return 1;
}

export const captures: Target<CaptureInput> = {
  name: 'captures',
  about:
    'pcap and pcapng files, broken, compressed, and read in pieces: the same packets, and an error with its offset',
  weight: 1,
  prepare: async (options) => {
    corpus = await loadCorpus(options);
  },
  generate,
  run,
  shrink: function* ({ file, pieceBytes }) {
    for (let cut = file.length >> 1; cut >= 1; cut >>= 1) {
      yield { file: file.slice(0, file.length - cut), pieceBytes };
    }
  },
};
