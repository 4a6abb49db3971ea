/**
 * Capture files: classic pcap and pcapng, from a file or a pipe.
 *
 * The parsers are synchronous generators over the bytes that have arrived. They yield packets, and undefined when they
 * cannot go on without the next chunk: chunks are awaited, packets are not. Every length is checked before it is waited
 * for, so that a broken file costs no more memory than its largest legal block.
 */

import { accessSync, constants, createReadStream, statSync } from 'node:fs';
import { addAbortSignal } from 'node:stream';
import { UsageError } from '../core/errors.ts';
import { another, arrival, ByteWindow, CaptureError } from './capture/bytes.ts';
import type { CapturePacket, Parser } from './capture/bytes.ts';
import { parseRecords, PCAP_KINDS } from './capture/pcap.ts';
import { BlockType, parseBlocks } from './capture/pcapng.ts';

export { CaptureError, MAX_FRAME_BYTES } from './capture/bytes.ts';
export type { CapturePacket } from './capture/bytes.ts';
export { pcapHeader, pcapRecord } from './capture/pcap.ts';

const FILE_CHUNK_BYTES = 2 ** 18;

function* parse(window: ByteWindow): Parser {
  if (!(yield* another(window))) {
    throw new CaptureError(0, 'the file is empty');
  }
  yield* arrival(window, 'a capture file begins with a magic number of', 4);
  const magic = window.view.getUint32(window.at);
  const kind = PCAP_KINDS.get(magic);
  if (kind !== undefined) {
    yield* parseRecords(window, kind.littleEndian, kind.unitsPerSecond);
  } else if (magic === BlockType.section) {
    yield* parseBlocks(window);
  } else if (magic >>> 16 === 0x1f8b) {
    throw new CaptureError(0, 'the file is compressed with gzip: decompress it first');
  } else {
    const hex = magic.toString(16).padStart(8, '0');
    throw new CaptureError(0, `magic number 0x${hex} is neither pcap nor pcapng: convert it with editcap`);
  }
}

/**
 * The packets of a pcap or pcapng file.
 * @throws CaptureError at the first broken place, after all packets before it
 */
export async function* readCapture(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<CapturePacket, void, void> {
  const window = new ByteWindow();
  const parser = parse(window);
  for await (const chunk of chunks) {
    window.append(chunk);
    for (let packet = parser.next().value; packet; packet = parser.next().value) {
      yield packet;
    }
  }
  window.ended = true;
  for (let packet = parser.next().value; packet; packet = parser.next().value) {
    yield packet;
  }
}

const FILE_PROBLEMS: Record<string, string> = {
  ENOENT: 'no such file',
  EISDIR: 'is a directory, not a file',
  EACCES: 'may not be read by this user',
};

function unreadable(path: string, code: string): UsageError {
  const name = path === '-' ? 'standard input' : path;
  return new UsageError(`${name}: ${FILE_PROBLEMS[code] ?? `cannot be read (${code})`}`);
}

/** Complains about a file that cannot be read, without reading of it. @throws UsageError */
export function requireReadable(path: string): void {
  if (path === '-') {
    if (process.stdin.isTTY) {
      throw new UsageError('standard input is a terminal: pipe a capture into it (tcpdump -w - | ct-bucket run -)');
    }
    return;
  }
  let isFolder: boolean;
  try {
    accessSync(path, constants.R_OK);
    isFolder = statSync(path).isDirectory();
  } catch (error) {
    throw unreadable(path, (error as NodeJS.ErrnoException).code ?? 'unknown');
  }
  if (isFolder) {
    throw unreadable(path, 'EISDIR');
  }
}

/**
 * The bytes of a file; '-' is standard input. When `stop` is aborted they end, wherever they are.
 * @throws UsageError when it cannot be read
 */
export async function* fileChunks(path: string, stop?: AbortSignal): AsyncGenerator<Uint8Array, void, void> {
  try {
    const stream = path === '-' ? process.stdin : createReadStream(path, { highWaterMark: FILE_CHUNK_BYTES });
    yield* stop === undefined ? stream : addAbortSignal(stop, stream);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (stop?.aborted) {
      return;
    }
    if (code === undefined) {
      throw error;
    }
    throw unreadable(path, code);
  }
}
