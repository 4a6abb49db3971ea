/**
 * What both formats of capture files share: the packet, the error, and the bytes that have arrived.
 */

import { UsageError } from '../../core/errors.ts';

/** libpcap's limit (MAXIMUM_SNAPLEN): a longer record is a broken length. */
export const MAX_FRAME_BYTES = 262_144;

export interface CapturePacket {
  /**
   * What was captured of the frame, with its frame check sequence if the file has those. Always Ethernet: a packet of another
   * link type has an Ethernet header in place of its own. It may be a view of a chunk and is valid until the next packet
   * is asked for; copy it to keep it.
   */
  frame: Uint8Array;
  /** Length of the record's frame on the wire; if it is more than was captured, the packet is cut. */
  originalBytes: number;
  /** Since the epoch. A float: microseconds are kept, of nanoseconds about the last 250 are not. */
  timestampMs: number;
  /** The first packet of the file is 1. Packets that are skipped count. */
  number: number;
  /** LINKTYPE_ value of the record; 1 is Ethernet. */
  linkType: number;
}

/** The file is broken or of an unsupported kind. */
export class CaptureError extends UsageError {
  /** Where the broken header, record or block starts, in bytes from the start of the file. */
  readonly offset: number;
  readonly #problem: string;

  constructor(offset: number, problem: string, where = '') {
    super(`offset ${offset}${where}: ${problem}`);
    this.offset = offset;
    this.#problem = problem;
  }

  /** The same with its offset counted in the decompressed file. */
  ofDecompressed(): CaptureError {
    return new CaptureError(this.offset, this.#problem, ' of the decompressed file');
  }
}

export function requireFrameLength(offset: number, bytes: number): void {
  if (bytes > MAX_FRAME_BYTES) {
    throw new CaptureError(offset, `record says ${bytes} bytes, more than the limit of ${MAX_FRAME_BYTES}`);
  }
}

const NO_BYTES = new Uint8Array(0);

/**
 * The bytes that have arrived and are not used yet. The parser sees a chunk in place; only what lies across the end of
 * a chunk is copied together, and before the next chunk is asked for: a source may use its buffer again.
 */
export class ByteWindow {
  bytes: Uint8Array = NO_BYTES;
  view: DataView = new DataView(NO_BYTES.buffer);
  /** Index of the first unused byte, in `bytes` and in `view`. */
  at = 0;
  /** The same place in the file. */
  offset = 0;
  /** No more chunks follow. */
  ended = false;
  /** Offsets are not those of the file itself. */
  isDecompressed = false;
  #end = 0;
  /** What of the latest chunk is not in `bytes`; empty when `has` says no. */
  #rest: Uint8Array = NO_BYTES;

  /** Takes the next chunk; only after `has` said no. */
  append(chunk: Uint8Array): void {
    /* Not subarray: a Buffer's frames would be Buffers. */
    this.#rest = new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length);
  }

  get unread(): number {
    return this.#end - this.at;
  }

  /** Whether the next `count` bytes have arrived; if so they are in `bytes` from `at` on, in one piece. */
  has(count: number): boolean {
    if (this.#end - this.at < count) {
      this.#gather(count);
    }
    return this.#end - this.at >= count;
  }

  advance(count: number): void {
    this.at += count;
    this.offset += count;
  }

  #gather(count: number): void {
    if (this.unread === 0) {
      if (this.#rest.length === 0) {
        return;
      }
      this.#show(this.#rest, this.#rest.length);
      this.#rest = NO_BYTES;
      if (this.unread >= count) {
        return;
      }
    }
    /* A chunk is full and has no room; a buffer made here has room for the bytes it was made for. */
    if (this.bytes.length - this.at < count) {
      const unread = this.bytes.subarray(this.at, this.#end);
      this.#show(new Uint8Array(count), unread.length);
      this.bytes.set(unread);
    }
    const taken = this.#rest.subarray(0, count - this.unread);
    this.bytes.set(taken, this.#end);
    this.#end += taken.length;
    this.#rest = this.#rest.subarray(taken.length);
  }

  #show(bytes: Uint8Array, end: number): void {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.at = 0;
    this.#end = end;
  }
}

export type Parser = Generator<CapturePacket | undefined, void, void>;
export type Wait<Result> = Generator<undefined, Result, void>;

/** Waits for a byte. @returns false when the file ends here */
export function* another(window: ByteWindow): Wait<boolean> {
  while (!window.has(1)) {
    if (window.ended) {
      return false;
    }
    yield undefined;
  }
  return true;
}

/** Waits for a header of `headerBytes`, and `bodyBytes` after it; `claim` begins the message when they do not come. */
export function* arrival(window: ByteWindow, claim: string, bodyBytes: number, headerBytes = 0): Wait<void> {
  while (!window.has(headerBytes + bodyBytes)) {
    if (window.ended) {
      const got = window.unread - headerBytes;
      throw new CaptureError(window.offset, `${claim} ${bodyBytes} bytes but the file ends after ${got}`);
    }
    yield undefined;
  }
}
