/** Checks that each record and each index line is exactly one of: in use, free, retired, fresh. */

import type { Conntrack } from '../../src/core/conntrack.ts';
import { memoryLayout } from '../../src/core/memory/memory-layout.ts';
import { ConnWord, recordClassOf, UNIT_SHIFT } from '../../src/core/table/conn.ts';
import { ArenaLayout, blockBits, blockWord, NO_BLOCK_BITS } from '../../src/core/table/line-arena.ts';
import { LINE_WORDS } from '../../src/shared/memory/cache-line.ts';
import { PARTICIPANT_WORDS, ParticipantWord } from '../../src/shared/memory/participant.ts';
import { RECORD_CLASSES, SLAB_CACHE_WORDS, SlabLayout } from '../../src/shared/memory/slab.ts';

import { Problems } from './problems.ts';

export function checkRecords(ct: Conntrack, linked: Set<number>, problems: Problems): void {
  const { tracker } = ct;
  const { words, memory, participants } = tracker;
  const layout = memoryLayout(memory);
  const unitOf = new Map<number, string>();
  const note = (where: string, record: number, recordClass: number): void => {
    for (let unit = record; unit <= record + recordClass; unit++) {
      problems.expect(`unit ${unit} (${where}) also`, unitOf.get(unit), undefined);
      unitOf.set(unit, where);
    }
  };
  for (const record of linked) {
    note('linked', record, recordClassOf(words, record << UNIT_SHIFT));
  }
  const walk = (where: string, head: number, recordClass: number, limit: number): number => {
    let length = 0;
    for (let record = head; record !== 0; record = words[(record << UNIT_SHIFT) + ConnWord.LINK]!) {
      note(where, record, recordClass);
      if (++length > limit) {
        problems.all.push(`${where}: more than ${limit} records`);
        break;
      }
    }
    return length;
  };
  for (let recordClass = 0; recordClass < RECORD_CLASSES; recordClass++) {
    for (let id = 0; id < memory.maxParticipants; id++) {
      const cache =
        participants.base + id * PARTICIPANT_WORDS + ParticipantWord.CACHES + recordClass * SLAB_CACHE_WORDS;
      const name = `of ${id}, class ${recordClass}`;
      const free = walk(`free ${name}`, words[cache + SlabLayout.FREE_HEAD]!, recordClass, 1_000_000);
      problems.expect(`free records ${name}`, free, words[cache + SlabLayout.FREE_COUNT]);
      const retired = walk(`retired ${name}`, words[cache + SlabLayout.RETIRED_HEAD]!, recordClass, 1_000_000);
      problems.expect(`retired records ${name}`, retired, words[cache + SlabLayout.RETIRED_COUNT]);
      for (let unit = words[cache + SlabLayout.FRESH_NEXT]!; unit < words[cache + SlabLayout.FRESH_END]!; unit++) {
        note(`fresh ${name}`, unit, 0);
      }
    }
    let batch = words[layout.slab + SlabLayout.COMMON_HEAD + recordClass]!;
    for (; batch !== 0; batch = words[(batch << UNIT_SHIFT) + ConnWord.TAG]!) {
      const length = walk('common', batch, recordClass, SlabLayout.CHUNK);
      problems.expect('records of a batch in the common list', length, SlabLayout.CHUNK);
    }
  }
  problems.expect('units accounted for', unitOf.size, tracker.slab.unitsTaken);
}

export function checkLines(ct: Conntrack, problems: Problems): void {
  const { tracker } = ct;
  const { words, memory, participants, table } = tracker;
  const layout = memoryLayout(memory);
  const firstLine = layout.lines / LINE_WORDS;
  const lines = new Map<number, string>();
  const note = (where: string, directory: number): void => {
    const first = blockWord(directory) / LINE_WORDS;
    for (let line = first; line < first + (1 << blockBits(directory)); line++) {
      problems.expect(`line ${line} (${where}) also`, lines.get(line), undefined);
      lines.set(line, where);
    }
  };
  const next = (directory: number): number => words[layout.arenaLinks + blockWord(directory) / LINE_WORDS - firstLine]!;
  const shared = new Set<number>();
  for (let bucket = 0; bucket < table.bucketCount; bucket++) {
    const block = table.blockOfBucket(bucket);
    if (blockBits(block) === NO_BLOCK_BITS) {
      shared.add(block);
    } else {
      note(`bucket ${bucket}`, block);
    }
  }
  for (const block of shared) {
    note('buckets without entries', block);
  }
  for (let id = 0; id < memory.maxParticipants; id++) {
    const base = participants.base + id * PARTICIPANT_WORDS;
    let retired = 0;
    for (let block = words[base + ArenaLayout.RETIRED_HEAD]!; block !== 0; block = next(block)) {
      note(`retired by ${id}`, block);
      retired++;
    }
    problems.expect(`blocks retired by ${id}`, retired, words[base + ArenaLayout.RETIRED_COUNT]);
  }
  for (let bits = 0; bits <= 22; bits++) {
    let block = words[layout.arena + ArenaLayout.LIST_HEAD + bits]!;
    for (; block !== 0; block = next(block)) {
      note('free', block);
      const first = blockWord(block);
      problems.expect(
        'a free block is cleared',
        words.subarray(first, first + (LINE_WORDS << bits)).every((word) => word === 0),
        true,
      );
    }
  }
  problems.expect('lines accounted for', lines.size, words[layout.arena + ArenaLayout.NEXT_FRESH]! - firstLine);
}
