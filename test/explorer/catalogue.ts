/** All scenarios, and how far they are searched. */

export interface CatalogueEntry {
  /** Module in scenarios/, and its export. */
  module: string;
  scenario: string;
  what: string;
  /** Preemptions: those that find the mutants, those of every test run where these are too many, and of the long one. */
  preemptions: number;
  short?: number;
  long: number;
  /** Random schedules, in the long run. */
  random?: number;
  /** A thread that dies at each of its steps. */
  victim?: number;
  mayTimeOut?: boolean;
}

function entries(module: string, list: Omit<CatalogueEntry, 'module'>[]): CatalogueEntry[] {
  return list.map((entry) => ({ module, ...entry }));
}

export const CATALOGUE: readonly CatalogueEntry[] = [
  ...entries('mutex', [
    { scenario: 'two', what: 'two threads lock twice each, without spinning', preemptions: 3, long: 4 },
    {
      scenario: 'twoThatSpin',
      what: 'two threads lock twice each, and spin before they sleep',
      preemptions: 3,
      long: 4,
    },
    { scenario: 'three', what: 'three threads lock once each', preemptions: 2, long: 3 },
    { scenario: 'tryLocks', what: 'one tries, two lock', preemptions: 2, long: 3 },
  ]),
  ...entries('pair-lock', [
    { scenario: 'opposite', what: 'two threads take one pair, in opposite order', preemptions: 3, long: 4 },
    { scenario: 'three', what: 'a third one takes one lock of the pair', preemptions: 2, long: 3 },
  ]),
  ...entries('epochs', [
    { scenario: 'reader', what: 'a writer and a reader with two batches', preemptions: 3, long: 4 },
    { scenario: 'visitor', what: 'a writer and a reader that goes offline in between', preemptions: 3, long: 4 },
    { scenario: 'readerAndVisitor', what: 'a writer and both kinds of reader', preemptions: 2, long: 3 },
  ]),
  ...entries('slab', [
    { scenario: 'giveAndTake', what: 'one returns a batch, the other takes one', preemptions: 3, long: 4 },
    { scenario: 'twoGive', what: 'both return a batch', preemptions: 3, long: 4 },
    { scenario: 'giveAndTwoTake', what: 'one returns a batch, two take', preemptions: 2, long: 4 },
  ]),
  ...entries('ring', [
    { scenario: 'one', what: 'one value, then closed', preemptions: 3, long: 4 },
    { scenario: 'open', what: 'two values, and the ring stays open', preemptions: 3, long: 4 },
    { scenario: 'three', what: 'three values through a ring for two', preemptions: 2, long: 3 },
  ]),
  ...entries('insert', [
    { scenario: 'sameTuple', what: 'two packets open the same connection', preemptions: 2, long: 3 },
    { scenario: 'sameTupleThree', what: 'three packets open the same connection', preemptions: 1, long: 2 },
    { scenario: 'bothEnds', what: 'both ends of a connection open it', preemptions: 2, long: 3 },
    { scenario: 'twoTuples', what: 'two connections of one index line', preemptions: 2, long: 3 },
    { scenario: 'lastUnit', what: 'two connections, and one credit', preemptions: 2, long: 3 },
    { scenario: 'againstLookup', what: 'one opens, the other looks from both ends', preemptions: 3, long: 4 },
    {
      scenario: 'overflowAgainstLookup',
      what: 'an entry overflows its line under the eyes of a walk',
      preemptions: 3,
      long: 4,
    },
  ]),
  ...entries('remove', [
    { scenario: 'twoClean', what: 'two packets meet an expired connection', preemptions: 3, short: 2, long: 4 },
    { scenario: 'sweepAndFlush', what: 'the sweeper and a flush', preemptions: 3, long: 4 },
    { scenario: 'lookupSweepFlush', what: 'a packet, the sweeper and a flush', preemptions: 2, short: 1, long: 3 },
    { scenario: 'killAndFlush', what: 'a packet kills what is being flushed', preemptions: 2, long: 3 },
    { scenario: 'killAndSweep', what: 'a packet kills what is being swept', preemptions: 2, long: 3 },
    { scenario: 'reopened', what: 'two packets open an expired connection anew', preemptions: 2, long: 3 },
    { scenario: 'reopenedAndSwept', what: 'a packet opens anew what is being swept', preemptions: 2, long: 3 },
    {
      scenario: 'flushAgainstInsert',
      what: 'everything is flushed while two connections are opened',
      preemptions: 3,
      short: 2,
      long: 4,
    },
    {
      scenario: 'flushOneAgainstInsert',
      what: 'a connection is flushed while a packet opens it',
      preemptions: 3,
      long: 4,
    },
    {
      scenario: 'cleanAgainstLookup',
      what: 'a reader holds what is removed and its memory wanted',
      preemptions: 3,
      short: 2,
      long: 4,
    },
  ]),
  ...entries('sweep', [
    {
      scenario: 'markAgainstInsert',
      what: 'the sweeper marks the line in which two are placed',
      preemptions: 3,
      long: 4,
    },
    {
      scenario: 'markAgainstShortening',
      what: 'the sweeper marks the line of what is to expire earlier',
      preemptions: 3,
      long: 4,
    },
  ]),
  ...entries('wheel', [
    {
      scenario: 'insertAgainstSweep',
      what: 'two connections are opened while a thread sweeps',
      preemptions: 2,
      long: 3,
    },
    {
      scenario: 'reuseOfListed',
      what: 'a record whose node is in the wheel is used again while a thread sweeps',
      preemptions: 2,
      long: 3,
    },
    {
      scenario: 'reuseOfQueued',
      what: 'a record whose node is in an inbox is used again while a thread sweeps',
      preemptions: 2,
      long: 3,
    },
    {
      scenario: 'reuseOfExpired',
      what: 'a record is used again as the sweeper looks at its due node',
      preemptions: 2,
      long: 3,
    },
    {
      scenario: 'shorteningOfListed',
      what: 'a connection of the wheel is to expire earlier while a thread sweeps',
      preemptions: 2,
      long: 3,
    },
    {
      scenario: 'shorteningOfQueued',
      what: 'a connection of an inbox is to expire earlier while a thread sweeps',
      preemptions: 2,
      long: 3,
    },
    { scenario: 'twoShorten', what: 'two threads make one connection expire earlier', preemptions: 2, long: 3 },
    { scenario: 'killing', what: 'a connection is killed while a thread sweeps', preemptions: 2, long: 3 },
    { scenario: 'twoSweepListed', what: 'two threads sweep what has expired', preemptions: 2, short: 1, long: 3 },
    { scenario: 'twoSweepQueued', what: 'two threads empty one inbox', preemptions: 2, long: 3 },
    ...[
      { scenario: 'inserterDies', what: 'it opens a connection, another sweeps', preemptions: 0, long: 1 },
      { scenario: 'shortenerDies', what: 'it makes a connection expire earlier', preemptions: 0, long: 1 },
      { scenario: 'sweeperDies', what: 'it removes what has expired', preemptions: 0, long: 1 },
      { scenario: 'drainerDies', what: 'it empties an inbox, another one shortens', preemptions: 1, long: 2 },
    ].map((entry) => ({ ...entry, victim: 0 })),
  ]),
  ...entries('eviction', [
    { scenario: 'giveAndTake', what: 'one releases the credit that the other wants', preemptions: 2, long: 3 },
  ]),
  ...entries('eviction', [
    { scenario: 'twoEvict', what: 'two newcomers evict the same connection', preemptions: 2, long: 3 },
    { scenario: 'evictAndAnswer', what: 'a connection is evicted as its first reply comes', preemptions: 2, long: 3 },
    { scenario: 'countWhileRefused', what: 'connections of a full table are counted', preemptions: 2, long: 3 },
    { scenario: 'countWhileEvicted', what: 'they are counted while one is evicted', preemptions: 2, long: 3 },
    { scenario: 'evictAndFlush', what: 'a connection is evicted as it is flushed', preemptions: 2, long: 3 },
  ]),
  ...entries('quota', [
    {
      scenario: 'nextBatch',
      what: 'a batch ends and the next begins while another thread wants the last credit',
      preemptions: 4,
      long: 5,
    },
    { scenario: 'batchAndTwo', what: 'a batch ends, and two threads want its unused credit', preemptions: 1, long: 2 },
    {
      scenario: 'batchBegins',
      what: 'a batch begins and ends while another thread takes all credits',
      preemptions: 3,
      long: 4,
    },
    {
      scenario: 'batchGoesOn',
      what: 'a batch uses its prefetched credit while another thread collects',
      preemptions: 3,
      long: 4,
    },
    { scenario: 'batchUsesIt', what: 'a batch uses the credit that another thread waits for', preemptions: 3, long: 4 },
    {
      scenario: 'giveThenTake',
      what: 'one releases a credit, then one takes it, while a third collects',
      preemptions: 2,
      long: 3,
    },
    { scenario: 'usedWhileCollecting', what: 'credits are counted while a thread collects', preemptions: 3, long: 4 },
    {
      scenario: 'usedOfFull',
      what: 'credits of a full pool are counted while a thread is refused',
      preemptions: 3,
      long: 4,
    },
    { scenario: 'usedWhileBlockComes', what: 'credits are counted while a block is taken', preemptions: 3, long: 4 },
    {
      scenario: 'usedWhileReturning',
      what: 'credits are counted while unused ones are returned',
      preemptions: 3,
      long: 4,
    },
    {
      scenario: 'usedWhileMoving',
      what: 'credits are counted while one moves from thread to thread',
      preemptions: 2,
      long: 3,
    },
    ...[
      { scenario: 'collectorDies', what: 'it collects, another thread takes a credit', preemptions: 1, long: 2 },
      { scenario: 'collectorDiesUnderEyes', what: 'it collects, another thread counts', preemptions: 1, long: 2 },
      { scenario: 'batchDies', what: 'its batch ends, another thread waits for that', preemptions: 1, long: 2 },
      {
        scenario: 'batchDiesAsItBegins',
        what: 'its batch prefetches, another thread wants all credits',
        preemptions: 1,
        long: 2,
      },
      { scenario: 'releaserDies', what: 'it releases a credit of a full pool, another takes', preemptions: 1, long: 2 },
      { scenario: 'blockTakerDies', what: 'it takes a block of credits, another takes', preemptions: 1, long: 2 },
    ].map((entry) => ({ ...entry, victim: 0 })),
  ]),
  ...entries('zones', [
    {
      scenario: 'policyDeletedTwice',
      what: "a zone's policy is deleted by two, set and deleted",
      preemptions: 3,
      long: 4,
    },
    { scenario: 'setAndDeleteDefault', what: "a zone's limit is set, the default deleted", preemptions: 3, long: 4 },
    {
      scenario: 'setDefaultAndDeleteDefault',
      what: 'the default limit is set and deleted',
      preemptions: 3,
      long: 4,
    },
    { scenario: 'countOfFullZone', what: 'connections of a full zone are counted', preemptions: 3, long: 4 },
    {
      scenario: 'setterDies',
      what: 'it sets a limit, another deletes the default',
      preemptions: 1,
      long: 2,
      victim: 0,
    },
  ]),
  ...entries('zone-lists', [
    {
      scenario: 'flushAgainstInsert',
      what: 'a zone is flushed while a connection of it is opened',
      preemptions: 2,
      long: 3,
    },
    {
      scenario: 'flushOfFound',
      what: 'a zone is flushed by the thread that has found its connection',
      preemptions: 2,
      long: 3,
    },
    { scenario: 'flushAndSweep', what: 'a zone is flushed and swept', preemptions: 2, long: 3 },
    { scenario: 'twoFlush', what: 'two threads flush one zone', preemptions: 1, long: 2 },
    { scenario: 'twoEmpty', what: 'the last two connections of a segment are removed', preemptions: 2, long: 3 },
    {
      scenario: 'emptiedAgainstExtended',
      what: 'a segment is emptied while its owner adds the next',
      preemptions: 2,
      long: 3,
    },
    {
      scenario: 'emptiedAgainstWalk',
      what: 'a segment is emptied and wanted again under the eyes of a walk',
      preemptions: 2,
      long: 3,
    },
    ...[
      { scenario: 'inserterDies', what: 'it opens the first connection of a zone', preemptions: 0, long: 1 },
      { scenario: 'extenderDies', what: 'it adds a segment that another one makes the first', preemptions: 0, long: 1 },
      { scenario: 'removerDies', what: 'it empties a segment, another flushes the zone', preemptions: 0, long: 1 },
      { scenario: 'flusherDies', what: 'it flushes a zone, another opens a connection there', preemptions: 0, long: 1 },
    ].map((entry) => ({ ...entry, victim: 0 })),
  ]),
  ...entries('nat', [
    {
      scenario: 'insertAgainstLookup',
      what: 'two keys are linked under the eyes of a reader',
      preemptions: 3,
      long: 4,
    },
    {
      scenario: 'removeAgainstLookup',
      what: 'two keys are unlinked under the eyes of a reader',
      preemptions: 3,
      long: 4,
    },
    {
      scenario: 'insertAgainstSweep',
      what: 'the tuple of what is being swept is taken again',
      preemptions: 2,
      long: 3,
    },
    { scenario: 'onePort', what: 'two connections, one port', preemptions: 2, long: 3 },
    {
      scenario: 'insertAgainstRemove',
      what: 'one links where the other unlinks, in two buckets',
      preemptions: 2,
      long: 3,
    },
    { scenario: 'everything', what: 'insertion, sweeper and a reader in two buckets', preemptions: 1, long: 2 },
  ]),
  ...entries('growth', [
    {
      scenario: 'againstLookup',
      what: 'a bucket grows, twice looked at, and its old block is cleared',
      preemptions: 2,
      long: 3,
    },
    { scenario: 'againstInsert', what: 'a bucket grows by either of two insertions', preemptions: 2, long: 3 },
    {
      scenario: 'againstSameInsert',
      what: 'a bucket grows by either of two insertions of one tuple',
      preemptions: 2,
      short: 1,
      long: 3,
    },
    { scenario: 'againstRemove', what: 'a bucket grows while a connection of it is removed', preemptions: 2, long: 3 },
    { scenario: 'againstSweep', what: 'a bucket grows while it is swept', preemptions: 2, long: 3 },
    {
      scenario: 'againstAll',
      what: 'a bucket grows while one reads and one removes',
      preemptions: 2,
      short: 1,
      long: 3,
    },
  ]),
  ...entries('zone-tables', [
    { scenario: 'firstConnections', what: 'two threads open the first connections of a zone', preemptions: 2, long: 3 },
    {
      scenario: 'firstAgainstLookup',
      what: 'one opens the first connection of a zone, the other looks, sweeps and looks again',
      preemptions: 2,
      long: 3,
    },
    {
      scenario: 'twoZones',
      what: 'one opens connections of two zones, the other one of the second, which it flushes',
      preemptions: 1,
      long: 2,
    },
  ]),
  ...entries(
    'dying',
    [
      { scenario: 'mutex', what: 'the owner of a mutex dies, another waits', preemptions: 2, long: 3 },
      { scenario: 'mutexOfMany', what: 'the owner of a mutex dies, two wait', preemptions: 1, long: 2 },
      { scenario: 'insert', what: 'it opens a connection, another thread another one', preemptions: 0, long: 1 },
      { scenario: 'sameInsert', what: 'it opens a connection, another thread the same', preemptions: 0, long: 1 },
      { scenario: 'remove', what: 'it removes a connection, another flushes', preemptions: 0, long: 1 },
      { scenario: 'removeAndInsert', what: 'it removes a connection, another opens one', preemptions: 0, long: 1 },
      { scenario: 'sweep', what: 'it sweeps, another opens a connection', preemptions: 0, long: 1 },
      { scenario: 'growth', what: 'its bucket grows, another inserts there', preemptions: 0, long: 1 },
      { scenario: 'nat', what: 'it links two keys, another links two', preemptions: 0, long: 1 },
      { scenario: 'natRemove', what: 'it unlinks two keys, another links two', preemptions: 0, long: 1 },
    ].map((entry) => ({ ...entry, victim: 0 })),
  ),
];

export function idOf({ module, scenario }: Pick<CatalogueEntry, 'module' | 'scenario'>): string {
  return `${module}/${scenario}`;
}

/** @param id as idOf */
export function entryOf(id: string): CatalogueEntry {
  const entry = CATALOGUE.find((candidate) => idOf(candidate) === id);
  if (entry === undefined) {
    throw new Error(`there is no scenario ${JSON.stringify(id)}; there are ${CATALOGUE.map(idOf).join(', ')}`);
  }
  return entry;
}
