/** Classic pcap files: reading, and writing the simplest kind. */

import { UsageError } from '../../core/errors.ts';
import { another, arrival, CaptureError, MAX_FRAME_BYTES, requireFrameLength } from './bytes.ts';
import type { ByteWindow, Parser } from './bytes.ts';
import { ETHERNET, requireTrackable, Wrapper } from './link-types.ts';
import type { CaptureNotes } from './notes.ts';

export interface PcapKind {
  littleEndian: boolean;
  unitsPerSecond: number;
  recordHeaderBytes: number;
}

const PCAP_HEADER_BYTES = 24;
const PCAP_RECORD_BYTES = 16;
/** A record header of the modified format: interface, protocol and direction follow the lengths. */
const MODIFIED_RECORD_BYTES = 24;

function kinds(magic: number, unitsPerSecond: number, recordHeaderBytes: number): [number, PcapKind][] {
  const view = new DataView(new ArrayBuffer(4));
  view.setUint32(0, magic, true);
  return [
    [magic, { littleEndian: false, unitsPerSecond, recordHeaderBytes }],
    [view.getUint32(0), { littleEndian: true, unitsPerSecond, recordHeaderBytes }],
  ];
}

/** The kinds of classic pcap files, by magic number in network order. */
export const PCAP_KINDS: ReadonlyMap<number, PcapKind> = new Map([
  ...kinds(0xa1b2c3d4, 1e6, PCAP_RECORD_BYTES),
  ...kinds(0xa1b23c4d, 1e9, PCAP_RECORD_BYTES),
  ...kinds(0xa1b2cd34, 1e6, MODIFIED_RECORD_BYTES),
]);
/** The bits above hold the length of frame check sequences. */
const LINK_TYPE_MASK = 0x03ff_ffff;

/** The first of a record's two lengths: before version 2.3 the original one, in 2.3 either one. */
type FirstLength = 'captured' | 'original' | 'either';

/** @throws CaptureError for an unknown version */
function firstLengthOf(major: number, minor: number): FirstLength {
  if (major === 2 && minor <= 4) {
    return minor < 3 ? 'original' : minor === 3 ? 'either' : 'captured';
  }
  /* The tcpdump of DG/UX. */
  if (major === 543 && minor === 0) {
    return 'original';
  }
  throw new CaptureError(
    0,
    `pcap version ${major}.${minor} is not supported, only 2.0 to 2.4: convert it with editcap`,
  );
}

/** Parses a classic pcap file behind its magic number. */
export function* parseRecords(window: ByteWindow, kind: PcapKind, notes: CaptureNotes): Parser {
  const { littleEndian, unitsPerSecond, recordHeaderBytes } = kind;
  yield* arrival(window, 'the pcap header takes', PCAP_HEADER_BYTES);
  const major = window.view.getUint16(window.at + 4, littleEndian);
  const minor = window.view.getUint16(window.at + 6, littleEndian);
  const firstLength = firstLengthOf(major, minor);
  const linkType = window.view.getUint32(window.at + 20, littleEndian) & LINK_TYPE_MASK;
  requireTrackable(0, linkType);
  const wrapper = new Wrapper();
  window.advance(PCAP_HEADER_BYTES);
  for (let number = 1; window.has(1) || (yield* another(window)); number++) {
    if (!window.has(recordHeaderBytes)) {
      yield* arrival(window, 'a record header takes', recordHeaderBytes);
    }
    let capturedBytes = window.view.getUint32(window.at + 8, littleEndian);
    let originalBytes = window.view.getUint32(window.at + 12, littleEndian);
    if (firstLength === 'original' || (firstLength === 'either' && capturedBytes > originalBytes)) {
      [capturedBytes, originalBytes] = [originalBytes, capturedBytes];
    }
    requireFrameLength(window.offset, capturedBytes);
    if (!window.has(recordHeaderBytes + capturedBytes)) {
      yield* arrival(window, 'record says', capturedBytes, recordHeaderBytes);
    }
    const { view, at } = window;
    const seconds = view.getUint32(at, littleEndian);
    let fraction = view.getUint32(at + 4, littleEndian);
    if (fraction >= unitsPerSecond) {
      notes.badFractions.add(number);
      fraction = unitsPerSecond - 1;
    }
    const start = at + recordHeaderBytes;
    const frame = wrapper.frame(linkType, window.bytes.subarray(start, start + capturedBytes));
    notes.count(capturedBytes, originalBytes);
    window.advance(recordHeaderBytes + capturedBytes);
    yield { frame, originalBytes, timestampMs: seconds * 1000 + (fraction * 1000) / unitsPerSecond, number, linkType };
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
 * @param originalBytes length on the wire: more than the frame has if it was cut
 * @throws UsageError for a frame or a time that the format cannot hold
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
