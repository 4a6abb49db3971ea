/**
 * Capture files: classic pcap and pcapng, from a file or a pipe.
 *
 * The parsers are synchronous generators over the bytes that have arrived. They yield packets, and undefined when they
 * cannot go on without the next chunk: chunks are awaited, packets are not. Every length is checked before it is waited
 * for, so that a broken file costs no more memory than MAX_BLOCK_BYTES.
 */

import { createReadStream } from 'node:fs';
import { UsageError } from '../core/errors.ts';

/** libpcap's limit (MAXIMUM_SNAPLEN): a longer record is a broken length. */
export const MAX_FRAME_BYTES = 262_144;
/** A frame and a generous share of options. Blocks of unknown types are skipped and may be longer. */
const MAX_BLOCK_BYTES = 2 ** 20;
/** Of a section; keeps an endless stream of descriptions from filling the memory. */
const MAX_INTERFACES = 65_536;
const FILE_CHUNK_BYTES = 2 ** 18;

export interface CapturePacket {
  /**
   * What was captured of the frame, with its frame check sequence if the file has those. It may be a view of a chunk
   * and is valid until the next packet is asked for; copy it to keep it.
   */
  frame: Uint8Array;
  /** Length of the frame on the wire; more than `frame.length` when the capture cut it short. */
  originalBytes: number;
  /** Since the epoch. A float: microseconds are kept, of nanoseconds about the last 250 are not. */
  timestampMs: number;
  /** The first packet of the file is 1. */
  number: number;
  /** LINKTYPE_ value; 1 is Ethernet. */
  linkType: number;
}

/** The file is broken or of an unsupported kind. */
export class CaptureError extends UsageError {
  /** Where the broken header, record or block starts, in bytes from the start of the file. */
  readonly offset: number;

  constructor(offset: number, problem: string) {
    super(`offset ${offset}: ${problem}`);
    this.offset = offset;
  }
}

const ETHERNET = 1;
const LINK_TYPE_NAMES: Record<number, string> = {
  0: 'BSD loopback',
  101: 'raw IP',
  105: 'IEEE 802.11',
  113: 'Linux cooked',
  127: 'IEEE 802.11 radiotap',
  276: 'Linux cooked v2',
};

function requireEthernet(offset: number, linkType: number): void {
  if (linkType !== ETHERNET) {
    const name = LINK_TYPE_NAMES[linkType] ?? 'not Ethernet';
    const advice = 'only Ethernet (1) is supported: capture on an Ethernet interface, not on "any"';
    throw new CaptureError(offset, `link type ${linkType} (${name}): ${advice}`);
  }
}

function requireFrameLength(offset: number, bytes: number): void {
  if (bytes > MAX_FRAME_BYTES) {
    throw new CaptureError(offset, `record says ${bytes} bytes, more than the limit of ${MAX_FRAME_BYTES}`);
  }
}

const NO_BYTES = new Uint8Array(0);

/**
 * The bytes that have arrived and are not used yet. The parser sees a chunk in place; only what lies across the end of
 * a chunk is copied together, and before the next chunk is asked for: a source may use its buffer again.
 */
class ByteWindow {
  bytes: Uint8Array = NO_BYTES;
  view: DataView = new DataView(NO_BYTES.buffer);
  /** Index of the first unused byte, in `bytes` and in `view`. */
  at = 0;
  /** The same place in the file. */
  offset = 0;
  /** No more chunks follow. */
  ended = false;
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

type Parser = Generator<CapturePacket | undefined, void, void>;
type Wait<Result> = Generator<undefined, Result, void>;

/** Waits for a byte. @returns false when the file ends here */
function* another(window: ByteWindow): Wait<boolean> {
  while (!window.has(1)) {
    if (window.ended) {
      return false;
    }
    yield undefined;
  }
  return true;
}

/** Waits for a header of `headerBytes`, and `bodyBytes` after it; `claim` begins the message when they do not come. */
function* arrival(window: ByteWindow, claim: string, bodyBytes: number, headerBytes = 0): Wait<void> {
  while (!window.has(headerBytes + bodyBytes)) {
    if (window.ended) {
      const got = window.unread - headerBytes;
      throw new CaptureError(window.offset, `${claim} ${bodyBytes} bytes but the file ends after ${got}`);
    }
    yield undefined;
  }
}

/** The magic number, read in network order, of the four kinds of classic pcap files. */
const PCAP_KINDS = new Map([
  [0xa1b2c3d4, { littleEndian: false, unitsPerSecond: 1e6 }],
  [0xd4c3b2a1, { littleEndian: true, unitsPerSecond: 1e6 }],
  [0xa1b23c4d, { littleEndian: false, unitsPerSecond: 1e9 }],
  [0x4d3cb2a1, { littleEndian: true, unitsPerSecond: 1e9 }],
]);
const PCAP_HEADER_BYTES = 24;
const PCAP_RECORD_BYTES = 16;
/** Above these bits the link type has the length of frame check sequences. */
const LINK_TYPE_MASK = 0x03ff_ffff;

const BlockType = {
  /** Reads the same in either byte order. */
  section: 0x0a0d0d0a,
  interface: 1,
  obsoletePacket: 2,
  simplePacket: 3,
  enhancedPacket: 6,
} as const;
/** Bytes of a block without packet data and options; types that are not here are skipped. */
const BLOCK_BYTES = new Map<number, number>([
  [BlockType.section, 28],
  [BlockType.interface, 20],
  [BlockType.obsoletePacket, 32],
  [BlockType.simplePacket, 16],
  [BlockType.enhancedPacket, 32],
]);
const BYTE_ORDER_MAGIC = 0x1a2b3c4d;
const InterfaceOption = { end: 0, timestampResolution: 9, timestampOffset: 14 } as const;

interface CaptureInterface {
  linkType: number;
  /** 0: no limit. */
  snapLengthBytes: number;
  unitsPerSecond: number;
  offsetSeconds: number;
}

interface Section {
  littleEndian: boolean;
  interfaces: CaptureInterface[];
}

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

/** The rest of a classic pcap file. */
function* parseRecords(window: ByteWindow, littleEndian: boolean, unitsPerSecond: number): Parser {
  yield* arrival(window, 'the pcap header takes', PCAP_HEADER_BYTES);
  const major = window.view.getUint16(window.at + 4, littleEndian);
  const minor = window.view.getUint16(window.at + 6, littleEndian);
  if (major !== 2 || minor !== 4) {
    throw new CaptureError(0, `pcap version ${major}.${minor} is not supported, only 2.4: convert it with editcap`);
  }
  const linkType = window.view.getUint32(window.at + 20, littleEndian) & LINK_TYPE_MASK;
  requireEthernet(0, linkType);
  window.advance(PCAP_HEADER_BYTES);
  for (let number = 1; window.has(1) || (yield* another(window)); number++) {
    if (!window.has(PCAP_RECORD_BYTES)) {
      yield* arrival(window, 'a record header takes', PCAP_RECORD_BYTES);
    }
    const frameBytes = window.view.getUint32(window.at + 8, littleEndian);
    requireFrameLength(window.offset, frameBytes);
    if (!window.has(PCAP_RECORD_BYTES + frameBytes)) {
      yield* arrival(window, 'record says', frameBytes, PCAP_RECORD_BYTES);
    }
    const { view, at } = window;
    const seconds = view.getUint32(at, littleEndian);
    const fraction = view.getUint32(at + 4, littleEndian);
    const originalBytes = view.getUint32(at + 12, littleEndian);
    const frame = window.bytes.subarray(at + PCAP_RECORD_BYTES, at + PCAP_RECORD_BYTES + frameBytes);
    window.advance(PCAP_RECORD_BYTES + frameBytes);
    yield { frame, originalBytes, timestampMs: seconds * 1000 + (fraction * 1000) / unitsPerSecond, number, linkType };
  }
}

/** A pcapng file. */
function* parseBlocks(window: ByteWindow): Parser {
  let section: Section = { littleEndian: false, interfaces: [] };
  let number = 0;
  let timestampMs = 0;
  while (window.has(1) || (yield* another(window))) {
    if (!window.has(8)) {
      yield* arrival(window, 'a block header takes', 8);
    }
    const type = window.view.getUint32(window.at, section.littleEndian);
    if (type === BlockType.section) {
      yield* arrival(window, 'a section header begins with', 12);
      section = { littleEndian: isLittleEndian(window), interfaces: [] };
    }
    const blockBytes = window.view.getUint32(window.at + 4, section.littleEndian);
    if (blockBytes < 12 || blockBytes % 4 !== 0) {
      throw new CaptureError(window.offset, `block length ${blockBytes} is not a multiple of 4 from 12 on`);
    }
    const leastBytes = BLOCK_BYTES.get(type);
    if (leastBytes === undefined) {
      yield* skipBlock(window, blockBytes, section.littleEndian);
      continue;
    }
    if (blockBytes < leastBytes || blockBytes > MAX_BLOCK_BYTES) {
      const range = `${leastBytes} to ${MAX_BLOCK_BYTES}`;
      throw new CaptureError(window.offset, `block length ${blockBytes} is outside ${range}, for type ${type}`);
    }
    if (!window.has(blockBytes)) {
      yield* arrival(window, 'block says', blockBytes);
    }
    requireTrailer(window.offset, blockBytes, window.view.getUint32(window.at + blockBytes - 4, section.littleEndian));
    if (type === BlockType.section) {
      requireSectionVersion(window, section.littleEndian);
    } else if (type === BlockType.interface) {
      addInterface(window, blockBytes, section);
    } else {
      const packet = readPacket(window, { type, blockBytes, section, number: ++number, timestampMs });
      timestampMs = packet.timestampMs;
      window.advance(blockBytes);
      yield packet;
      continue;
    }
    window.advance(blockBytes);
  }
}

function requireTrailer(offset: number, blockBytes: number, trailer: number): void {
  if (trailer !== blockBytes) {
    throw new CaptureError(offset, `block says ${blockBytes} bytes at its start but ${trailer} at its end`);
  }
}

/** Skips a block of any length without keeping it. */
function* skipBlock(window: ByteWindow, blockBytes: number, littleEndian: boolean): Wait<void> {
  const start = window.offset;
  const trailerOffset = start + blockBytes - 4;
  while (window.offset < trailerOffset || !window.has(4)) {
    if (window.offset < trailerOffset && window.has(1)) {
      window.advance(Math.min(window.unread, trailerOffset - window.offset));
    } else if (window.ended) {
      const got = window.offset + window.unread - start;
      throw new CaptureError(start, `block says ${blockBytes} bytes but the file ends after ${got}`);
    } else {
      yield undefined;
    }
  }
  requireTrailer(start, blockBytes, window.view.getUint32(window.at, littleEndian));
  window.advance(4);
}

function isLittleEndian(window: ByteWindow): boolean {
  const littleEndian = window.view.getUint32(window.at + 8, true) === BYTE_ORDER_MAGIC;
  if (!littleEndian && window.view.getUint32(window.at + 8) !== BYTE_ORDER_MAGIC) {
    throw new CaptureError(window.offset, 'section header without the byte order magic number');
  }
  return littleEndian;
}

function requireSectionVersion(window: ByteWindow, littleEndian: boolean): void {
  const major = window.view.getUint16(window.at + 12, littleEndian);
  if (major !== 1) {
    throw new CaptureError(window.offset, `pcapng version ${major} is not supported, only 1: convert it with editcap`);
  }
}

/** Adds an interface description. Its link type does not matter until a packet comes from it. */
function addInterface(window: ByteWindow, blockBytes: number, section: Section): void {
  const { view, at, offset } = window;
  const { littleEndian, interfaces } = section;
  if (interfaces.length === MAX_INTERFACES) {
    throw new CaptureError(offset, `more than ${MAX_INTERFACES} interfaces in a section`);
  }
  const added: CaptureInterface = {
    linkType: view.getUint16(at + 8, littleEndian),
    snapLengthBytes: view.getUint32(at + 12, littleEndian),
    unitsPerSecond: 1e6,
    offsetSeconds: 0,
  };
  const end = at + blockBytes - 4;
  for (let option = at + 16; option < end; ) {
    const code = view.getUint16(option, littleEndian);
    const bytes = view.getUint16(option + 2, littleEndian);
    if (code === InterfaceOption.end) {
      break;
    }
    const value = option + 4;
    option = value + ((bytes + 3) & ~3);
    if (option > end) {
      throw new CaptureError(offset, `interface option ${code} says ${bytes} bytes but the block ends before that`);
    }
    if (code === InterfaceOption.timestampResolution) {
      requireOptionLength(offset, code, bytes, 1);
      const exponent = view.getUint8(value);
      /* Not 10 ** exponent, which is not exact for every exponent. */
      added.unitsPerSecond = exponent & 0x80 ? 2 ** (exponent & 0x7f) : Number(`1e${exponent}`);
    } else if (code === InterfaceOption.timestampOffset) {
      requireOptionLength(offset, code, bytes, 8);
      added.offsetSeconds = Number(view.getBigInt64(value, littleEndian));
    }
  }
  interfaces.push(added);
}

function requireOptionLength(offset: number, code: number, bytes: number, expected: number): void {
  if (bytes !== expected) {
    throw new CaptureError(offset, `interface option ${code} takes ${expected} bytes, not ${bytes}`);
  }
}

interface PacketBlock {
  type: number;
  blockBytes: number;
  section: Section;
  number: number;
  /** For a simple packet block, which has none: the previous packet's. */
  timestampMs: number;
}

function readPacket(window: ByteWindow, block: PacketBlock): CapturePacket {
  const { view, at, offset } = window;
  const { littleEndian, interfaces } = block.section;
  const simple = block.type === BlockType.simplePacket;
  let interfaceId = 0;
  if (!simple) {
    const short = block.type === BlockType.obsoletePacket;
    interfaceId = short ? view.getUint16(at + 8, littleEndian) : view.getUint32(at + 8, littleEndian);
  }
  const source = interfaces[interfaceId];
  if (source === undefined) {
    throw new CaptureError(offset, `packet of interface ${interfaceId} but the section describes ${interfaces.length}`);
  }
  requireEthernet(offset, source.linkType);
  const start = simple ? 12 : 28;
  const originalBytes = view.getUint32(at + start - 4, littleEndian);
  const frameBytes = simple
    ? Math.min(originalBytes, source.snapLengthBytes || originalBytes)
    : view.getUint32(at + 20, littleEndian);
  requireFrameLength(offset, frameBytes);
  if (start + frameBytes > block.blockBytes - 4) {
    const room = block.blockBytes - 4 - start;
    throw new CaptureError(offset, `record says ${frameBytes} bytes but its block has room for ${room}`);
  }
  return {
    frame: window.bytes.subarray(at + start, at + start + frameBytes),
    originalBytes,
    timestampMs: simple
      ? block.timestampMs
      : blockTimestampMs(view.getUint32(at + 12, littleEndian), view.getUint32(at + 16, littleEndian), source),
    number: block.number,
    linkType: source.linkType,
  };
}

/** Nanoseconds since 1970 do not fit in a double: whole seconds are split off the high half, where `%` is exact. */
function blockTimestampMs(high: number, low: number, source: CaptureInterface): number {
  const units = source.unitsPerSecond;
  const upper = high * 2 ** 32;
  const upperRest = upper % units;
  const rest = upperRest + low;
  const fraction = rest % units;
  const seconds = Math.round((upper - upperRest) / units) + Math.round((rest - fraction) / units);
  return (seconds + source.offsetSeconds) * 1000 + (fraction * 1000) / units;
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

/**
 * The bytes of a file; '-' is standard input.
 * @throws UsageError when it cannot be read
 */
export async function* fileChunks(path: string): AsyncGenerator<Uint8Array, void, void> {
  try {
    yield* path === '-' ? process.stdin : createReadStream(path, { highWaterMark: FILE_CHUNK_BYTES });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) {
      throw error;
    }
    const name = path === '-' ? 'standard input' : path;
    throw new UsageError(`${name}: ${FILE_PROBLEMS[code] ?? `cannot be read (${code})`}`);
  }
}

/** The header of a classic pcap file: little-endian, microseconds. Records follow. */
export function pcapHeader(options: { snapLengthBytes?: number; linkType?: number } = {}): Uint8Array {
  const view = new DataView(new ArrayBuffer(PCAP_HEADER_BYTES));
  view.setUint32(0, 0xa1b2c3d4, true);
  view.setUint16(4, 2, true);
  view.setUint16(6, 4, true);
  view.setUint32(16, options.snapLengthBytes ?? MAX_FRAME_BYTES, true);
  view.setUint32(20, options.linkType ?? ETHERNET, true);
  return new Uint8Array(view.buffer);
}

/**
 * A record for a file that `pcapHeader` begins.
 * @param timestampMs since the epoch, kept to the microsecond
 * @param originalBytes more than the frame has when it was cut short
 * @throws UsageError for what such a file cannot hold
 */
export function pcapRecord(frame: Uint8Array, timestampMs: number, originalBytes = frame.length): Uint8Array {
  const seconds = Math.floor(Math.round(timestampMs * 1000) / 1e6);
  if (frame.length > MAX_FRAME_BYTES || !(seconds >= 0 && seconds < 2 ** 32)) {
    throw new UsageError(`a pcap file holds frames of up to ${MAX_FRAME_BYTES} bytes from the years 1970 to 2105`);
  }
  const record = new Uint8Array(PCAP_RECORD_BYTES + frame.length);
  const view = new DataView(record.buffer);
  view.setUint32(0, seconds, true);
  view.setUint32(4, Math.round(timestampMs * 1000) - seconds * 1e6, true);
  view.setUint32(8, frame.length, true);
  view.setUint32(12, originalBytes, true);
  record.set(frame, PCAP_RECORD_BYTES);
  return record;
}
