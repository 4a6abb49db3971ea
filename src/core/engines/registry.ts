/** The implementation behind each engine name. */

import { LINE_WORDS } from '../../shared/memory/cache-line.ts';
import { shown, UsageError } from '../errors.ts';
import { BucketSweep } from './bucket-sweep/bucket-sweep.ts';
import { ENGINES, type EngineName } from './engine.ts';
import type { ExpiryParts, ExpiryStrategy } from './expiry.ts';
import { ListsByExpiry } from './expiration-lists/expiration-lists.ts';
import { listsWords, type TableSize } from './lists.ts';
import { ListsByQueues } from './queues/queues.ts';
import { TimerWheel } from './wheel/timer-wheel.ts';
import { wheelWords } from './wheel/wheel-layout.ts';

export interface EngineKind {
  /** Part of memoryMark; unique to the engine. */
  readonly number: number;
  /** False: the table is one bucket, whose lock is the global one. */
  readonly hasBuckets: boolean;
  /** The default of ConntrackOptions.reclaim. */
  readonly reclaim: 'lookup-and-sweep' | 'sweep';
  /** Words of the engine's own shared region. */
  readonly regionWords: (size: TableSize) => number;
  /** A thread's strategy. */
  readonly strategyOf: (parts: ExpiryParts) => ExpiryStrategy;
}

const KINDS_BY_NAME: Readonly<Record<EngineName, EngineKind>> = {
  'ct-bucket': {
    number: 0,
    hasBuckets: true,
    reclaim: 'lookup-and-sweep',
    /* Unused. */
    regionWords: () => LINE_WORDS,
    strategyOf: (parts) => new BucketSweep(parts),
  },
  baseline: {
    number: 1,
    hasBuckets: false,
    reclaim: 'sweep',
    regionWords: listsWords,
    strategyOf: (parts) => new ListsByExpiry(parts),
  },
  'ct-scale': {
    number: 2,
    hasBuckets: false,
    reclaim: 'sweep',
    regionWords: listsWords,
    strategyOf: (parts) => new ListsByQueues(parts),
  },
  wheel: {
    number: 3,
    hasBuckets: true,
    reclaim: 'lookup-and-sweep',
    regionWords: wheelWords,
    strategyOf: (parts) => new TimerWheel(parts),
  },
};

/** @throws UsageError if there is no engine of that name */
export function engineKind(name: EngineName): EngineKind {
  if (!ENGINES.includes(name)) {
    throw new UsageError(`engine must be one of ${ENGINES.join(', ')}, not ${shown(name)}`);
  }
  return KINDS_BY_NAME[name];
}
