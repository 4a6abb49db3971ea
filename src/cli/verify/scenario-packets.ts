/** All packets that a scenario file has defined so far, in the memory of one batch. */

import { UsageError } from '../../core/errors.ts';
import type { TrackerMemory } from '../../core/memory/memory.ts';
import { allocatePacketWords } from '../../core/memory/module-memory.ts';
import { clearPacket, MAX_RETURNED, PacketBatch, writePacket } from '../../core/packet/batch.ts';
import { frameByteOffset, packetWords, PacketWord, growablePacketWords } from '../../core/packet/layout.ts';
import { bytesOf } from '../../shared/access.ts';
import { endOf, withEnd, type EndName } from './scenario-ends.ts';
import type { Operation, PacketInput } from './scenario-operations.ts';

/** Memory for fragments that come back from earlier operations. */
const SPARE_WORDS = 1 << 17;

function turned(end: EndName): EndName {
  return end === 'src' ? 'dst' : 'src';
}

function slotWords(frameBytes: number): number {
  return (growablePacketWords(frameBytes) + 1) & ~1;
}

/** Words for all packets of a file. */
function packetMemory(operations: readonly Operation[]): number {
  let words = slotWords(0);
  for (const operation of operations) {
    for (const packet of Array.isArray(operation.packets) ? operation.packets : []) {
      if (typeof packet === 'object' && packet !== null && typeof packet.hex === 'string') {
        words += slotWords(packet.hex.length / 2);
      }
    }
  }
  return Math.ceil(words);
}

export class ScenarioPackets {
  readonly batch: PacketBatch;
  readonly #bytes: Uint8Array;
  readonly #slots = new Map<string, number>();
  /** By packet number less 1. */
  readonly #ids: string[] = [];
  /** Bytes of each packet before it was last tracked. */
  readonly #before = new Map<string, Buffer>();
  #used = 0;

  /** Allocates memory for all packets of these operations, beside the table. */
  constructor(operations: readonly Operation[], { module }: TrackerMemory) {
    const spare = (packetMemory(operations) + 1) & ~1;
    const words = allocatePacketWords(module, spare + SPARE_WORDS);
    const slots = allocatePacketWords(module, MAX_RETURNED);
    this.batch = new PacketBatch(words, { start: spare, end: spare + SPARE_WORDS }, slots);
    this.#bytes = bytesOf(this.batch.words);
  }

  #slotOf(id: string): number {
    const slot = this.#slots.get(id);
    if (slot === undefined) {
      throw new UsageError(`packet ${JSON.stringify(id)} is used before it is defined`);
    }
    return slot;
  }

  /** Fills the batch with these packets, and defines new ones. @throws UsageError */
  load(packets: readonly PacketInput[]): void {
    const ids: string[] = [];
    packets.forEach(({ id, hex, reuse, rewrite }, index) => {
      if (reuse === undefined) {
        this.#add(id ?? '', hex ?? '', rewrite ?? {});
      }
      ids.push(reuse ?? id ?? '');
      this.batch.slots[index] = this.#slotOf(ids[index]!);
    });
    this.batch.count = packets.length;
    ids.forEach((id, index) => this.#before.set(id, Buffer.from(this.batch.frame(index))));
  }

  /** The frame of a packet before it was last tracked. */
  frameBefore(id: string): Buffer {
    return this.#before.get(id)!;
  }

  /** Clears the tracker's metadata of a packet. @throws UsageError */
  clear(id: string): void {
    clearPacket(this.batch.words, this.#slotOf(id));
  }

  /** Ids of the packets in the batch. Fragments of earlier operations are copied to the memory of their packets. */
  takeReturned(): string[] {
    const { words, slots, count } = this.batch;
    const ids = Array.from(slots.subarray(0, count), (slot, index) => {
      const id = this.#ids[words[slot + PacketWord.NUMBER]! - 1]!;
      const own = this.#slotOf(id);
      if (own !== slot) {
        words.copyWithin(own, slot, slot + packetWords(words[slot + PacketWord.LENGTH]!));
        slots[index] = own;
      }
      return id;
    });
    this.batch.resetSpare();
    return ids;
  }

  /** A copy of a packet's current frame. */
  frameOf(id: string): Buffer {
    const slot = this.#slotOf(id);
    const start = frameByteOffset(slot);
    return Buffer.from(this.#bytes.subarray(start, start + this.batch.words[slot + PacketWord.LENGTH]!));
  }

  #add(id: string, hex: string, rewrite: Partial<Record<EndName, string>>): void {
    if (!/^([0-9a-f]{2})*$/.test(hex)) {
      throw new UsageError(`packet ${JSON.stringify(id)}: hex must be pairs of lower-case hexadecimal digits`);
    }
    let frame: Buffer = Buffer.from(hex, 'hex');
    for (const end of ['src', 'dst'] as const) {
      const other = rewrite[end] === undefined ? undefined : endOf(this.frameOf(rewrite[end]), turned(end));
      frame = other === undefined ? frame : withEnd(frame, end, other);
    }
    this.#ids.push(id);
    writePacket(this.batch.words, this.#bytes, this.#used, frame, { number: this.#ids.length });
    this.#slots.set(id, this.#used);
    this.#used += slotWords(frame.length);
  }
}
