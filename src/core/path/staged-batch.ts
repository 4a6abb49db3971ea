/**
 * For tests: batches that do not lie beside the table are copied there, so that the packet module judges their packets too
 * (CT_PACKET_PATH=module).
 */

import { copyWords } from '../../shared/memory/word-runs.ts';
import type { PacketPlace } from '../memory/module-memory.ts';
import { MAX_BATCH, PacketBatch } from '../packet/batch.ts';
import { growablePacketWords, packetWords, PacketWord } from '../packet/layout.ts';

const FRAME_BYTES = 1 << 17;

export const STAGES_BATCHES: boolean = process.env['CT_PACKET_PATH'] === 'module';

export class StagedBatch {
  readonly batch: PacketBatch;

  constructor(memory: PacketPlace) {
    this.batch = PacketBatch.allocate(FRAME_BYTES, memory);
  }

  /** Copies the packets of a batch. @returns whether they fit */
  copyFrom({ words, slots }: PacketBatch, count: number): boolean {
    const { batch } = this;
    let next = 0;
    for (let i = 0; i < count; i++) {
      const length = words[slots[i]! + PacketWord.LENGTH]!;
      const size = growablePacketWords(length);
      if (next + size > FRAME_BYTES / 4 + MAX_BATCH) {
        return false;
      }
      copyWords(words, slots[i]!, batch.words, next, packetWords(length));
      batch.slots[i] = next;
      next += (size + 1) & ~1;
    }
    return true;
  }

  /** Copies the packets back, with what was written beside and into them. */
  copyTo({ words, slots }: PacketBatch, count: number): void {
    const { batch } = this;
    for (let i = 0; i < count; i++) {
      const from = batch.slots[i]!;
      copyWords(batch.words, from, words, slots[i]!, packetWords(batch.words[from + PacketWord.LENGTH]!));
    }
  }
}
