/** Names of the lines of shared memory, by the layout of the table. */

import { FIRST_DISORDER, FIRST_QUEUE, LISTS } from '../../src/core/engines/lists.ts';
import { inboxOf, wheelLayout } from '../../src/core/engines/wheel/wheel-layout.ts';
import type { TableHandle } from '../../src/core/memory/table-handle.ts';
import { RecordClass, recordClassOf, UNIT_SHIFT, UNIT_WORDS } from '../../src/core/table/conn.ts';
import { LINE_WORDS, wholeLines } from '../../src/shared/memory/cache-line.ts';
import { PARTICIPANT_WORDS, ParticipantWord } from '../../src/shared/memory/participant.ts';
import type { Region } from './recorder.ts';

type Table = Pick<TableHandle, 'layout' | 'memory' | 'words' | 'participant'>;

/** Parts of the layout with a name of their own. Other parts have the name that the layout gives them. */
const PARTS: Record<string, string> = {
  timeouts: 'timeout policies',
  directories: 'bucket directory',
  buckets: 'bucket header',
  zones: 'zone limits',
  zonePolicies: 'zone policies',
  helperNames: 'helper names',
  arenaLinks: 'links of index blocks',
  lines: 'index line',
};

/** Entries of the layout that are no word indexes of parts. */
const NO_PARTS = new Set(['lineCount', 'end']);

const BLOCK: readonly [from: number, name: string][] = [
  [0, 'own block: thread'],
  [ParticipantWord.INTENT_KIND, 'own block: intents'],
  [ParticipantWord.CACHES, 'own block: caches'],
  [ParticipantWord.COUNTERS, 'own block: counters'],
  [ParticipantWord.GROW_BUCKET, 'own block: rare intents'],
  [ParticipantWord.ENGINE, 'own block: engine'],
];

const LISTS_REGION: readonly [from: number, name: string][] = [
  [0, 'lists: lock'],
  [LINE_WORDS, 'lists: heads'],
  [FIRST_QUEUE, 'lists: queue'],
  [FIRST_DISORDER, 'lists: disorder'],
  [FIRST_DISORDER + wholeLines(LISTS), 'lists: node'],
];

/** The parts of the engine's own region. */
function engineParts({ engine, maxParticipants }: Table['memory']): readonly (readonly [from: number, name: string])[] {
  if (engine !== 'wheel') {
    return LISTS_REGION;
  }
  const { near, nodes } = wheelLayout(maxParticipants);
  return [
    [0, 'wheel: mutex'],
    [inboxOf(0), 'wheel: inbox'],
    [near, 'wheel: slot'],
    [nodes, 'wheel: node'],
  ];
}

function lastUpTo(parts: readonly (readonly [number, string])[], word: number): readonly [number, string] {
  return parts.findLast(([from]) => from <= word)!;
}

/** A record of two units has lines 0 to 3. Its first unit is even. */
function recordLine({ words }: Table, word: number): string {
  const unit = word >> UNIT_SHIFT;
  const line = (word % UNIT_WORDS) / LINE_WORDS;
  const first = (unit & ~1) << UNIT_SHIFT;
  const isSecond = (unit & 1) === 1 && recordClassOf(words, first) === RecordClass.ipv6;
  return `record line ${isSecond ? line + 2 : line}`;
}

function fieldOfTable(table: Table, parts: readonly (readonly [number, string])[], word: number): string {
  const [from, name] = lastUpTo(parts, word);
  if (name === 'records') {
    return recordLine(table, word);
  }
  if (name === 'participants') {
    const offset = word - table.participant.base;
    const isOwn = offset >= 0 && offset < PARTICIPANT_WORDS;
    return isOwn ? lastUpTo(BLOCK, offset)[1] : 'block of another participant';
  }
  if (name === 'settings') {
    return word - from < LINE_WORDS ? 'settings' : 'clock and sweeper';
  }
  return PARTS[name] ?? name;
}

/** @returns a function that names a line by its number, as recorder.ts numbers them */
export function fieldsOf(table: Table, regions: readonly Region[]): (line: number) => string {
  const parts = Object.entries(table.layout)
    .filter(([name]) => !NO_PARTS.has(name))
    .map(([name, from]): [number, string] => [from as number, name])
    .toSorted(([a], [b]) => a - b);
  const ofEngine = engineParts(table.memory);
  return (line) => {
    const { name, firstLine } = regions.findLast((region) => region.firstLine <= line)!;
    const word = (line - firstLine) * LINE_WORDS;
    if (name === 'table') {
      return fieldOfTable(table, parts, word);
    }
    return name === 'lists' ? lastUpTo(ofEngine, word)[1] : name;
  };
}
