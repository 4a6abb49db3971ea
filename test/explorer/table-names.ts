/** What the words of a table are called. */

import type { TrackerMemory } from '../../src/core/memory/memory.ts';
import { memoryLayout } from '../../src/core/memory/memory-layout.ts';
import { BUCKET_WORDS, BucketWord, LINE_ENTRIES } from '../../src/core/table/bucket-layout.ts';
import { ConnWord, UNIT_WORDS } from '../../src/core/table/conn.ts';
import { PARTICIPANT_WORDS, ParticipantWord } from '../../src/shared/memory/participant.ts';

function nameIn(names: Record<string, number>, offset: number): string {
  const name = Object.keys(names).find((key) => names[key] === offset);
  return name ?? String(offset);
}

const LINE_WORDS = 16;

/** Name of word `index` of the table's region. */
export function nameOfTableWord(memory: TrackerMemory, index: number): string {
  const layout = memoryLayout(memory);
  if (index >= layout.records) {
    const at = index - layout.records;
    return `record ${Math.trunc(index / UNIT_WORDS)}.${nameIn(ConnWord, at % UNIT_WORDS)}`;
  }
  if (index >= layout.lines) {
    const at = index - layout.lines;
    const offset = at % LINE_WORDS;
    const entry = (offset - 1) % LINE_ENTRIES;
    const name =
      offset === 0
        ? 'OVERFLOW'
        : offset === LINE_WORDS - 1
          ? 'EARLIEST_EXPIRY'
          : offset <= LINE_ENTRIES
            ? `HASH ${entry}`
            : `RECORD ${entry}`;
    return `line ${Math.trunc(at / LINE_WORDS)}.${name}`;
  }
  if (index >= layout.buckets && index < layout.zones) {
    const at = index - layout.buckets;
    return `bucket ${Math.trunc(at / BUCKET_WORDS)}.${nameIn(BucketWord, at % BUCKET_WORDS)}`;
  }
  if (index >= layout.participants && index < layout.directories) {
    const at = index - layout.participants;
    const offset = at % PARTICIPANT_WORDS;
    return `participant ${Math.trunc(at / PARTICIPANT_WORDS)}.${nameIn(ParticipantWord, offset)}`;
  }
  const parts = Object.entries(layout)
    .filter(([name]) => name !== 'lineCount' && name !== 'end')
    .toSorted((a, b) => b[1] - a[1]);
  const [name, from] = parts.find(([, start]) => start <= index)!;
  return `${name}[${index - from}]`;
}
