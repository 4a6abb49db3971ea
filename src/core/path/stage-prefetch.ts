/**
 * Stages 2 and 3 load the index lines and the records of a batch into the cache, all misses at once. They read words
 * that other threads may change, so their results are hints.
 */

import { peek } from '../../shared/access.ts';
import { LINE_WORDS } from '../../shared/memory/cache-line.ts';
import type { CtAction } from '../action.ts';
import { NoteWord } from '../packet/batch-scratch.ts';
import { META_IPV6, metaProtocol, PARSED_WORDS, ParsedKind, ParsedWord } from '../packet/key.ts';
import { Protocol } from '../packet/layout.ts';
import { ConnWord, RecordClass, UNIT_SHIFT, UNIT_WORDS } from '../table/conn.ts';
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
  /* Of those: IPv6, and IPv4 with TCP. */
  let missingIpv6 = 0;
  let missingTcp = 0;
  for (let at = 0; at < count * PARSED_WORDS; at += PARSED_WORDS) {
    if (parsed[at + ParsedWord.KIND] !== ParsedKind.KEYED) {
      continue;
    }
    const hash = parsed[at + ParsedWord.HASH]!;
    const line = parsed[at + ParsedWord.HINT]!;
    let hint = table.findHint(line, hash) | 0;
    if (hint === 0 && table.hasOverflow(line)) {
      hint = table.next(table.blockOf(hash, parsed, at + ParsedWord.META), hash, 0) | 0;
    }
    parsed[at + ParsedWord.HINT] = hint;
    const meta = parsed[at + ParsedWord.META]!;
    const isTcp = metaProtocol(meta) === Protocol.TCP;
    if (hint !== 0) {
      const r = peek(shared, hint) << UNIT_SHIFT;
      sink ^= peek(shared, r);
      if (isTcp || action.nat !== null) {
        sink ^= peek(shared, r + LINE_WORDS);
      }
      if ((meta & META_IPV6) !== 0) {
        sink ^= peek(shared, r + ConnWord.SRC6);
      }
    } else if (action.commit) {
      missing++;
      if ((meta & META_IPV6) !== 0) {
        missingIpv6++;
      } else if (isTcp) {
        missingTcp++;
      }
      table.prefetchForWrite(line, hash, parsed, at + ParsedWord.META);
    }
  }
  if (missing > 0) {
    sink ^= touchFresh(tracker, missing, missingIpv6, missingTcp);
  }
  tracker.scratch.notes[NoteWord.SINK]! ^= sink;
  return missing;
}

/** Touches the records that `missing` new connections will get: each line that creation writes. @returns a number without meaning */
function touchFresh(tracker: Tracker, missing: number, ipv6: number, tcp: number): number {
  const { slab, participant } = tracker;
  const ipv4 = missing - ipv6;
  const words = tcp > 0 ? 2 * LINE_WORDS : LINE_WORDS;
  let sink = ipv4 > 0 ? slab.touchNext(participant, RecordClass.ipv4, ipv4, words) | 0 : 0;
  if (ipv6 > 0) {
    sink ^= slab.touchNext(participant, RecordClass.ipv6, ipv6, UNIT_WORDS + LINE_WORDS) | 0;
  }
  return sink;
}
