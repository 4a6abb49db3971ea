/**
 * Stages 2 and 3 load the index lines and the records of a batch into the cache, all misses at once. They read words
 * that other threads may change, so their results are hints.
 */

import { peek } from '../../shared/access.ts';
import type { CtAction } from '../action.ts';
import { NoteWord } from '../packet/batch-scratch.ts';
import { PARSED_WORDS, ParsedKind, ParsedWord } from '../packet/key.ts';
import { RecordClass, UNIT_SHIFT } from '../table/conn.ts';
import type { Tracker } from '../tracker.ts';

/** Stage 2: touches the index line of each packet. */
export function touchLines(tracker: Tracker, count: number): void {
  const { words: shared } = tracker;
  const { parsed } = tracker.scratch;
  let sink = 0;
  for (let at = 0; at < count * PARSED_WORDS; at += PARSED_WORDS) {
    if (parsed[at + ParsedWord.KIND] === ParsedKind.KEYED) {
      sink ^= peek(shared, parsed[at + ParsedWord.HINT]!);
    }
  }
  tracker.scratch.notes[NoteWord.SINK] = sink;
}

/**
 * Stage 3: searches the lines, and touches the records found. @returns the number of packets that may create a
 * connection
 */
export function touchRecords(tracker: Tracker, action: CtAction, count: number): number {
  const { table, words: shared } = tracker;
  const { parsed } = tracker.scratch;
  let sink = 0;
  let missing = 0;
  for (let at = 0; at < count * PARSED_WORDS; at += PARSED_WORDS) {
    if (parsed[at + ParsedWord.KIND] !== ParsedKind.KEYED) {
      continue;
    }
    const hash = parsed[at + ParsedWord.HASH]!;
    const line = parsed[at + ParsedWord.HINT]!;
    let hint = table.findHint(line, hash) | 0;
    if (hint === 0 && table.hasOverflow(line)) {
      hint = table.next(table.blockOf(hash), hash, 0) | 0;
    }
    parsed[at + ParsedWord.HINT] = hint;
    if (hint !== 0) {
      sink ^= peek(shared, peek(shared, hint) << UNIT_SHIFT);
    } else if (action.commit) {
      missing++;
      table.prefetchForWrite(hash, line);
    }
  }
  if (missing > 0) {
    sink ^= tracker.slab.touchNext(tracker.participant, RecordClass.ipv4, missing);
  }
  tracker.scratch.notes[NoteWord.SINK]! ^= sink;
  return missing;
}
