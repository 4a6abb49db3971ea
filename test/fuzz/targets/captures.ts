/** Capture files: what is broken in them is said, with its place, and what came before is handed out. */

import { CaptureError, MAX_FRAME_BYTES, pcapHeader, pcapRecord, readCapture } from '../../../src/cli/capture.ts';
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
  /** The file comes in pieces of so many bytes. */
  pieceBytes: number;
}

const MAX_SAMPLE_BYTES = 20_000;
/** A broken length must not cost more memory than the largest legal block, and some pieces of the file. */
const MAX_TAKEN_BYTES = 8 << 20;

let corpus: Corpus | undefined;

function pcap(random: Random): Uint8Array {
  const conversations = new Conversations(random);
  const records = Array.from({ length: random.below(8) }, () =>
    pcapRecord(conversations.next(), 1000 * random.below(5000)),
  );
  return concatenated([pcapHeader(), ...records]);
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
      Uint8Array.from([...halves(1, 0), ...words(random.pick([0, 65_535, 60])), ...options]),
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

/** A file that is right but, of a recorded one, for its end. */
export function captureFile(random: Random): Uint8Array {
  const made = random.below(4);
  if (made === 0) {
    return random.pick(corpus!.captures).bytes.slice(0, MAX_SAMPLE_BYTES);
  }
  return made === 1 ? pcapng(random) : pcap(random);
}

function generate(random: Random): CaptureInput {
  const file = random.oneIn(8) ? random.bytes(random.below(80)) : captureFile(random);
  return {
    file: random.oneIn(20) ? file : mutatedBytes(random, file),
    pieceBytes: random.pick([1, 3, 16, 100, 4096, 1e9]),
  };
}

async function* pieces({ file, pieceBytes }: CaptureInput): AsyncGenerator<Uint8Array, void, void> {
  /* Byte by byte only where that is soon done. */
  const step = Math.max(pieceBytes, Math.floor(file.length / 500));
  for (let at = 0; at < file.length; at += step) {
    /* Exact memory, used again by nobody: what is read outside of it is not there. */
    yield file.slice(at, at + step);
  }
}

interface Outcome {
  packets: number;
  /** Of all frames and times. */
  digest: number;
  complaint: string;
}

async function outcomeOf(input: CaptureInput): Promise<Outcome> {
  let packets = 0;
  let digest = 0;
  try {
    for await (const { frame, number, timestampMs, originalBytes } of readCapture(pieces(input))) {
      packets++;
      if (number !== packets || frame.length > MAX_FRAME_BYTES || frame.length > input.file.length) {
        throw new Finding(`packet ${packets} has number ${number} and ${frame.length} bytes`);
      }
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
  if (JSON.stringify(outcome) !== JSON.stringify(whole)) {
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
  about: 'pcap and pcapng files, broken, and read in pieces: the same packets, a complaint with its place',
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
