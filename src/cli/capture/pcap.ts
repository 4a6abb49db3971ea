/** Classic pcap files: reading, and writing the simplest kind. */

import { UsageError } from '../../core/errors.ts';
import {
  another,
  arrival,
  CaptureError,
  ETHERNET,
  MAX_FRAME_BYTES,
  requireEthernet,
  requireFrameLength,
} from './bytes.ts';
import type { ByteWindow, Parser } from './bytes.ts';

/** The magic number, read in network order, of the four kinds of classic pcap files. */
export const PCAP_KINDS = new Map([
  [0xa1b2c3d4, { littleEndian: false, unitsPerSecond: 1e6 }],
  [0xd4c3b2a1, { littleEndian: true, unitsPerSecond: 1e6 }],
  [0xa1b23c4d, { littleEndian: false, unitsPerSecond: 1e9 }],
  [0x4d3cb2a1, { littleEndian: true, unitsPerSecond: 1e9 }],
]);
const PCAP_HEADER_BYTES = 24;
const PCAP_RECORD_BYTES = 16;
/** Above these bits the link type has the length of frame check sequences. */
const LINK_TYPE_MASK = 0x03ff_ffff;

/** The rest of a classic pcap file. */
export function* parseRecords(window: ByteWindow, littleEndian: boolean, unitsPerSecond: number): Parser {
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
