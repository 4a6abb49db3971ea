/** Compressed captures: gzip and, where Node has it, zstd are decompressed on the way; others are named, with what to do. */

import zlib from 'node:zlib';
import type { Transform } from 'node:stream';
import { CaptureError } from './bytes.ts';

interface Compression {
  name: string;
  /** How the first bytes of such a file look. */
  isMagic: (view: DataView) => boolean;
  /** What decompresses it to standard output. */
  command: string;
  /** Undefined where Node has none. */
  decompressor?: () => Transform;
}

/** Bytes that tell all of them. */
const MAGIC_BYTES = 6;

/** Node 22.15 and later, which our type declarations do not know of. */
const { createZstdDecompress } = zlib as { createZstdDecompress?: () => Transform };

function startsWith(...bytes: number[]): (view: DataView) => boolean {
  return (view) => view.byteLength >= bytes.length && bytes.every((byte, i) => view.getUint8(i) === byte);
}

const COMPRESSIONS: Compression[] = [
  { name: 'gzip', isMagic: startsWith(0x1f, 0x8b), command: 'gzip -dc', decompressor: () => zlib.createGunzip() },
  {
    name: 'zstd',
    /* A frame, or one to be skipped in front of it. */
    isMagic: (view) =>
      view.byteLength >= 4 &&
      (view.getUint32(0, true) === 0xfd2fb528 || (view.getUint32(0, true) & 0xfffffff0) === 0x184d2a50),
    command: 'zstd -dc',
    ...(createZstdDecompress === undefined ? {} : { decompressor: createZstdDecompress }),
  },
  { name: 'xz', isMagic: startsWith(0xfd, 0x37, 0x7a, 0x58, 0x5a), command: 'xz -dc' },
  { name: 'lzma', isMagic: startsWith(0x5d, 0, 0), command: 'xz -dc' },
  { name: 'bzip2', isMagic: startsWith(0x42, 0x5a, 0x68), command: 'bzip2 -dc' },
  { name: 'lz4', isMagic: startsWith(0x04, 0x22, 0x4d, 0x18), command: 'lz4 -dc' },
  { name: 'lz4', isMagic: startsWith(0x02, 0x21, 0x4c, 0x18), command: 'lz4 -dc' },
  { name: 'lzip', isMagic: startsWith(0x4c, 0x5a, 0x49, 0x50), command: 'lzip -dc' },
  { name: 'compress', isMagic: startsWith(0x1f, 0x9d), command: 'gzip -dc' },
  { name: 'zip', isMagic: startsWith(0x50, 0x4b, 0x03, 0x04), command: 'unzip -p' },
  { name: '7z', isMagic: startsWith(0x37, 0x7a, 0xbc, 0xaf, 0x27), command: '7z x -so' },
  { name: 'rar', isMagic: startsWith(0x52, 0x61, 0x72, 0x21), command: 'unrar p -inul' },
  { name: 'snappy', isMagic: startsWith(0xff, 0x06, 0, 0, 0x73), command: 'snzip -dc' },
];

function compressionOf(bytes: Uint8Array): Compression | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return COMPRESSIONS.find(({ isMagic }) => isMagic(view));
}

/** If these are the first bytes of a compressed file: its kind, and what to do with it. */
export function compressionText(first: Uint8Array): string | undefined {
  const found = compressionOf(first);
  if (found === undefined) {
    return undefined;
  }
  if (found.decompressor !== undefined) {
    return `compressed with ${found.name} twice: decompress it once`;
  }
  const reader = found.name === 'zstd' ? ' (Node 22.15 and later read it as it is)' : '';
  return `compressed with ${found.name}: decompress it first: ${found.command} FILE | ct-bucket replay -${reader}`;
}

/**
 * The bytes of a capture, decompressed if they come compressed.
 * @param onCompressed is called before the first decompressed bytes
 * @throws CaptureError where the compressed data are broken, after all that could be decompressed before
 */
export async function* decompressed(
  chunks: AsyncIterable<Uint8Array>,
  onCompressed: () => void,
): AsyncGenerator<Uint8Array, void, void> {
  let first: Uint8Array = new Uint8Array(0);
  let decompression: Decompression | undefined;
  let isKnown = false;
  const begin = (): Decompression | undefined => {
    isKnown = true;
    const { name, decompressor } = compressionOf(first) ?? {};
    if (name === undefined || decompressor === undefined) {
      return undefined;
    }
    onCompressed();
    return new Decompression(name, decompressor());
  };
  for await (const chunk of chunks) {
    let bytes: Uint8Array = chunk;
    if (!isKnown) {
      /* Copied: a source may use the memory of a chunk again. */
      bytes = first.length === 0 && chunk.length >= MAGIC_BYTES ? chunk : Buffer.concat([first, chunk]);
      first = bytes;
      if (first.length < MAGIC_BYTES) {
        continue;
      }
      decompression = begin();
    }
    if (decompression === undefined) {
      yield bytes;
    } else {
      yield* decompression.push(bytes);
    }
  }
  if (!isKnown) {
    decompression = begin();
    if (decompression === undefined) {
      yield first;
    } else {
      yield* decompression.push(first);
    }
  }
  yield* decompression?.end() ?? [];
}

/** A broken stream loses what of it was decompressed together with its broken place: a 256th of what came before, or 16 bytes. */
const LEAST_PIECE_BYTES = 16;
const MOST_PIECE_BYTES = 16_384;
const PIECES = 256;
/** The checksum at the end: what it is about is to come out although it is wrong. */
const TRAILER_BYTES = 8;

/** A stream that is decompressed piece by piece, so that it is known where it breaks and what came before. */
class Decompression {
  readonly #name: string;
  readonly #stream: Transform;
  #offset = 0;
  #output: Uint8Array[] = [];
  #failure: Error | undefined;

  constructor(name: string, stream: Transform) {
    this.#name = name;
    this.#stream = stream;
    stream.on('data', (chunk: Uint8Array) => this.#output.push(chunk));
    stream.on('error', (error) => {
      this.#failure = error;
    });
  }

  async *push(chunk: Uint8Array): AsyncGenerator<Uint8Array, void, void> {
    for (let at = 0; at < chunk.length; ) {
      const largest = Math.min(Math.max(LEAST_PIECE_BYTES, Math.floor(this.#offset / PIECES)), MOST_PIECE_BYTES);
      const left = chunk.length - at;
      const bytes = Math.min(largest, left > TRAILER_BYTES ? left - TRAILER_BYTES : left);
      const piece = chunk.subarray(at, at + bytes);
      yield* this.#step((done) => this.#stream.write(piece, () => done()));
      at += bytes;
      this.#offset += bytes;
    }
  }

  async *end(): AsyncGenerator<Uint8Array, void, void> {
    yield* this.#step((done) => this.#stream.once('end', done).end());
  }

  /** Does something to the stream and hands out what comes of it. */
  async *#step(act: (done: () => void) => void): AsyncGenerator<Uint8Array, void, void> {
    await new Promise<void>((done) => {
      this.#stream.once('close', done);
      act(() => {
        this.#stream.off('close', done);
        done();
      });
    });
    const output = this.#output;
    this.#output = [];
    yield* output;
    if (this.#failure !== undefined) {
      const why = this.#failure.message.replace(/^./, (letter) => letter.toLowerCase());
      throw new CaptureError(this.#offset, `the ${this.#name} data are broken (${why})`);
    }
  }
}
