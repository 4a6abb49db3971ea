/** What the tracker counts, per participant (shared/counters.ts). The order is the order in shared memory. */
export const COUNTER_NAMES = [
  'packets',
  'batches',
  'new',
  'established',
  'related',
  'invalid',
  'created',
  /** Found under the lock: another thread, or an earlier packet of the batch, had just created the connection. */
  'clash',
  'tableFull',
  'zoneFull',
  /** No record or no index line left: the table was made too small. */
  'insertFailed',
  /** No free tuple left to translate a new connection to. */
  'natExhausted',
  /** Stale entries that a search met and left alone (reclaim: 'sweep'). */
  'staleSkipped',
  /* Removals, by reason. created = live + the sum of these. */
  'expiredAtLookup',
  'expiredAtSweep',
  'killed',
  'flushed',
  'evicted',
  /* The sweeper. */
  'sweepVisited',
  'sweepRounds',
  /* Input: packets that a live source lost, and times that a file had to wait, because a ring was full. */
  'ringDropped',
  'ringWaited',
] as const;

export type CounterName = (typeof COUNTER_NAMES)[number];

/** Index of each counter. */
export const Counter = Object.fromEntries(COUNTER_NAMES.map((name, index) => [name, index])) as Record<
  CounterName,
  number
>;
