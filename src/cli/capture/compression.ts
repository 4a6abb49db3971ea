/** Compressed captures. Decompresses gzip and, if Node can, zstd. For other compressions the error says what to do. */

import zlib from 'node:zlib';
import type { Transform } from 'node:stream';
import { CaptureError } from './bytes.ts';

interface Compression {
  name: string;
  /** Whether a file that begins with these bytes has this compression. */
  isMagic: (view: DataView) => boolean;
  /** A command that decompresses to standard output. */
  command: string;
  /** Undefined if Node has none. */
  decompressor?: () => Transform;
}

/** Bytes that suffice to recognise every compression. */
const MAGIC_BYTES = 6;

/** Exists from Node 22.15 on. The type declarations, those of Node 20, lack it. */
const { createZstdDecompress } = zlib as { createZstdDecompress?: () => Transform };

function startsWith(...bytes: number[]): (view: DataView) => boolean {
  return (view) => view.byteLength >= bytes.length && bytes.every((byte, i) => view.getUint8(i) === byte);
}

const COMPRESSIONS: Compression[] = [
  { name: 'gzip', isMagic: startsWith(0x1f, 0x8b), command: 'gzip -dc', decompressor: () => zlib.createGunzip() },
  {
    name: 'zstd',
    /* A frame, or a skippable frame. */
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

/** Error text for a file that begins with these bytes, if it is compressed: its kind, and what to do. */
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
 * The bytes of a capture, decompressed if they are compressed.
 * @param onCompressed called before the first decompressed bytes
 * @throws CaptureError at broken compressed data, after yielding the bytes before them
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
      /* Copied: a source may reuse the memory of a chunk. */
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

/**
 * A stream is decompressed in pieces. At a broken place the whole piece is lost, so pieces are small: a 256th of the bytes before, at least
 * 16 bytes.
 */
const LEAST_PIECE_BYTES = 16;
const MOST_PIECE_BYTES = 16_384;
const PIECES = 256;
/** The checksum at the end is a piece of its own: if it is wrong, the data before it still come out. */
const TRAILER_BYTES = 8;

/** Decompresses a stream piece by piece. So the place of an error is known, and all data before it come out. */
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

  /** Acts on the stream and yields its output. */
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
