/** Small files that a command reads whole: verdicts, results, profiles, configurations. */

import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { UsageError } from '../core/errors.ts';
import { systemReason } from './command-end.ts';

const MAX_BYTES = 2 ** 28;
const PIECE_BYTES = 2 ** 16;
/** Longest wait for a silent pipe. This thread handles no signals while it waits, so the wait must end by itself. */
const MAX_SILENCE_MS = 5000;
const POLL_MS = 20;

const sleeper = new Int32Array(new SharedArrayBuffer(4));

/** @returns bytes read; undefined if the pipe has none yet */
function readPiece(file: number, piece: Buffer): number | undefined {
  try {
    return readSync(file, piece);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') {
      return undefined;
    }
    throw error;
  }
}

function readAll(file: number): string {
  const stat = fstatSync(file);
  if (stat.isDirectory()) {
    throw new UsageError('it is a folder');
  }
  const pieces: Buffer[] = [];
  const piece = Buffer.alloc(PIECE_BYTES);
  let total = 0;
  for (let silentMs = 0; ; ) {
    const bytes = readPiece(file, piece);
    /* A pipe without a writer reads as ended. Its writer may still come. */
    if (bytes === undefined || (bytes === 0 && total === 0 && stat.isFIFO())) {
      if (silentMs >= MAX_SILENCE_MS) {
        throw new UsageError('nothing came through this pipe for 5 s: start its writer first');
      }
      Atomics.wait(sleeper, 0, 0, POLL_MS);
      silentMs += POLL_MS;
      continue;
    }
    if (bytes === 0) {
      return Buffer.concat(pieces).toString('utf8');
    }
    silentMs = 0;
    total += bytes;
    if (total > MAX_BYTES) {
      throw new UsageError(`it has more than ${MAX_BYTES / 2 ** 20} MiB`);
    }
    pieces.push(Buffer.from(piece.subarray(0, bytes)));
  }
}

/** The text of a file or of a pipe. @throws UsageError if it cannot be read */
export function readTextFile(path: string): string {
  let file = -1;
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    return readAll(file);
  } catch (error) {
    const reason = error instanceof UsageError ? error.message : systemReason(error);
    throw new UsageError(`cannot read ${path}: ${reason}`, { cause: error });
  } finally {
    if (file >= 0) {
      closeSync(file);
    }
  }
}
