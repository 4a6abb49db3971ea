/**
 * Single frames: cut at every length, with every header byte changed, of random bytes, and of the largest size. The table must
 * give the same results if the bytes around the frames are others.
 */

import { MAX_FRAME_BYTES } from '../../../src/workers/datapath/flow-steering.ts';
import { ChecksumBit } from '../../../src/core/packet/layout.ts';
import { Conversations, mutated } from '../conversations.ts';
import { type Corpus, loadCorpus } from '../corpus.ts';
import { sealed } from '../frames.ts';
import type { Random } from '../random.ts';
import { actionOptions, type SentPacket, type Sequence, type Step } from '../sequence.ts';
import type { Target } from '../target.ts';
import { runPlain, smaller } from './packets.ts';

const FRAMES = 2048;
const BATCH = 32;
/** The headers of a frame are within this number of bytes. */
const HEADER_BYTES = 120;
const GOOD = ChecksumBit.IP_GOOD | ChecksumBit.L4_GOOD;
const TYPES = [
  [0x08, 0x00, 0x45],
  [0x86, 0xdd, 0x60],
  [0x81, 0x00, 0x00],
];
const LARGE = [1514, 9014, 32_768, 65_535, 65_549, 65_575, 65_576, 131_072, MAX_FRAME_BYTES - 1, MAX_FRAME_BYTES];

let corpus: Corpus | undefined;

type Frames = Generator<Uint8Array, void, void>;

function* cutAtEveryLength(random: Random, frame: Uint8Array): Frames {
  const isSealed = random.oneIn(2);
  for (let bytes = 0; bytes <= Math.min(frame.length, 600); bytes++) {
    yield isSealed ? sealed(frame.slice(0, bytes)) : frame.slice(0, bytes);
  }
}

/** Changes each byte of the headers in turn. */
function* changedEverywhere(random: Random, frame: Uint8Array): Frames {
  const isSealed = random.oneIn(3);
  for (let at = 12; at < Math.min(frame.length, HEADER_BYTES); at++) {
    for (const value of [0, 0xff, frame[at]! ^ (1 << random.below(8)), random.byte()]) {
      const changed = frame.slice();
      changed[at] = value;
      yield isSealed ? sealed(changed) : changed;
    }
  }
}

function* randomBytes(random: Random): Frames {
  const type = random.oneIn(3) ? undefined : random.pick(TYPES);
  for (let bytes = 0; bytes < 400; bytes++) {
    const frame = random.bytes(bytes);
    if (type !== undefined && bytes >= 15) {
      frame.set(type, 12);
    }
    yield random.oneIn(2) ? sealed(frame) : frame;
  }
}

function* mixed(random: Random, frame: Uint8Array): Frames {
  const conversations = new Conversations(random);
  for (let i = 0; i < 256; i++) {
    const broken = mutated(random, random.oneIn(2) ? frame.slice() : conversations.next(), conversations.next());
    yield random.oneIn(2) ? sealed(broken) : broken;
  }
}

/** Extends a frame to a length near a limit. */
function* stretched(random: Random, frame: Uint8Array): Frames {
  const bytes = Math.max(frame.length, random.pick(LARGE) - random.below(3));
  const long = new Uint8Array(bytes).fill(random.byte());
  long.set(frame);
  yield random.oneIn(2) ? sealed(long) : long;
}

function generate(random: Random): Sequence {
  const { stories } = corpus!;
  const conversations = new Conversations(random);
  const steps: Step[] = [];
  let batch: SentPacket[] = [];
  let source: Frames = randomBytes(random);
  let nowMs = 1000;
  const isLarge = random.oneIn(12);
  for (let frames = 0; frames < (isLarge ? 64 : FRAMES); ) {
    const { done, value } = source.next();
    if (done === true) {
      const base = random.oneIn(3) ? conversations.next() : random.pick(random.pick(stories).frames);
      const next = random.pick([cutAtEveryLength, changedEverywhere, randomBytes, mixed] as const);
      source = isLarge ? stretched(random, base) : next(random, base);
      continue;
    }
    batch.push({ frame: value, checksums: random.oneIn(3) ? GOOD : 0 });
    frames++;
    if (batch.length === BATCH || isLarge) {
      steps.push({ op: 'batch', nowMs: nowMs++, packets: batch, actions: [random.below(3)], clears: false });
      batch = [];
    }
  }
  const actions = [{ commit: true }, {}, actionOptions(random)];
  const options = { reclaim: 'sweep', tableFull: 'refuse', maxConnections: 4096, buckets: 8 } as const;
  return { options, reassembles: random.oneIn(3), actions, steps };
}

export const frames: Target<Sequence> = {
  name: 'frames',
  about: 'single frames: every length, every header byte changed, random bytes, the largest size',
  weight: 4,
  prepare: async (options) => {
    corpus = await loadCorpus(options);
  },
  generate,
  run: runPlain,
  shrink: smaller,
};
