/** Faults that the explorer must find: each is the real code with one thought left out. */

import type { FailureKind } from './judge.ts';

/** The edited file sees the access seam as `seam`. */
export interface Edit {
  file: string;
  /** Stands there exactly once. */
  find: string;
  replace: string;
}

export interface Mutant {
  name: string;
  edits: readonly Edit[];
  /** As in the catalogue: the scenarios to search, in turn, until one fails. */
  scenarios: readonly string[];
  /** What it must be found as: one of these. */
  found: readonly FailureKind[];
  /** The lock checker would find it before it happens; it is to happen. */
  ignoresLockOrder?: boolean;
  /** The ledger of a checked process is to find it; else that is not kept, and what it would find happens. */
  hasLedger?: boolean;
}

const MUTEX = 'src/shared/sync/mutex.ts';
const LOCK_WAIT = 'src/shared/sync/lock-wait.ts';
const EPOCH = 'src/shared/memory/epoch.ts';
const SLAB = 'src/shared/memory/slab.ts';
const PRODUCER = 'src/shared/memory/ring-producer.ts';
const CONSUMER = 'src/shared/memory/ring-consumer.ts';
const RING_LAYOUT = 'src/shared/memory/ring-layout.ts';
const TABLE = 'src/core/table/bucket-table.ts';
const LINE_EXPIRY = 'src/core/table/line-expiry.ts';
const CREATE = 'src/core/lifecycle/create.ts';
const REMOVE = 'src/core/lifecycle/remove.ts';
const LINK = 'src/core/nat/link.ts';
const QUOTA = 'src/shared/quota/quota-pool.ts';
const QUOTA_MUTEX = 'src/shared/quota/quota-mutex.ts';
const COLLECT = 'src/shared/quota/quota-collect.ts';
const PREFETCHED = 'src/shared/quota/prefetched-credits.ts';
const COUNT = 'src/shared/quota/credit-counts.ts';
const ZONE_LISTS = 'src/core/zones/zone-lists.ts';
const WALK = 'src/core/inspect/table-walk.ts';
const REPAIR = 'src/core/repair/repair-table.ts';
const INBOX = 'src/core/engines/wheel/inbox.ts';
const WHEEL = 'src/core/engines/wheel/timer-wheel.ts';
const ZONE_TABLE = 'src/core/engines/zones/zone-table.ts';

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'wheel: a node is put into an inbox after a look, without a claim',
    edits: [
      {
        file: INBOX,
        find: 'if (compareExchange(this.words, this.slots.nodeOf(record) + NodeWord.QUEUE, 0, LAST) !== 0) {',
        replace: 'if (load(this.words, this.slots.nodeOf(record) + NodeWord.QUEUE) !== 0) {',
      },
    ],
    scenarios: ['wheel/twoShorten'],
    found: ['stale mark'],
  },
  {
    name: 'wheel: a push is a store',
    edits: [
      {
        file: INBOX,
        find: 'if (compareExchange(words, own, behind, record) === behind) {',
        replace: 'store(words, own, record);\n      {',
      },
    ],
    scenarios: ['wheel/insertAgainstSweep'],
    found: ['stale mark', 'livelock'],
  },
  {
    name: 'wheel: an inbox is read, then emptied',
    edits: [
      {
        file: INBOX,
        find: 'const newest = exchange(words, inboxOf(participant), 0);',
        replace: 'const newest = load(words, inboxOf(participant));\n      store(words, inboxOf(participant), 0);',
      },
    ],
    scenarios: ['wheel/insertAgainstSweep'],
    found: ['stale mark'],
  },
  {
    name: 'wheel: the sweeper reads a record, then lets it be queued again',
    edits: [
      {
        file: INBOX,
        find: `    store(words, queue, 0);
    intents`,
        replace: '    intents',
      },
      {
        file: WHEEL,
        find: 'const expires = load(words, r + ConnWord.EXPIRES);',
        replace: `const expires = load(words, r + ConnWord.EXPIRES);
    if (!isDueKnown) {
      store(this.region, node + NodeWord.QUEUE, 0);
    }`,
      },
    ],
    scenarios: ['wheel/shorteningOfQueued'],
    found: ['stale mark'],
  },
  {
    name: 'wheel: the sweeper does not ask which generation was linked',
    edits: [
      {
        file: WHEEL,
        find: '(life & LIFE_CLEANED) !== 0 || life >>> LIFE_GENERATION_SHIFT !== generation',
        replace: '(life & LIFE_CLEANED) !== 0',
      },
    ],
    scenarios: ['wheel/reuseOfExpired'],
    found: ['invariant violated', 'double clean', 'half-linked connection', 'connection not found', 'exception'],
  },
  {
    name: 'wheel: a connection is queued, then its generation noted',
    edits: [
      { file: WHEEL, find: '    poke(region, generationAt, generation);\n', replace: '' },
      {
        file: WHEEL,
        find: `      store(region, generationAt, generation);
      this.inbox.add(record);
    }`,
        replace: `      this.inbox.add(record);
    }
    store(region, generationAt, generation);`,
      },
    ],
    scenarios: ['wheel/insertAgainstSweep'],
    found: ['stale mark'],
  },
  {
    name: 'wheel: an earlier expiry is queued, then written',
    edits: [
      {
        file: WHEEL,
        find: `    store(this.words, r + ConnWord.EXPIRES, expires);
    this.inbox.add(r >>> UNIT_SHIFT);`,
        replace: `    this.inbox.add(r >>> UNIT_SHIFT);
    store(this.words, r + ConnWord.EXPIRES, expires);`,
      },
    ],
    scenarios: ['wheel/shorteningOfListed'],
    found: ['stale mark'],
  },
  {
    name: 'wheel: a sweeper turns it without its mutex',
    edits: [
      {
        file: WHEEL,
        find: '    lock(region, WheelWord.MUTEX, this.#parts.participant, LockClass.leaf, LockSite.wheel);\n',
        replace: '',
      },
      { file: WHEEL, find: '    unlock(region, WheelWord.MUTEX);\n', replace: '' },
    ],
    scenarios: ['wheel/twoSweepQueued', 'wheel/twoSweepListed'],
    found: ['stale mark', 'livelock', 'exception'],
  },
  {
    name: 'wheel: a repair forgets the record that is between claim and push',
    edits: [{ file: WHEEL, find: '    inbox.redoPush();\n', replace: '' }],
    scenarios: ['wheel/shortenerDies', 'wheel/inserterDies'],
    found: ['stale mark'],
  },
  {
    name: 'wheel: a repair forgets the connection that is linked and not queued',
    edits: [
      {
        file: WHEEL,
        find: `    if (linked !== 0) {
      this.linked(linked);
    }
`,
        replace: '',
      },
    ],
    scenarios: ['wheel/inserterDies'],
    found: ['stale mark'],
  },
  {
    name: 'wheel: a repair forgets the expiry that has become earlier',
    edits: [{ file: WHEEL, find: '      inbox.add(shortened);\n', replace: '' }],
    scenarios: ['wheel/shortenerDies'],
    found: ['stale mark'],
  },
  {
    name: 'wheel: a repair forgets what the sweeper had found',
    edits: [{ file: WHEEL, find: '      inbox.add(found[left - 1]!);\n', replace: '' }],
    scenarios: ['wheel/sweeperDies'],
    found: ['stale mark'],
  },
  {
    name: 'wheel: a repair forgets what the sweeper had taken out of an inbox',
    edits: [{ file: WHEEL, find: '    inbox.redoTake();\n', replace: '' }],
    scenarios: ['wheel/drainerDies'],
    found: ['stale mark'],
  },
  {
    name: 'a connection is listed after it was linked',
    edits: [
      {
        file: CREATE,
        find: `  if (!tracker.zoneLists.list(record, participant)) {
    dropRecord(tracker, record, false);
    return refuse(tracker, at, now, Counter.insertFailed, VerdictReason.NO_MEMORY);
  }
`,
        replace: '',
      },
      {
        file: CREATE,
        find: `  if (outcome === Linked.done) {
    tracker.expiry.linked(record);
    return (record << 2) | CREATED;
  }
  dropRecord(tracker, record, false);`,
        replace: `  if (outcome === Linked.done) {
    tracker.zoneLists.list(record, tracker.participant);
    tracker.expiry.linked(record);
    return (record << 2) | CREATED;
  }
  dropRecord(tracker, record, false);`,
      },
    ],
    scenarios: ['zone-lists/flushOfFound'],
    found: ['lost update'],
  },
  {
    name: 'a walk over a zone believes its list',
    edits: [{ file: WALK, find: 'if (isLinked(this.#tracker, record) && ', replace: 'if (' }],
    scenarios: ['zone-lists/flushAgainstInsert'],
    found: ['double clean', 'invariant violated', 'half-linked connection', 'lost update', 'tuple twice'],
  },
  {
    name: 'an emptied segment is free at once',
    edits: [
      {
        file: ZONE_LISTS,
        find: 'this.slab.retire(participant, 0, segment, this.epochs.current());',
        replace: 'this.slab.keep(participant, 0, segment);',
      },
    ],
    scenarios: ['zone-lists/emptiedAgainstWalk'],
    found: ['connection not found'],
  },
  {
    name: 'a segment is taken out without the lock of its list',
    edits: [
      {
        file: ZONE_LISTS,
        find: 'lock(words, mutex, participant, LockClass.leaf, LockSite.zoneListShorten);',
        replace: '',
      },
      {
        file: ZONE_LISTS,
        find: `    unlock(words, mutex);
    this.#retire(segment, participant);`,
        replace: '    this.#retire(segment, participant);',
      },
    ],
    scenarios: ['zone-lists/emptiedAgainstExtended'],
    found: ['invariant violated'],
  },
  {
    name: 'the live places of a segment are read, then written',
    edits: [
      {
        file: ZONE_LISTS,
        find: 'const live = add(words, (segment << SEGMENT_SHIFT) + SegmentWord.LIVE, -1) - 1;',
        replace: `const live = peek(words, (segment << SEGMENT_SHIFT) + SegmentWord.LIVE) - 1;
    poke(words, (segment << SEGMENT_SHIFT) + SegmentWord.LIVE, live);`,
      },
    ],
    scenarios: ['zone-lists/twoEmpty'],
    found: ['invariant violated'],
  },
  {
    name: 'a repair leaves the record in flight in its list',
    edits: [
      {
        file: REPAIR,
        find: `    if (!zoneLists.unlistWithin(record, participant, WAIT_MS)) {
      report.isComplete = false;
      return;
    }
    if ((load`,
        replace: '    if ((load',
      },
    ],
    scenarios: ['zone-lists/inserterDies'],
    found: ['invariant violated'],
  },
  {
    name: 'a repair leaves the emptied segment in its list',
    edits: [
      {
        file: ZONE_LISTS,
        find: 'return emptied === 0 || this.#takeOut(emptied, participant, waitMs);',
        replace: 'return true;',
      },
    ],
    scenarios: ['zone-lists/removerDies'],
    found: ['invariant violated'],
  },
  {
    name: 'a place is cleared and not uncounted when its thread dies',
    edits: [
      {
        file: ZONE_LISTS,
        find: `      return this.#clearPlace(place, participant, waitMs);
    }
    const emptied`,
        replace: `      own[base + ParticipantWord.LIST_PLACE] = 0;
    }
    const emptied`,
      },
    ],
    scenarios: ['zone-lists/removerDies'],
    found: ['invariant violated'],
  },
  {
    name: 'unlock never notifies',
    edits: [
      {
        file: MUTEX,
        find: `      if ((exchange(words, index, FREE) & WAITERS) !== 0) {
        notify(words, index, 1);
      }`,
        replace: '      exchange(words, index, FREE);',
      },
    ],
    scenarios: ['mutex/two'],
    found: ['lost wake-up'],
  },
  {
    name: 'unlock notifies only if nobody waits',
    edits: [
      {
        file: MUTEX,
        find: 'if ((exchange(words, index, FREE) & WAITERS) !== 0) {',
        replace: 'if ((exchange(words, index, FREE) & WAITERS) === 0) {',
      },
    ],
    scenarios: ['mutex/two'],
    found: ['lost wake-up'],
  },
  {
    name: 'the second sleeper is forgotten',
    edits: [
      {
        file: LOCK_WAIT,
        find: 'const seen = compareExchange(words, index, FREE, word | WAITERS);',
        replace: 'const seen = compareExchange(words, index, FREE, word);',
      },
    ],
    scenarios: ['mutex/three'],
    found: ['lost wake-up'],
  },
  {
    name: 'a sleeper does not mark the mutex',
    edits: [
      {
        file: LOCK_WAIT,
        find: `    const contended = seen | WAITERS;
    if (seen === contended || compareExchange(words, index, seen, contended) === seen) {
      observer?.parks();
      sleepOnLock(words, index, contended, owner, lockClass, deadline);
    }`,
        replace: '    sleepOnLock(words, index, seen, owner, lockClass, deadline);',
      },
    ],
    scenarios: ['mutex/two'],
    found: ['lost wake-up'],
  },
  {
    name: 'the lock is taken by a store',
    edits: [
      {
        file: MUTEX,
        find: `      if (compareExchange(words, index, FREE, owner.lockTag) !== FREE) {
        waitForLock(words, index, owner, lockClass, owner.lockTag);`,
        replace: `      if (peek(words, index) !== FREE || exchange(words, index, owner.lockTag) === -1) {
        waitForLock(words, index, owner, lockClass, owner.lockTag);`,
      },
    ],
    scenarios: ['mutex/two'],
    found: ['lost update', 'lock ownership'],
  },
  {
    name: 'pairs are locked in the order of their names',
    edits: [
      {
        file: MUTEX,
        find: `  } else {
    lock(words, b, owner, lockClass, site);
    lock(words, a, owner, lockClass, site);
  }`,
        replace: `  } else {
    lock(words, a, owner, lockClass, site);
    lock(words, b, owner, lockClass, site);
  }`,
      },
    ],
    scenarios: ['pair-lock/opposite'],
    found: ['deadlock'],
    ignoresLockOrder: true,
  },
  {
    name: 'a pair of one lock is released twice',
    edits: [
      {
        file: MUTEX,
        find: `export function unlockPair(words: Words, a: number, b: number): void {
  if (a === b) {
    unlock(words, a);
  } else if`,
        replace: `export function unlockPair(words: Words, a: number, b: number): void {
  if (a === b) {
    unlock(words, a);
    unlock(words, b);
  } else if`,
      },
    ],
    scenarios: ['pair-lock/three'],
    found: ['double unlock'],
  },
  {
    name: 'memory is safe one epoch too early',
    edits: [{ file: EPOCH, find: 'return ((tag - oldest) | 0) < 0;', replace: 'return ((tag - oldest) | 0) <= 0;' }],
    scenarios: ['epochs/reader'],
    found: ['reuse before the epoch ended'],
  },
  {
    name: 'the epoch moves on without asking',
    edits: [
      {
        file: EPOCH,
        find: `      if (published !== OFFLINE && ((published - oldest) | 0) < 0) {
        oldest = published;
      }`,
        replace: `      if (published !== OFFLINE && ((published - oldest) | 0) < -1) {
        oldest = published;
      }`,
      },
    ],
    scenarios: ['epochs/reader', 'epochs/visitor'],
    found: ['reuse before the epoch ended'],
  },
  {
    name: 'readers do not enter',
    edits: [
      {
        file: EPOCH,
        find: 'store(participant.words, participant.base + ParticipantWord.EPOCH, load(this.#words, this.#global));',
        replace: 'load(this.#words, this.#global);',
      },
    ],
    scenarios: ['epochs/reader'],
    found: ['reuse before the epoch ended'],
  },
  {
    name: 'a quiescent point publishes the next epoch',
    edits: [
      {
        file: EPOCH,
        find: `    if (participant.words[published] !== epoch) {
      store(participant.words, published, epoch);`,
        replace: `    if (participant.words[published] !== epoch + 1) {
      store(participant.words, published, epoch + 1);`,
      },
    ],
    scenarios: ['epochs/reader', 'epochs/readerAndVisitor'],
    found: ['reuse before the epoch ended'],
  },
  {
    name: 'removed records are freed at once',
    edits: [
      {
        file: REMOVE,
        find: 'tracker.slab.retire(participant, recordClassOf(records, r), record, tracker.epochs.current());',
        replace: 'tracker.slab.free(participant, recordClassOf(records, r), record);',
      },
    ],
    scenarios: ['remove/cleanAgainstLookup'],
    found: ['reuse before the epoch ended'],
  },
  {
    name: 'removed records are freed at once, and the ledger looks on',
    edits: [
      {
        file: REMOVE,
        find: 'tracker.slab.retire(participant, recordClassOf(records, r), record, tracker.epochs.current());',
        replace: 'tracker.slab.free(participant, recordClassOf(records, r), record);',
      },
    ],
    scenarios: ['remove/sweepAndFlush'],
    found: ['ledger'],
    hasLedger: true,
  },
  {
    name: 'old blocks are retired without a tag',
    edits: [
      {
        file: TABLE,
        find: 'this.#arena.retire(participant, directory, this.#epochs.current());',
        replace: 'this.#arena.retire(participant, directory, this.#epochs.current() - 1);',
      },
    ],
    scenarios: ['growth/againstLookup'],
    found: ['connection not found'],
  },
  {
    name: 'slab batches are returned without the lock',
    edits: [
      {
        file: SLAB,
        find: '    lock(words, this.base + MUTEX, participant, LockClass.leaf, LockSite.slabReturn);\n',
        replace: '',
      },
      {
        file: SLAB,
        find: `    records[batch * this.unitWords + this.tagWord] = words[common]!;
    words[common] = batch;
    unlock(words, this.base + MUTEX);`,
        replace: `    records[batch * this.unitWords + this.tagWord] = seam.peek(words, common);
    seam.poke(words, common, batch);`,
      },
    ],
    scenarios: ['slab/twoGive'],
    found: ['lost value'],
  },
  {
    name: 'slab batches are taken without the lock',
    edits: [
      {
        file: SLAB,
        find: 'lock(words, this.base + MUTEX, participant, LockClass.leaf, LockSite.slabRefill);',
        replace: '',
      },
      {
        file: SLAB,
        find: `    unlock(words, this.base + MUTEX);
    return found;`,
        replace: '    return found;',
      },
      { file: SLAB, find: 'const batch = words[common]!;', replace: 'const batch = seam.peek(words, common);' },
      {
        file: SLAB,
        find: 'words[common] = this.records[batch * this.unitWords + this.tagWord]!;',
        replace: 'seam.poke(words, common, this.records[batch * this.unitWords + this.tagWord]!);',
      },
    ],
    scenarios: ['slab/giveAndTwoTake'],
    found: ['unit handed out twice'],
  },
  {
    name: 'the ring publishes without waking',
    edits: [
      {
        file: PRODUCER,
        find: `    if (load(this.words, CONSUMER_ASLEEP) !== 0) {
      wakeConsumer(this.words);
    }`,
        replace: '',
      },
      {
        file: RING_LAYOUT,
        find: '  store(words, CLOSED, 1);\n  wakeConsumer(words);',
        replace: '  store(words, CLOSED, 1);',
      },
    ],
    scenarios: ['ring/one'],
    found: ['lost wake-up'],
  },
  {
    name: 'the ring looks for a sleeper before it publishes',
    edits: [
      {
        file: PRODUCER,
        find: `    store(this.words, HEAD, this.#head);
    if (load(this.words, CONSUMER_ASLEEP) !== 0) {
      wakeConsumer(this.words);
    }`,
        replace: `    const isAsleep = load(this.words, CONSUMER_ASLEEP) !== 0;
    store(this.words, HEAD, this.#head);
    if (isAsleep) {
      wakeConsumer(this.words);
    }`,
      },
    ],
    scenarios: ['ring/open'],
    found: ['lost wake-up'],
  },
  {
    name: 'the ring publishes what is not written yet',
    edits: [
      {
        file: PRODUCER,
        find: `    this.words[slot + SLOT_SIZE] = size;
    return slot;`,
        replace: `    this.words[slot + SLOT_SIZE] = size;
    store(this.words, HEAD, (this.#head + size) | 0);
    return slot;`,
      },
    ],
    scenarios: ['ring/open'],
    found: ['lost value'],
  },
  {
    name: 'the sleeper looks before it says that it sleeps',
    edits: [
      {
        file: CONSUMER,
        find: `    store(this.words, CONSUMER_ASLEEP, 1);
    if (load(this.words, HEAD) === this.#tail && load(this.words, CLOSED) === 0) {`,
        replace: `    const isEmpty = load(this.words, HEAD) === this.#tail && load(this.words, CLOSED) === 0;
    store(this.words, CONSUMER_ASLEEP, 1);
    if (isEmpty) {`,
      },
    ],
    scenarios: ['ring/open'],
    found: ['lost wake-up'],
  },
  {
    name: '`cleaned` is loaded, then stored',
    edits: [
      {
        file: REMOVE,
        find: 'const life = or(records, r + ConnWord.LIFE, LIFE_CLEANED);',
        replace: `const life = seam.load(records, r + ConnWord.LIFE);
  seam.store(records, r + ConnWord.LIFE, life | LIFE_CLEANED);`,
      },
    ],
    scenarios: ['remove/twoClean'],
    found: ['double clean'],
  },
  {
    name: 'no second look under the lock',
    edits: [
      {
        file: CREATE,
        find: `  if (!table.placeAbsentLocked(bucket, hash, record)) {
    outcome = findConnLocked(tracker, at, now) | 0;
    if (outcome === 0 && tracker.scratch.notes[NoteWord.OTHERS_MET]! > 0) {
      noteRivals(tracker, record, at);
    }
    if (outcome === 0 && !table.placeLocked(bucket, hash, record, participant)) {
      outcome = Linked.noMemory;
    }
  }`,
        replace: `  if (!table.placeLocked(bucket, hash, record, participant)) {
    outcome = Linked.noMemory;
  }`,
      },
      {
        file: CREATE,
        find: '  table.lockBucket(bucket, participant, LockSite.create);',
        replace: `  const match = findConn(tracker, at, now);
  if (match !== 0) {
    return match;
  }
  table.lockBucket(bucket, participant, LockSite.create);`,
      },
    ],
    scenarios: ['insert/sameTuple'],
    found: ['tuple twice'],
  },
  {
    name: 'the expiry is written after the record is linked',
    edits: [
      {
        file: CREATE,
        find: `  poke(records, r + ConnWord.EXPIRES, (now + tracker.timeouts.timeoutMs(timeoutPolicy, firstTimeout(protocol))) | 0);
`,
        replace: '',
      },
      {
        file: CREATE,
        find: '  table.unlockBucket(bucket);',
        replace: `  poke(tracker.words, (record << UNIT_SHIFT) + ConnWord.EXPIRES, now + 60_000);
  table.unlockBucket(bucket);`,
      },
    ],
    scenarios: ['insert/againstLookup'],
    found: ['connection not found', 'double clean', 'half-linked connection'],
  },
  {
    name: 'the record is filled after it is linked',
    edits: [
      {
        file: CREATE,
        find: '  fillRecord(tracker, r, words, at, action, now);\n',
        replace: '',
      },
      {
        file: CREATE,
        find: '  return placeUntranslated(tracker, record, at, action, now);',
        replace: `  const answer = placeUntranslated(tracker, record, at, action, now);
  fillRecord(tracker, r, words, at, action, now);
  return answer;`,
      },
    ],
    scenarios: ['insert/againstLookup', 'insert/sameTuple'],
    found: [
      'connection not found',
      'incomplete connection',
      'half-linked connection',
      'invariant violated',
      'double clean',
    ],
  },
  {
    name: 'the reverse key is placed last',
    edits: [
      {
        file: LINK,
        find: `    if (hasTwoEntries && !table.placeLocked(reverseBucket, reverseHash, record, participant)) {
      outcome = Linked.noMemory;
    } else if (!table.placeLocked(bucket, hash, record, participant)) {`,
        replace: `    if (!table.placeLocked(bucket, hash, record, participant)) {
      outcome = Linked.noMemory;
    } else if (hasTwoEntries && !table.placeLocked(reverseBucket, reverseHash, record, participant)) {`,
      },
    ],
    scenarios: ['nat/insertAgainstLookup'],
    found: ['half-linked connection'],
  },
  {
    name: 'the reverse key is not looked up again',
    edits: [
      {
        file: LINK,
        find: 'if (outcome === 0 && findConnLocked(tracker, SCRATCH_AT, now) !== 0) {',
        replace: 'if (false as boolean) {',
      },
    ],
    scenarios: ['nat/onePort'],
    found: ['tuple twice', 'connection not found'],
  },
  {
    name: 'the reverse entry stays when the connection goes',
    edits: [
      {
        file: REMOVE,
        find: '    table.unlinkLocked(table.bucketOf(reverseHash, records, r + ConnWord.META), reverseHash, record);\n',
        replace: '',
      },
    ],
    scenarios: ['nat/removeAgainstLookup'],
    found: ['half-linked connection'],
  },
  {
    name: 'a bucket is published before it is copied',
    edits: [
      {
        file: TABLE,
        find: '    const end = blockWord(directory) + (LINE_WORDS << bits);\n    for (let line = blockWord(directory)',
        replace: `    store(words, this.directories + bucket, grown);
    const end = blockWord(directory) + (LINE_WORDS << bits);
    for (let line = blockWord(directory)`,
      },
    ],
    scenarios: ['growth/againstLookup'],
    found: ['connection not found'],
  },
  {
    name: 'a connection is placed in the line that unused zones share',
    edits: [
      {
        file: ZONE_TABLE,
        find: '  if (hasLines(parts, zone)) {\n    return true;\n  }\n  const { table',
        replace: '  if (true as boolean) {\n    return true;\n  }\n  const { table',
      },
    ],
    scenarios: ['zone-tables/twoZones'],
    found: ['invariant violated'],
  },
  {
    name: 'the overflow count comes after the record',
    edits: [
      {
        file: TABLE,
        find: '      poke(words, line + OVERFLOW, words[line + OVERFLOW]! + 1);\n      index = (index + 1) & mask;',
        replace: '      index = (index + 1) & mask;',
      },
      {
        file: TABLE,
        find: `          store(words, line + FIRST_RECORD + entry, record);
          poke(words, line + EARLIEST_EXPIRY, EXPIRY_UNKNOWN);
          return;`,
        replace: `          store(words, line + FIRST_RECORD + entry, record);
          poke(words, line + EARLIEST_EXPIRY, EXPIRY_UNKNOWN);
          for (let passed = hash & mask; passed !== index; passed = (passed + 1) & mask) {
            const overflow = first + passed * LINE_WORDS + OVERFLOW;
            poke(words, overflow, words[overflow]! + 1);
          }
          return;`,
      },
    ],
    scenarios: ['insert/overflowAgainstLookup'],
    found: ['connection not found'],
  },
  {
    name: 'the sweeper marks a line without looking at the lock',
    edits: [
      {
        file: LINE_EXPIRY,
        find: 'return load(words, lock) === 0 ? token : EXPIRY_UNKNOWN;',
        replace: 'return token;',
      },
      {
        file: LINE_EXPIRY,
        find: 'compareExchange(words, line + EARLIEST_EXPIRY, token, time);',
        replace: 'store(words, line + EARLIEST_EXPIRY, time);',
      },
    ],
    scenarios: ['sweep/markAgainstInsert'],
    found: ['stale mark'],
  },
  {
    name: 'the unused credits are read, then written',
    edits: [
      {
        file: QUOTA,
        find: 'if (compareExchange(words, own, unused, (unused & ~CLEAR_FULL_BELOW) + 1) === unused) {',
        replace: 'poke(words, own, (unused & ~CLEAR_FULL_BELOW) + 1);\n      if (unused >= 0) {',
      },
    ],
    scenarios: ['eviction/giveAndTake'],
    found: ['invariant violated', 'limit exceeded', 'refused too early'],
  },
  {
    name: 'the limit of a zone is written when its lock is gone',
    edits: [
      {
        file: 'src/core/zones/zone-limits.ts',
        find: `      writeLimit(words, this.#poolOf(zone), limit);
    }
    unlock(words, this.base + MUTEX);`,
        replace: `    }
    unlock(words, this.base + MUTEX);
    writeLimit(words, this.#poolOf(zone), limit);`,
      },
    ],
    scenarios: ['zones/setAndDeleteDefault'],
    found: ['lost update'],
  },
  {
    name: 'a batch that prefetches takes the flag of a collection for a number',
    edits: [
      {
        file: QUOTA,
        find: 'return reserved >= 0 && isWithinLimit(this.words, pool, this.fallbackLimit, reserved + beyond);',
        replace:
          'return isWithinLimit(this.words, pool, this.fallbackLimit, (reserved >= 0 ? reserved : -1) + beyond);',
      },
    ],
    scenarios: ['quota/nextBatch'],
    found: ['refused too early'],
  },
  {
    name: 'the flag of a collection is taken for a limit that was lowered',
    edits: [
      {
        file: QUOTA,
        find: 'return isWithinLimit(this.words, pool, this.fallbackLimit, reserved);',
        replace: 'return this.#hasMargin(pool, 0);',
      },
    ],
    scenarios: ['quota/batchGoesOn'],
    found: ['refused too early'],
  },
  {
    name: 'the credits in use are computed from the reserved and the unused ones',
    edits: [
      {
        file: QUOTA,
        find: 'return creditsInUse(this.words, pool, this.maxParticipants);',
        replace: `let inUse = load(this.words, pool + RESERVED);
    for (let id = 0; id < this.maxParticipants; id++) {
      inUse -= load(this.words, pool + (1 + id) * STRIDE_WORDS) & COUNT_MASK;
    }
    return Math.max(inUse, 0);`,
      },
    ],
    scenarios: ['quota/usedOfFull'],
    found: ['wrong count'],
  },
  {
    name: 'credits that are released during the count go unnoticed',
    edits: [
      {
        file: COUNT,
        find: 'sumOf(words, pool, maxParticipants, generation, RELEASED) === released &&',
        replace: '',
      },
    ],
    scenarios: ['quota/usedWhileMoving'],
    found: ['wrong count'],
  },
  {
    name: 'a batch ends and wakes nobody',
    edits: [
      {
        file: PREFETCHED,
        find: `  if ((exchange(words, word, FREE) & WAITERS) !== 0) {
    notify(words, word, Number.POSITIVE_INFINITY);
  }`,
        replace: '  exchange(words, word, FREE);',
      },
    ],
    scenarios: ['quota/batchUsesIt'],
    found: ['lost wake-up'],
  },
  {
    name: 'a batch that finds its credits gone wakes nobody',
    edits: [
      {
        file: QUOTA,
        find: `      endPrefetch(words, own + PREFETCHED);
      return 0;`,
        replace: `      poke(words, own + PREFETCHED, FREE);
      return 0;`,
      },
    ],
    scenarios: ['quota/batchBegins'],
    found: ['lost wake-up'],
  },
  {
    name: 'a batch publishes that it has prefetched credits after it took them',
    edits: [
      {
        file: QUOTA,
        find: `    poke(words, own + PREFETCHED, participant.lockTag);
    if (`,
        replace: '    if (',
      },
      {
        file: QUOTA,
        find: `      endPrefetch(words, own + PREFETCHED);
      return 0;
    }`,
        replace: `      return 0;
    }
    poke(words, own + PREFETCHED, participant.lockTag);`,
      },
    ],
    scenarios: ['quota/batchBegins'],
    found: ['refused too early'],
  },
  {
    name: 'the prefetched words are looked at before the unused words are emptied',
    edits: [
      {
        file: COLLECT,
        find: `  emptyUnusedWords(words, pool, maxParticipants, generation, participant);
  const holder = anyonePrefetching(words, pool, maxParticipants);`,
        replace: `  const holder = anyonePrefetching(words, pool, maxParticipants);
  emptyUnusedWords(words, pool, maxParticipants, generation, participant);`,
      },
    ],
    scenarios: ['quota/batchBegins'],
    found: ['refused too early'],
  },
  {
    name: 'the unused words are emptied once',
    edits: [
      {
        file: COLLECT,
        find: `  emptyUnusedWords(words, pool, maxParticipants, generation, participant);
  poke(`,
        replace: '  poke(',
      },
    ],
    scenarios: ['quota/giveThenTake'],
    found: ['refused too early'],
  },
  {
    name: 'a repair leaves the flag of a collection',
    edits: [
      {
        file: QUOTA_MUTEX,
        find: `      poke(words, pool + RESERVED, reserved);
      own[`,
        replace: '      own[',
      },
    ],
    scenarios: ['quota/collectorDies'],
    found: ['invariant violated', 'refused too early'],
  },
  {
    name: 'a repair trusts the note of a refused thread that the pool is full',
    edits: [
      {
        file: QUOTA_MUTEX,
        find: `  store(words, pool + FULL_BELOW, 0);
  wakeWaiters(`,
        replace: '  wakeWaiters(',
      },
    ],
    scenarios: ['quota/releaserDies'],
    found: ['refused too early'],
  },
  {
    name: 'a thread that takes credits from the pool does not say so in its block',
    edits: [
      {
        file: QUOTA,
        find: '      mine[base + ParticipantWord.QUOTA_RESERVED] = reserved + 1 + more;\n',
        replace: '',
      },
    ],
    scenarios: ['quota/blockTakerDies'],
    found: ['invariant violated', 'limit exceeded'],
  },
  {
    name: "a repair does not wake the threads that wait for the dead thread's batch",
    edits: [
      {
        file: PREFETCHED,
        find: '  notify(words, pool + (1 + participant.id) * STRIDE_WORDS + PREFETCHED, Number.POSITIVE_INFINITY);\n',
        replace: '',
      },
    ],
    scenarios: ['quota/batchDies'],
    found: ['lost wake-up'],
  },
  {
    name: 'the policy of a zone is looked at, then deleted',
    edits: [
      {
        file: 'src/core/zones/zone-policies.ts',
        find: 'return exchange(this.words, this.base + zone, 0) !== 0;',
        replace: `const had = load(this.words, this.base + zone) !== 0;
    store(this.words, this.base + zone, 0);
    return had;`,
      },
    ],
    scenarios: ['zones/policyDeletedTwice'],
    found: ['lost update'],
  },
  {
    name: 'a removal counts as done before the connection is unlinked',
    edits: [
      {
        file: REMOVE,
        find: '  const hash = records[r + ConnWord.HASH]!;\n  table.unlinkLocked',
        replace: `  const hash = records[r + ConnWord.HASH]!;
  records[participant.base + ParticipantWord.INTENT_KIND] = IntentKind.unlinked;
  table.unlinkLocked`,
      },
    ],
    scenarios: ['dying/remove'],
    found: ['half-linked connection', 'invariant violated', 'double clean'],
  },
  {
    name: "a dead owner's mutex is released, and nobody woken",
    edits: [
      {
        file: MUTEX,
        find: '    unlock(words, index);\n  }\n  wakeWaiters(words, index);\n  return heldIt;',
        replace: '    unlock(words, index);\n  }\n  return heldIt;',
      },
    ],
    scenarios: ['dying/mutex'],
    found: ['lost wake-up'],
  },
];
