/** Options and result of a sample of `bench rate`. */

import type { EngineName } from '../../src/core/engines/engine.ts';
import type { Accounting } from './accounting.ts';
import type { FlowShape } from './schedule.ts';

export interface RateSampleOptions {
  shape: FlowShape;
  engine: EngineName;
  threads: number;
  /** Flows of all threads together. */
  flows: number;
  /** Packets a second of all threads together. */
  pps: number;
  /** Time of the measurement. Before it, the same load runs for `settleSeconds`. */
  seconds: number;
  settleSeconds: number;
  rehearsalSeconds: number;
  batchSize: number;
  buckets: number;
  /** Packets that a thread's receive ring holds. */
  ring: number;
  /** Give all latencies, too. */
  histogram: boolean;
}

export interface RateSample {
  /** Packets of all threads: due, tracked, dropped because a receive ring was full. */
  offered: number;
  judged: number;
  dropped: number;
  /** Connections that the table refused. */
  refused: number;
  /** The slowest thread, from its first due time to its last verdict. */
  ms: number;
  /** Connections created and removed in a second of the measurement. */
  createdPerS: number;
  removedPerS: number;
  /** From the due time to the verdict. The maximum is that of its bin. */
  latencyUs: { p50: number; p99: number; p999: number; max: number };
  /** The bins of the latencies that are not empty: [middle of the bin in ns, packets]. With option `histogram`. */
  latencyNs?: [ns: number, packets: number][];
  /** Mean share of a thread's time in which it had no packet. */
  idleShare: number;
  /** The longest time in which a thread did not read the clock, ms. */
  longestPauseMs: number;
  /** Packets a second that the threads build without tracking them, all together. */
  senderPps: number;
  /** Connections in the table at the end. */
  live: number;
  accounting: Accounting;
  /** Set if the accounting is wrong. The sample is then invalid. */
  error?: string;
}
