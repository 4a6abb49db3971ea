/** A batch of packets: where they are, not what they are. */

import { allocateWords, type Words } from '../../shared/access.ts';
import { expectWhole, shown, UsageError } from '../errors.ts';
import { expectOptions, type OptionNames } from '../options/option-names.ts';
import { ChecksumBit, frameByteOffset, GROWTH_BYTES, PacketWord, roomyPacketWords } from './layout.ts';
import { type InvalidReason, invalidReason, type RefusedReason, refusedReason } from './reason.ts';

/** Packets of a batch, as in the reference datapath (NETDEV_MAX_BURST). */
export const MAX_BATCH = 32;

/**
 * Packets that a batch has after a call at most: fragments that come back may be more than went in. All of a 64 KiB
 * IPv4 datagram in fragments of the smallest minimum size (400 bytes) fit beside other packets.
 */
export const MAX_RETURNED = 256;

/** Largest memory of `PacketBatch.allocate` for frames. */
const MAX_FRAME_BYTES = 1 << 30;

/** Memory of `PacketBatch.allocate` for fragments that come back from earlier batches. */
const SPARE_WORDS = 1 << 17;

/** What a sender knows of a packet. */
export interface PacketMetadata {
  /** ChecksumBit flags; default 0: to be verified. */
  checksums?: number;
  /** For the sender's own use. */
  number?: number;
}

export interface SpareMemory {
  start: number;
  end: number;
}

const SPARE_NAMES: OptionNames<SpareMemory> = { start: true, end: true };
const METADATA_NAMES: OptionNames<PacketMetadata> = { checksums: true, number: true };
const KNOWN_CHECKSUMS = ChecksumBit.IP_GOOD | ChecksumBit.L4_GOOD | ChecksumBit.IP_BAD | ChecksumBit.L4_BAD;

/**
 * Up to 32 packets in one region of words. The region is a ring's for packets that a PMD received, or the batch's own
 * (`PacketBatch.allocate`).
 */
export class PacketBatch {
  /** The region; every index in `slots` is a word of it. */
  readonly words: Words;
  /** Word index of each packet (packet/layout.ts). */
  readonly slots: Int32Array = new Int32Array(MAX_RETURNED);
  /**
   * Packets in the batch. After a call these are the ones that come back: held fragments are missing, those of
   * datagrams that got complete stand at the end.
   */
  count = 0;
  /** @internal The words of the table that it was sent through last: what its packets remember is of that one. */
  table: Words | undefined = undefined;
  readonly #bytes: Uint8Array<SharedArrayBuffer>;
  /** Words for packets that are added: up to here. */
  readonly #end: number;
  #used = 0;
  /** Where the next fragment from an earlier batch is put, up to #spareEnd. */
  #spare = 0;
  #spareStart = 0;
  #spareEnd = 0;

  /**
   * @param spare part of the region where fragments that come back from earlier batches are put; none by default
   * @throws UsageError unless the words are shared, and the part lies in them
   */
  constructor(words: Words, given: SpareMemory = { start: words?.length, end: words?.length }) {
    if (!(words instanceof Int32Array && words.buffer instanceof SharedArrayBuffer)) {
      throw new UsageError(
        'the words of a batch must be an Int32Array of shared memory (PacketBatch.allocate makes one)',
      );
    }
    const spare = expectOptions('the spare part of a batch', given, SPARE_NAMES);
    expectWhole('the start of the spare part', spare.start, 0, words.length);
    expectWhole('the end of the spare part', spare.end, spare.start, words.length);
    this.words = words;
    this.#bytes = new Uint8Array(words.buffer, words.byteOffset, words.length * 4);
    this.#end = spare.start;
    this.#spareStart = (spare.start + 1) & ~1;
    this.#spareEnd = spare.end;
    this.#spare = this.#spareStart;
  }

  /**
   * A batch with memory of its own.
   * @param frameBytes for all frames of a batch together, in bytes
   * @throws UsageError unless that is a whole number up to 1 GiB
   */
  static allocate(frameBytes = MAX_BATCH * 2048): PacketBatch {
    expectWhole('frameBytes', frameBytes, 0, MAX_FRAME_BYTES);
    const own = (Math.ceil(frameBytes / 4) + MAX_BATCH * roomyPacketWords(16) + 1) & ~1;
    return new PacketBatch(allocateWords(own + SPARE_WORDS), { start: own, end: own + SPARE_WORDS });
  }

  /** @internal Its packets go to another table: the connections that they remember are not there. */
  moveTo(table: Words): void {
    if (this.table !== undefined) {
      for (let i = 0; i < this.count; i++) {
        clearPacket(this.words, this.slots[i]!);
      }
    }
    this.table = table;
  }

  /** Forgets all packets. */
  clear(): void {
    this.count = 0;
    this.#used = 0;
    this.resetSpare();
  }

  /** @internal The packets in spare memory are not needed any more. */
  resetSpare(): void {
    this.#spare = this.#spareStart;
  }

  /** @internal Did any packet of the batch come back from an earlier one? */
  get hasSpare(): boolean {
    return this.#spare !== this.#spareStart;
  }

  /** @internal Is this slot in the spare memory: did the packet come with an earlier batch? */
  isSpare(slot: number): boolean {
    return slot >= this.#spareStart && slot < this.#spareEnd;
  }

  /** @internal Takes spare memory for a packet of this many words. @returns its slot, or -1: no room */
  takeSpare(words: number): number {
    const slot = this.#spare;
    const next = slot + ((words + 1) & ~1);
    if (next > this.#spareEnd) {
      return -1;
    }
    this.#spare = next;
    return slot;
  }

  /**
   * Copies a frame (Ethernet, without FCS) into the batch.
   * @returns the packet's index in the batch
   * @throws UsageError when the batch or its memory is full, or something else than a frame is given
   */
  add(frame: Uint8Array, metadata: PacketMetadata = NO_METADATA): number {
    if (!(frame instanceof Uint8Array)) {
      throw new UsageError(`a frame must be a Uint8Array, not ${shown(frame)}`);
    }
    const known = metadata === NO_METADATA ? metadata : checkMetadata(metadata);
    const words = roomyPacketWords(frame.length);
    if (this.count >= MAX_BATCH) {
      throw new UsageError(`a batch has at most ${MAX_BATCH} packets: execute and clear it`);
    }
    if (this.#used + words > this.#end) {
      throw noRoom(frame.length, mostFrameBytes(this.#end - this.#used), mostFrameBytes(this.#end));
    }
    const slot = this.#used;
    writePacket(this.words, this.#bytes, slot, frame, known);
    this.#used += (words + 1) & ~1;
    this.slots[this.count] = slot;
    return this.count++;
  }

  /** The connection tracking state of packet `index`: CtState flags. */
  state(index: number): number {
    return this.words[this.slots[index]! + PacketWord.STATE]!;
  }

  /** Why packet `index` opened no connection although the action commits; undefined: it was not refused. */
  refused(index: number): RefusedReason | undefined {
    return refusedReason(this.words, this.slots[index]!);
  }

  /** Why packet `index` is `inv`; undefined: it is not. */
  invalid(index: number): InvalidReason | undefined {
    return invalidReason(this.words, this.slots[index]!);
  }

  /** The frame of packet `index`: a view of the batch's memory. */
  frame(index: number): Uint8Array {
    const slot = this.slots[index]!;
    const start = frameByteOffset(slot);
    return this.#bytes.subarray(start, start + this.words[slot + PacketWord.LENGTH]!);
  }
}

const NO_METADATA: PacketMetadata = {};

/** Largest frame that fits so many words; below 0: none does. */
function mostFrameBytes(words: number): number {
  let bytes = (words - roomyPacketWords(0)) * 4;
  while (roomyPacketWords(bytes + 1) <= words) {
    bytes++;
  }
  return bytes;
}

function noRoom(bytes: number, left: number, most: number): UsageError {
  if (bytes > most) {
    const fits = most < 0 ? 'none fits' : `at most ${most} bytes fit`;
    return new UsageError(
      `a frame of ${bytes} bytes is too large for this batch: ${fits} (PacketBatch.allocate takes the bytes of all frames)`,
    );
  }
  const room = left < 0 ? 'no room is left' : `there is room for ${left} bytes`;
  return new UsageError(`a frame of ${bytes} bytes does not fit this batch now, ${room}: execute and clear it`);
}

function checkMetadata(given: PacketMetadata): PacketMetadata {
  const { checksums = 0, number = 0 } = expectOptions('the metadata of a packet', given, METADATA_NAMES);
  expectWhole('checksums', checksums, 0, KNOWN_CHECKSUMS);
  expectWhole('the number of a packet', number, -0x80000000, 0xffffffff);
  return { checksums, number };
}

/** Writes a packet at `slot`, where there are roomyPacketWords: fresh metadata, and the frame. */
export function writePacket(
  words: Words,
  bytes: Uint8Array,
  slot: number,
  frame: Uint8Array,
  metadata: PacketMetadata,
): void {
  words.fill(0, slot + PacketWord.LENGTH, slot + PacketWord.FRAME);
  words[slot + PacketWord.LENGTH] = frame.length;
  words[slot + PacketWord.CHECKSUMS] = metadata.checksums ?? 0;
  words[slot + PacketWord.NUMBER] = metadata.number ?? 0;
  words[slot + PacketWord.ROOM] = frame.length + GROWTH_BYTES;
  bytes.set(frame, frameByteOffset(slot));
}

/** Forgets everything the tracker attached to a packet but the checksum verdicts (`ct_clear`). */
export function clearPacket(words: Words, slot: number): void {
  words[slot + PacketWord.STATE] = 0;
  words[slot + PacketWord.CONN] = 0;
  words[slot + PacketWord.REASON] = 0;
}
