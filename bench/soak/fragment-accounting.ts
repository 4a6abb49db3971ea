/** Checks fragments, expectations and expiration lists: each is in exactly one place, and counted. */

import type { Conntrack } from '../../src/core/conntrack.ts';
import { visitBucket } from '../../src/core/inspect/table-walk.ts';
import { memoryLayout } from '../../src/core/memory/memory-layout.ts';
import {
  ENTRY_WORDS,
  EntryWord,
  EXPECTATION_ENTRIES,
  ExpectationHeader,
} from '../../src/core/alg/expectation-layout.ts';
import { LISTS, LISTS_LOCK, NodeWord } from '../../src/core/engines/lists.ts';
import { wheelFaults } from '../../src/core/engines/wheel/wheel-check.ts';
import {
  fragmentAt,
  FragmentsWord,
  FragmentWord,
  LIST_HEADS,
  linkAt,
  listAt,
  ListState,
  ListWord,
} from '../../src/core/fragments/region.ts';
import { ConnWord, LIFE_GENERATION_SHIFT, UNIT_SHIFT } from '../../src/core/table/conn.ts';

import type { Words } from '../../src/shared/access.ts';
import { Problems } from './problems.ts';

type Numbered = 'lists' | 'fragments' | 'chunks';

/** The numbers of lists, fragments and chunks found so far. Finding one twice is an error. */
class Seen {
  readonly lists = new Set<number>();
  readonly fragments = new Set<number>();
  readonly chunks = new Set<number>();
  readonly #problems: Problems;

  constructor(problems: Problems) {
    this.#problems = problems;
  }

  add(what: Numbered, number: number): void {
    this.#problems.expect(`${what} ${number} in use twice`, this[what].has(number), false);
    this[what].add(number);
  }
}

/** The queue of each list. */
function queuesOf(words: Words): Map<number, string> {
  const queued = new Map<number, string>();
  const walk = (name: string, head: number): void => {
    for (let list = head; list !== 0 && !queued.has(list); list = words[listAt(list) + ListWord.NEXT_IN_QUEUE]!) {
      queued.set(list, name);
    }
  };
  walk('expiring', words[FragmentsWord.EXPIRY_HEAD]!);
  walk('done', words[FragmentsWord.DONE_HEAD]!);
  return queued;
}

/** Checks that a list's fragments are in order, and that each of their chunks is used once. */
function checkList(words: Words, list: number, seen: Seen, problems: Problems): void {
  let last = -1;
  let each = words[listAt(list) + ListWord.FIRST]!;
  for (; each !== 0; each = words[fragmentAt(each) + FragmentWord.NEXT]!) {
    seen.add('fragments', each);
    problems.expect(`order in list ${list}`, words[fragmentAt(each) + FragmentWord.START]! > last, true);
    last = words[fragmentAt(each) + FragmentWord.START]!;
    for (let chunk = words[fragmentAt(each) + FragmentWord.FIRST_CHUNK]!; chunk !== 0; chunk = words[linkAt(chunk)]!) {
      seen.add('chunks', chunk);
    }
  }
}

/** Checks that used and free ones together are all that were handed out. */
function checkFree(words: Words, seen: Seen, problems: Problems): void {
  const free = (what: Numbered, head: number, next: (number: number) => number, fresh: number): void => {
    for (let number = head; number !== 0; number = next(number)) {
      seen.add(what, number);
    }
    problems.expect(`${what} accounted for`, seen[what].size, fresh - 1);
  };
  const nextList = (n: number): number => words[listAt(n) + ListWord.NEXT]!;
  const nextFragment = (n: number): number => words[fragmentAt(n) + FragmentWord.NEXT]!;
  free('lists', words[FragmentsWord.FREE_LIST]!, nextList, words[FragmentsWord.NEXT_LIST]!);
  free('fragments', words[FragmentsWord.FREE_FRAGMENT]!, nextFragment, words[FragmentsWord.NEXT_FRAGMENT]!);
  free('chunks', words[FragmentsWord.FREE_CHUNK]!, (n) => words[linkAt(n)]!, words[FragmentsWord.NEXT_CHUNK]!);
}

/** Checks that each list is in a chain and in a queue. No thread may be in the middle of a batch. */
export function checkFragments(ct: Conntrack, problems: Problems): void {
  const words = ct.memory.fragments;
  const queued = queuesOf(words);
  const seen = new Seen(problems);
  for (let head = 0; head < LIST_HEADS; head++) {
    for (let list = words[FragmentsWord.HEADS + head]!; list !== 0; list = words[listAt(list) + ListWord.NEXT]!) {
      seen.add('lists', list);
      const isDone = words[listAt(list) + ListWord.STATE] === ListState.COMPLETED;
      problems.expect(`queue of list ${list}`, queued.get(list), isDone ? 'done' : 'expiring');
      checkList(words, list, seen, problems);
    }
  }
  problems.expect('lists in queues', queued.size, seen.lists.size);
  problems.expect('LISTS', words[FragmentsWord.LISTS], seen.lists.size);
  problems.expect('HELD', words[FragmentsWord.HELD], seen.fragments.size);
  problems.expect('CHUNKS_IN_USE', words[FragmentsWord.CHUNKS_IN_USE], seen.chunks.size);
  checkFree(words, seen, problems);
}

export function checkExpectations(ct: Conntrack, linked: Set<number>, problems: Problems): void {
  const { expectations } = ct.tracker.alg;
  const all = ct.dumpExpectations();
  problems.expect('expectations in the dump', all.length, expectations.used);
  const { words } = ct.tracker;
  const base = memoryLayout(ct.memory).expectations;
  let free = 0;
  const entryAt = (n: number): number => base + EXPECTATION_ENTRIES + n * ENTRY_WORDS;
  for (let n = words[base + ExpectationHeader.FREE]!; n !== 0; n = words[entryAt(n) + EntryWord.NEXT]!) {
    free++;
  }
  problems.expect('expectations accounted for', free + all.length, words[base + ExpectationHeader.HIGHEST]);
  ct.tracker.alg.expectations.visit(ct.tracker.participant, (entry) => {
    const record = entry[EntryWord.PARENT_RECORD]!;
    const generation = words[(record << UNIT_SHIFT) + ConnWord.LIFE]! >>> LIFE_GENERATION_SHIFT;
    const isThere = linked.has(record) && generation === entry[EntryWord.PARENT_GENERATION];
    problems.expect('the control connection of an expectation is there', isThere, true);
  });
}

/**
 * Checks the expiration lists or the wheel of engines that have them. Each list can be walked both ways. Each connection is in a list, or
 * with ct-scale in a queue and with wheel in an inbox, so that a sweep finds it.
 */
export function listProblems(ct: Conntrack): string[] {
  const problems = new Problems();
  const { tracker } = ct;
  const { lists } = tracker.expiry;
  if (lists === undefined) {
    return wheelProblems(ct);
  }
  const listed = new Set<number>();
  for (let list = 0; list < LISTS; list++) {
    let previous = 0;
    for (let record = lists.firstOf(list); record !== 0; record = lists.nextLocked(record)) {
      problems.expect(`record ${record} in a list twice`, listed.has(record), false);
      if (listed.has(record)) {
        break;
      }
      listed.add(record);
      const node = lists.nodeOf(record);
      problems.expect(`list of record ${record}`, lists.words[node + NodeWord.LIST], list + 1);
      problems.expect(`the one before record ${record}`, lists.words[node + NodeWord.PREV], previous);
      previous = record;
    }
  }
  tracker.enter();
  for (let bucket = 0; bucket < tracker.table.bucketCount; bucket++) {
    visitBucket(tracker, bucket, (record) => {
      const isQueued = lists.words[lists.nodeOf(record) + NodeWord.QUEUED] !== 0;
      problems.expect(`record ${record} in a list`, listed.has(record) || isQueued, true);
    });
  }
  tracker.leave();
  problems.expect('lock of the lists', lists.words[LISTS_LOCK], 0);
  return problems.all;
}

function wheelProblems({ tracker }: Conntrack): string[] {
  const linked = new Set<number>();
  tracker.enter();
  for (let bucket = 0; bucket < tracker.table.bucketCount; bucket++) {
    visitBucket(tracker, bucket, (record) => linked.add(record));
  }
  tracker.leave();
  return wheelFaults(tracker.expiry, tracker.memory.maxParticipants, linked);
}
