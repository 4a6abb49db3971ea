/** Common to both formats of capture files: the packet, the error, and the bytes that have arrived. */

import { UsageError } from '../../core/errors.ts';

/** libpcap's limit (MAXIMUM_SNAPLEN): a longer record is a broken length. */
export const MAX_FRAME_BYTES = 262_144;

export interface CapturePacket {
  /**
   * The captured part of the frame, with its frame check sequence if the file has one. Always Ethernet: a packet of another link type
   * gets an Ethernet header instead of its own. It may be a view of a chunk, valid until the next packet is read. Copy it to keep it.
   */
  frame: Uint8Array;
  /** Length of the frame on the wire. If more than the record holds, the packet is cut. */
  originalBytes: number;
  /** Since the epoch, in ms. A double: exact to about 250 ns. */
  timestampMs: number;
  /** Number in the file, from 1 on. Skipped packets count. */
  number: number;
  /** LINKTYPE_ value of the record; 1 is Ethernet. */
  linkType: number;
}

/** The file is broken, or of an unsupported kind. */
export class CaptureError extends UsageError {
  /** Start of the broken header, record or block, in bytes from the start of the file. */
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
 * The bytes that have arrived and are not used yet. The parser reads a chunk in place. Only a header or record across the end of a chunk
 * is copied together, before the next chunk is read: a source may reuse its buffer.
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
  /** Offsets count in the decompressed file. */
  isDecompressed = false;
  #end = 0;
  /** The part of the latest chunk that is not in `bytes` yet. Empty after `has` returned false. */
  #rest: Uint8Array = NO_BYTES;

  /** Takes the next chunk. Allowed only after `has` returned false. */
  append(chunk: Uint8Array): void {
    /* Not `subarray`: the frames of a Buffer would be Buffers. */
    this.#rest = new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length);
  }

  get unread(): number {
    return this.#end - this.at;
  }

  /** Whether the next `count` bytes have arrived. If so, they lie in one piece in `bytes`, from `at` on. */
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
    /* A chunk has no space behind its bytes. A buffer that was made here has space for the bytes it was made for. */
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

/** Waits for a header of `headerBytes`, and `bodyBytes` behind it. @param claim begins the error message if the file ends first */
export function* arrival(window: ByteWindow, claim: string, bodyBytes: number, headerBytes = 0): Wait<void> {
  while (!window.has(headerBytes + bodyBytes)) {
    if (window.ended) {
      const got = window.unread - headerBytes;
      throw new CaptureError(window.offset, `${claim} ${bodyBytes} bytes but the file ends after ${got}`);
    }
    yield undefined;
  }
}
