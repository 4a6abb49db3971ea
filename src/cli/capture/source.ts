/**
 * Where the bytes of a capture come from: a file, a pipe, standard input. It is opened once, whatever is done with it then. A
 * file may be read again from its beginning, a pipe may not.
 */

import { accessSync, closeSync, constants, createReadStream, fstatSync, openSync, read, statSync } from 'node:fs';
import { Socket } from 'node:net';
import { addAbortSignal, type Readable } from 'node:stream';
import { promisify } from 'node:util';
import { UsageError } from '../../core/errors.ts';

const CHUNK_BYTES = 2 ** 18;
const readAt = promisify(read);

const PROBLEMS: Record<string, string> = {
  ENOENT: 'no such file',
  EISDIR: 'is a directory, not a file',
  EACCES: 'may not be read by this user',
  ENXIO: 'is a socket or a device that cannot be opened: give - for standard input',
};

function unreadable(path: string, code: string): UsageError {
  const name = path === '-' ? 'standard input' : path;
  return new UsageError(`${name}: ${PROBLEMS[code] ?? `cannot be read (${code})`}`);
}

function onceOnly(path: string, why: string): UsageError {
  const name = path === '-' ? 'standard input' : path;
  return new UsageError(`${name} is a pipe and can be read only once, but ${why}: write it to a file first`);
}

/** Other names of standard input. Where that is a socket they cannot be opened. */
const STANDARD_INPUT: ReadonlySet<string> = new Set(['/dev/stdin', '/dev/fd/0', '/proc/self/fd/0']);

export class CaptureSource {
  /** Can it be read more than once? */
  readonly isRepeatable: boolean;
  readonly #path: string;
  /** -1: standard input, or closed. */
  #fd: number;
  readonly #isFifo: boolean;
  #isUsed = false;

  /**
   * Opens a file; '-' is standard input. A named pipe that nobody writes to yet is opened all the same.
   * @throws UsageError when it cannot be opened, or is a directory or a terminal
   */
  constructor(path: string) {
    if (path === '') {
      throw new UsageError('the name of the file to read is empty');
    }
    this.#path = path;
    this.#fd = path === '-' ? -1 : openForReading(path);
    if (this.#fd < 0) {
      requireNoTerminal();
      this.isRepeatable = false;
      this.#isFifo = false;
      return;
    }
    const stat = fstatSync(this.#fd);
    if (stat.isDirectory()) {
      this.close();
      throw unreadable(path, 'EISDIR');
    }
    this.isRepeatable = stat.isFile();
    this.#isFifo = stat.isFIFO();
  }

  /** @throws UsageError unless it can be read more than once; `why` says who has to */
  requireRepeatable(why: string): void {
    if (!this.isRepeatable) {
      this.close();
      throw onceOnly(this.#path, why);
    }
  }

  /**
   * The bytes, of a file always from its beginning. When `stop` is aborted they end, wherever they are. A pipe has one reader.
   * @throws UsageError when they cannot be read
   */
  async *chunks(stop?: AbortSignal): AsyncGenerator<Uint8Array, void, void> {
    if (this.#isUsed && !this.isRepeatable) {
      throw new Error(`${this.#path} has been read already`);
    }
    this.#isUsed = true;
    try {
      if (this.isRepeatable) {
        yield* this.#fileChunks(stop);
        return;
      }
      const stream = this.#stream();
      yield* stop === undefined ? stream : addAbortSignal(stop, stream);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (stop?.aborted) {
        return;
      }
      if (code === undefined || error instanceof UsageError) {
        throw error;
      }
      throw unreadable(this.#path, code);
    }
  }

  /** Not a stream: that closes the file when its reader breaks off. */
  async *#fileChunks(stop: AbortSignal | undefined): AsyncGenerator<Uint8Array, void, void> {
    for (let position = 0; ; ) {
      const { bytesRead, buffer } = await readAt(this.#fd, Buffer.allocUnsafe(CHUNK_BYTES), 0, CHUNK_BYTES, position);
      if (bytesRead === 0 || stop?.aborted === true) {
        return;
      }
      position += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  }

  /** Of a pipe, or of something like it. The stream closes it. */
  #stream(): Readable {
    const fd = this.#fd;
    this.#fd = -1;
    if (fd < 0) {
      return process.stdin;
    }
    /* Reading a pipe as a file would keep a thread of Node's pool, and with it the process, until something is written. */
    return this.#isFifo
      ? new Socket({ fd, readable: true, writable: false })
      : createReadStream('', { fd, highWaterMark: CHUNK_BYTES });
  }

  close(): void {
    if (this.#fd >= 0) {
      closeSync(this.#fd);
      this.#fd = -1;
    }
  }
}

/** @returns the descriptor; -1 if it is standard input and has to be read as such */
function openForReading(path: string): number {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
    if (code === 'ENXIO' && STANDARD_INPUT.has(path)) {
      return -1;
    }
    throw unreadable(path, code);
  }
}

/** Complains about a file that cannot be read, without opening it: who opens a pipe has to read it. @throws UsageError */
function requireReadable(path: string): void {
  if (path === '-') {
    requireNoTerminal();
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

/** Complains about what can be read only once, without opening it. @throws UsageError */
export function requireRepeatable(path: string, why: string): void {
  requireReadable(path);
  if (path === '-' || !statSync(path).isFile()) {
    throw onceOnly(path, why);
  }
}

function requireNoTerminal(): void {
  if (process.stdin.isTTY) {
    throw new UsageError('standard input is a terminal: pipe a capture into it (tcpdump -w - | ct-bucket run -)');
  }
}

/**
 * The bytes of a file, from its beginning; '-' is standard input. See `CaptureSource.chunks`.
 * @throws UsageError when it cannot be read
 */
export async function* fileChunks(path: string, stop?: AbortSignal): AsyncGenerator<Uint8Array, void, void> {
  const source = new CaptureSource(path);
  try {
    yield* source.chunks(stop);
  } finally {
    source.close();
  }
}
