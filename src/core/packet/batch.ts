/** A batch of packets: the word indexes of up to 32 packets in one region. */

import type { Words } from '../../shared/access.ts';
import { allocatePacketWords, type PacketPlace } from '../memory/module-memory.ts';
import { expectWhole, shown, UsageError } from '../errors.ts';
import { expectOptions, type OptionNames } from '../options/option-names.ts';
import { ChecksumBit, frameByteOffset, GROWTH_BYTES, PacketWord, growablePacketWords } from './layout.ts';
import { type InvalidReason, invalidReason, type RefusedReason, refusedReason } from './reason.ts';

/** Packets of a batch, as in Open vSwitch (NETDEV_MAX_BURST). */
export const MAX_BATCH = 32;

/**
 * The largest number of packets in a batch after a call: more fragments may come back than went in. All fragments of a
 * 64 KiB IPv4 datagram, at the smallest minimum size (400 bytes), fit beside other packets.
 */
export const MAX_RETURNED = 256;

/** Largest memory of `PacketBatch.allocate` for frames. */
const MAX_FRAME_BYTES = 1 << 30;

/** Words that `PacketBatch.allocate` adds for fragments that come back from earlier batches. */
const SPARE_WORDS = 1 << 17;

/** What a sender knows about a packet. */
export interface PacketMetadata {
  /** ChecksumBit flags. Default 0: the tracker verifies the checksums. */
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
 * Up to 32 packets in one region of words. The region belongs to the ring of a PMD, or to the batch itself
 * (`PacketBatch.allocate`).
 */
export class PacketBatch {
  /** The region. Every index in `slots` is a word of it. */
  readonly words: Words;
  /** Word index of each packet (packet/layout.ts). */
  readonly slots: Int32Array;
  /**
   * Packets in the batch. After a call: the packets that came back. Held fragments are missing. The fragments of
   * completed datagrams stand at the end.
   */
  count = 0;
  /**
   * @internal The words of the table that executed the batch last. The connections that the packets remember are in
   * that table.
   */
  table: Words | undefined = undefined;
  readonly #bytes: Uint8Array<SharedArrayBuffer>;
  /** Packets are added up to this word. */
  readonly #end: number;
  #used = 0;
  /** The next free word of the spare memory, which ends at #spareEnd. */
  #spare = 0;
  #spareStart = 0;
  #spareEnd = 0;

  /**
   * @param spare the part of the region for fragments that come back from earlier batches; default: none
   * @throws UsageError unless the words are shared and contain the spare part
   */
  constructor(
    words: Words,
    given: SpareMemory = { start: words?.length, end: words?.length },
    slots: Int32Array = new Int32Array(MAX_RETURNED),
  ) {
    if (!(words instanceof Int32Array && words.buffer instanceof SharedArrayBuffer)) {
      throw new UsageError(
        'the words of a batch must be an Int32Array of shared memory (PacketBatch.allocate makes one)',
      );
    }
    const spare = expectOptions('the spare part of a batch', given, SPARE_NAMES);
    expectWhole('the start of the spare part', spare.start, 0, words.length);
    expectWhole('the end of the spare part', spare.end, spare.start, words.length);
    this.words = words;
    this.slots = slots;
    this.#bytes = new Uint8Array(words.buffer, words.byteOffset, words.length * 4);
    this.#end = spare.start;
    this.#spareStart = (spare.start + 1) & ~1;
    this.#spareEnd = spare.end;
    this.#spare = this.#spareStart;
  }

  /**
   * Allocates a batch with its own memory.
   * @param frameBytes the sum of the sizes of its frames, in bytes
   * @param memory of the table that will judge most of its packets: the batch lies beside it, so that the packet module
   *   can judge them. Such memory is not taken back before the table's
   * @throws UsageError unless that is a whole number up to 1 GiB, and the place is the memory of a table
   */
  static allocate(frameBytes = MAX_BATCH * 2048, memory: PacketPlace | undefined = undefined): PacketBatch {
    expectWhole('frameBytes', frameBytes, 0, MAX_FRAME_BYTES);
    const own = (Math.ceil(frameBytes / 4) + MAX_BATCH * growablePacketWords(16) + 1) & ~1;
    if (memory !== undefined && !(memory?.words instanceof Int32Array)) {
      throw new UsageError(
        `the place of a batch must be the memory of a table (conntrack.memory), not ${shown(memory)}`,
      );
    }
    const module = memory?.module;
    const words = allocatePacketWords(module, own + SPARE_WORDS);
    const slots = allocatePacketWords(module, MAX_RETURNED);
    return new PacketBatch(words, { start: own, end: own + SPARE_WORDS }, slots);
  }

  /** @internal The batch goes to another table. Its packets forget their connections, which are not in that table. */
  moveTo(table: Words): void {
    if (this.table !== undefined) {
      for (let i = 0; i < this.count; i++) {
        clearPacket(this.words, this.slots[i]!);
      }
    }
    this.table = table;
  }

  /** Removes all packets from the batch. */
  clear(): void {
    this.count = 0;
    this.#used = 0;
    this.resetSpare();
  }

  /** @internal Releases the spare memory. */
  resetSpare(): void {
    this.#spare = this.#spareStart;
  }

  /** @internal Has any packet come back from an earlier batch? */
  get hasSpare(): boolean {
    return this.#spare !== this.#spareStart;
  }

  /** @internal Is this slot in the spare memory, so that its packet came with an earlier batch? */
  isSpare(slot: number): boolean {
    return slot >= this.#spareStart && slot < this.#spareEnd;
  }

  /** @internal Takes spare memory for a packet of this many words. @returns its slot, or -1 if there is no space */
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
   * @throws UsageError if the batch or its memory is full, or if `frame` is not a Uint8Array
   */
  add(frame: Uint8Array, metadata: PacketMetadata = NO_METADATA): number {
    if (!(frame instanceof Uint8Array)) {
      throw new UsageError(`a frame must be a Uint8Array, not ${shown(frame)}`);
    }
    const known = metadata === NO_METADATA ? metadata : checkMetadata(metadata);
    const words = growablePacketWords(frame.length);
    if (this.count >= MAX_BATCH) {
      throw new UsageError(`a batch has at most ${MAX_BATCH} packets: execute and clear the batch`);
    }
    if (this.#used + words > this.#end) {
      throw noSpace(frame.length, mostFrameBytes(this.#end - this.#used), mostFrameBytes(this.#end));
    }
    const slot = this.#used;
    writePacket(this.words, this.#bytes, slot, frame, known);
    this.#used += (words + 1) & ~1;
    this.slots[this.count] = slot;
    return this.count++;
  }

  /** The connection state of packet `index`: CtState flags. */
  state(index: number): number {
    return this.words[this.slots[index]! + PacketWord.STATE]!;
  }

  /** Why packet `index` created no connection although the action commits. Undefined: it was not refused. */
  refused(index: number): RefusedReason | undefined {
    return refusedReason(this.words, this.slots[index]!);
  }

  /** Why packet `index` is `inv`. Undefined: it is not. */
  invalid(index: number): InvalidReason | undefined {
    return invalidReason(this.words, this.slots[index]!);
  }

  /** The frame of packet `index`, as a view of the batch's memory. */
  frame(index: number): Uint8Array {
    const slot = this.slots[index]!;
    const start = frameByteOffset(slot);
    return this.#bytes.subarray(start, start + this.words[slot + PacketWord.LENGTH]!);
  }
}

const NO_METADATA: PacketMetadata = {};

/** The largest frame that fits into this many words, in bytes; below 0: none does. */
function mostFrameBytes(words: number): number {
  let bytes = (words - growablePacketWords(0)) * 4;
  while (growablePacketWords(bytes + 1) <= words) {
    bytes++;
  }
  return bytes;
}

function noSpace(bytes: number, left: number, most: number): UsageError {
  if (bytes > most) {
    const fits = most < 0 ? 'no frame fits' : `at most ${most} bytes fit`;
    return new UsageError(
      `a frame of ${bytes} bytes is too large for this batch, ${fits}: pass PacketBatch.allocate the bytes of all frames`,
    );
  }
  const space = left < 0 ? 'no space is left' : `${left} bytes are left`;
  return new UsageError(
    `a frame of ${bytes} bytes does not fit into this batch, ${space}: execute and clear the batch`,
  );
}

function checkMetadata(given: PacketMetadata): PacketMetadata {
  const { checksums = 0, number = 0 } = expectOptions('the metadata of a packet', given, METADATA_NAMES);
  expectWhole('checksums', checksums, 0, KNOWN_CHECKSUMS);
  expectWhole('the number of a packet', number, -0x80000000, 0xffffffff);
  return { checksums, number };
}

/** Writes a packet at `slot`: cleared metadata, then the frame. It takes growablePacketWords. */
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

/** Clears everything that the tracker attached to a packet, except the checksum verdicts (`ct_clear`). */
export function clearPacket(words: Words, slot: number): void {
  words[slot + PacketWord.STATE] = 0;
  words[slot + PacketWord.CONN] = 0;
  words[slot + PacketWord.REASON] = 0;
}
