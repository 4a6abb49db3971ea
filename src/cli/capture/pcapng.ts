/** Pcapng files (draft-ietf-opsawg-pcapng). */

import { another, arrival, CaptureError, requireFrameLength } from './bytes.ts';
import type { ByteWindow, CapturePacket, Parser, Wait } from './bytes.ts';
import { boundedTimeMs } from './clock.ts';
import { isTrackable, requireTrackable, Wrapper } from './link-types.ts';
import type { CaptureNotes } from './notes.ts';

/** Enough for the largest frame and many options. Blocks of unknown types are skipped, and may be longer. */
const MAX_BLOCK_BYTES = 2 ** 20;
/** Most interfaces of a section. Without a limit, an endless stream of descriptions would fill the memory. */
const MAX_INTERFACES = 65_536;

export const BlockType = {
  /** Reads the same in either byte order. */
  section: 0x0a0d0d0a,
  interface: 1,
  obsoletePacket: 2,
  simplePacket: 3,
  enhancedPacket: 6,
} as const;
/** Minimum length of a block, without packet data and options. Other types are skipped. */
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

/** Parses a pcapng file. Packets of untrackable link types are skipped. If there are no others, that is an error. */
export function* parseBlocks(window: ByteWindow, notes: CaptureNotes): Parser {
  const wrapper = new Wrapper();
  let section: Section = { littleEndian: false, interfaces: [] };
  let number = 0;
  let timestampMs = 0;
  let firstSkipped: { offset: number; linkType: number } | undefined;
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
      if (isTrackable(packet.linkType)) {
        notes.count(packet.frame.length, packet.originalBytes);
        packet.frame = wrapper.frame(packet.linkType, packet.frame);
        window.advance(blockBytes);
        yield packet;
        continue;
      }
      firstSkipped ??= { offset: window.offset, linkType: packet.linkType };
      notes.skip(packet.linkType, number);
    }
    window.advance(blockBytes);
  }
  if (firstSkipped !== undefined && notes.packets === 0) {
    requireTrackable(firstSkipped.offset, firstSkipped.linkType);
  }
}

function requireTrailer(offset: number, blockBytes: number, trailer: number): void {
  if (trailer !== blockBytes) {
    throw new CaptureError(offset, `block says ${blockBytes} bytes at its start but ${trailer} at its end`);
  }
}

/** Skips a block of any length without buffering it. */
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
  /** For a simple packet block, which has no time: that of the packet before. */
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

/** Nanoseconds since 1970 do not fit into a double. So the whole seconds are split off the high half first, where `%` is exact. */
function blockTimestampMs(high: number, low: number, source: CaptureInterface): number {
  const units = source.unitsPerSecond;
  const upper = high * 2 ** 32;
  const upperRest = upper % units;
  const rest = upperRest + low;
  const fraction = rest % units;
  const seconds = Math.round((upper - upperRest) / units) + Math.round((rest - fraction) / units);
  return boundedTimeMs((seconds + source.offsetSeconds) * 1000 + (fraction * 1000) / units);
}
