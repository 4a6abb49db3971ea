/** The source of a capture: a file, a pipe or standard input. It is opened once. A file can be read again from its start, a pipe cannot. */

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
  EACCES: 'permission denied',
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

/** Other names of standard input. If that is a socket, they cannot be opened. */
const STANDARD_INPUT: ReadonlySet<string> = new Set(['/dev/stdin', '/dev/fd/0', '/proc/self/fd/0']);

export class CaptureSource {
  /** Whether the source can be read more than once. */
  readonly isRepeatable: boolean;
  readonly #path: string;
  /** -1: standard input, or closed. */
  #fd: number;
  readonly #isFifo: boolean;
  #isUsed = false;

  /**
   * Opens a file; '-' is standard input. Opening a named pipe does not wait for its writer.
   * @throws UsageError if the source cannot be opened, or is a directory or a terminal
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

  /** @throws UsageError unless the source can be read more than once. @param why the reason for the message */
  requireRepeatable(why: string): void {
    if (!this.isRepeatable) {
      this.close();
      throw onceOnly(this.#path, why);
    }
  }

  /**
   * The bytes, of a file always from its start. They end when `stop` is aborted. A pipe can be read once.
   * @throws UsageError if the source cannot be read
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

  /** Reads without a stream: a stream would close the file when its reader stops early. */
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

  /** The stream of a pipe or a device. The stream closes the descriptor. */
  #stream(): Readable {
    const fd = this.#fd;
    this.#fd = -1;
    if (fd < 0) {
      return process.stdin;
    }
    /* A pipe read as a file would block a thread of Node's pool, and so the end of the process, until somebody writes. */
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

/** @returns the descriptor; -1 for standard input that must be read as such */
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

/** Checks that a file can be read, without opening it: opening a pipe would take it away from its reader. @throws UsageError */
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

/** Checks that a file can be read more than once, without opening it. @throws UsageError */
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
 * The bytes of a file; '-' is standard input. See `CaptureSource.chunks`.
 * @throws UsageError if the file cannot be read
 */
export async function* fileChunks(path: string, stop?: AbortSignal): AsyncGenerator<Uint8Array, void, void> {
  const source = new CaptureSource(path);
  try {
    yield* source.chunks(stop);
  } finally {
    source.close();
  }
}
