/** Repairs a bucket's index after a thread has died: counts that are wrong, and a growth that is half done. */

import { poke, store } from '../../shared/access.ts';
import { LINE_WORDS } from '../../shared/memory/cache-line.ts';
import type { Epochs } from '../../shared/memory/epoch.ts';
import { type Participant, ParticipantWord } from '../../shared/memory/participant.ts';
import { BucketWord, FIRST_HASH, FIRST_RECORD, EARLIEST_EXPIRY, LINE_ENTRIES, OVERFLOW } from './bucket-layout.ts';
import type { BucketTable } from './bucket-table.ts';
import { blockBits, blockWord, type LineArena, NO_BLOCK_BITS } from './line-arena.ts';
import { EXPIRY_UNKNOWN } from './line-expiry.ts';

/**
 * Computes the counts of a locked bucket from its slots. The last holder of its lock died while it placed, unlinked or
 * grew. The slots are always right; the counts may not be. Readers never see a count that is too low.
 */
export function repairCountsLocked(table: BucketTable, bucket: number): void {
  const { words } = table;
  const block = table.blockLocked(bucket);
  const first = blockWord(block);
  const lines = 1 << blockBits(block);
  const passed = new Int32Array(lines);
  let entries = 0;
  for (let index = 0; index < lines; index++) {
    const line = first + index * LINE_WORDS;
    for (let entry = 0; entry < LINE_ENTRIES; entry++) {
      if (words[line + FIRST_RECORD + entry] !== 0) {
        entries++;
        const home = words[line + FIRST_HASH + entry]! & (lines - 1);
        for (let at = home; at !== index; at = (at + 1) & (lines - 1)) {
          passed[at]!++;
        }
      }
    }
  }
  poke(words, table.headerOf(bucket) + BucketWord.ENTRIES, entries);
  for (let index = 0; index < lines; index++) {
    const line = first + index * LINE_WORDS;
    poke(words, line + OVERFLOW, passed[index]!);
    store(words, line + EARLIEST_EXPIRY, EXPIRY_UNKNOWN);
  }
}

export interface GrowthParts {
  table: BucketTable;
  arena: LineArena;
  epochs: Epochs;
  /** The dead thread's. */
  participant: Participant;
}

/**
 * Ends the growth that a dead thread began. If the bucket uses the new block, the growth is finished and the old block
 * retired. Otherwise the growth is undone and the new block retired.
 * @returns 'none' if the thread was not growing a bucket
 */
export function repairGrowth({ table, arena, epochs, participant }: GrowthParts): 'none' | 'undone' | 'finished' {
  const { words, base } = participant;
  const grown = words[base + ParticipantWord.GROW_NEW]!;
  if (grown === 0) {
    return 'none';
  }
  const isPublished = table.blockOfBucket(words[base + ParticipantWord.GROW_BUCKET]!) === grown;
  const unused = isPublished ? words[base + ParticipantWord.GROW_OLD]! : grown;
  if (blockBits(unused) !== NO_BLOCK_BITS) {
    arena.retire(participant, unused, epochs.current());
  }
  words[base + ParticipantWord.GROW_NEW] = 0;
  return isPublished ? 'finished' : 'undone';
}
