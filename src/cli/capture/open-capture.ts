/**
 * Capture files: classic pcap and pcapng, from a file or a pipe, compressed or not.
 *
 * The parsers are synchronous generators over the bytes that have arrived. They yield packets, and undefined when they need the
 * next chunk. So chunks are awaited, packets are not. Parsers check every length before they wait for its bytes: a broken file
 * costs no more memory than its largest legal block.
 */

import { another, arrival, ByteWindow, CaptureError } from './bytes.ts';
import type { CapturePacket, Parser } from './bytes.ts';
import { CaptureClock } from './clock.ts';
import { compressionText, decompressed } from './compression.ts';
import { CaptureNotes } from './notes.ts';
import { parseRecords, PCAP_KINDS } from './pcap.ts';
import { withSilences } from './silence.ts';
import { BlockType, parseBlocks } from './pcapng.ts';

export { CaptureError, MAX_FRAME_BYTES } from './bytes.ts';
export type { CapturePacket } from './bytes.ts';
export { CaptureClock } from './clock.ts';
export { CaptureNotes } from './notes.ts';
export { pcapHeader, pcapRecord } from './pcap.ts';
export { CaptureSource, fileChunks, requireRepeatable } from './source.ts';

function* parse(window: ByteWindow, notes: CaptureNotes): Parser {
  try {
    yield* parseFile(window, notes);
  } catch (error) {
    throw window.isDecompressed && error instanceof CaptureError ? error.ofDecompressed() : error;
  }
}

function* parseFile(window: ByteWindow, notes: CaptureNotes): Parser {
  if (!(yield* another(window))) {
    throw new CaptureError(0, 'the file is empty');
  }
  yield* arrival(window, 'a capture file begins with a magic number of', 4);
  const magic = window.view.getUint32(window.at);
  const kind = PCAP_KINDS.get(magic);
  if (kind !== undefined) {
    yield* parseRecords(window, kind, notes);
  } else if (magic === BlockType.section) {
    yield* parseBlocks(window, notes);
  } else {
    const compression = compressionText(window.bytes.subarray(window.at, window.at + window.unread));
    const hex = magic.toString(16).padStart(8, '0');
    const kindText = compression === undefined ? `magic number 0x${hex} is neither pcap nor pcapng` : '';
    throw new CaptureError(0, compression ?? `${kindText}: convert it with editcap`);
  }
}

/** The packets of the parser, in the order and at the times of the clock. */
function* onTime(parser: Parser, clock: CaptureClock): Parser {
  for (const packet of parser) {
    if (packet === undefined || clock.take(packet)) {
      yield packet;
    } else {
      yield* waited(clock, false);
    }
  }
}

function* waited(clock: CaptureClock, isEnd: boolean): Generator<CapturePacket, void, void> {
  for (let packet = clock.next(isEnd); packet; packet = clock.next(isEnd)) {
    yield packet;
  }
}

export interface ReadCaptureOptions {
  /** Counts unusual packets. */
  notes?: CaptureNotes;
  /** Sets `nowMs` before each packet to its tracking time. It may hold packets back to decide that. */
  clock?: CaptureClock;
}

/**
 * The packets of a pcap or pcapng file, which may be compressed with gzip (or zstd, where Node can).
 * @throws CaptureError at the first broken place, after yielding all packets before it
 */
export async function* readCapture(
  chunks: AsyncIterable<Uint8Array>,
  { notes = new CaptureNotes(), clock }: ReadCaptureOptions = {},
): AsyncGenerator<CapturePacket, void, void> {
  const window = new ByteWindow();
  const parser = parse(window, notes);
  const onCompressed = () => {
    window.isDecompressed = true;
  };
  const packets = clock === undefined ? parser : onTime(parser, clock);
  try {
    const isWaiting = () => clock?.isWaiting === true;
    for await (const chunk of withSilences(decompressed(chunks, onCompressed), isWaiting)) {
      if (chunk === undefined) {
        yield* waited(clock!, true);
        continue;
      }
      window.append(chunk);
      for (let packet = packets.next().value; packet; packet = packets.next().value) {
        yield packet;
      }
    }
    window.ended = true;
    for (let packet = packets.next().value; packet; packet = packets.next().value) {
      yield packet;
    }
  } catch (error) {
    if (clock !== undefined) {
      yield* waited(clock, true);
    }
    throw error;
  }
  if (clock !== undefined) {
    yield* waited(clock, true);
  }
}
