/** The tasks of the PMDs of an aging sample, and their results. */

/** Timeout policy of probes: connections that expire while a PMD watches them. */
export const PROBE_POLICY = 1;
/** Room for probes beside the measured connections. */
export const PROBE_ROOM = 500_000;

export type AgingTask =
  /** Send one packet on each connection from `first` on. */
  | { kind: 'send'; first: number; count: number }
  /** Send traffic on the connections for `durationMs`, time each batch, and open probes meanwhile. */
  | { kind: 'talk'; first: number; count: number; durationMs: number; firstProbe: number }
  /** Open a few connections each millisecond that expire after `timeoutMs`. Watch them until all are gone. */
  | { kind: 'probe'; firstProbe: number; durationMs: number; timeoutMs: number };

export interface AgingReport {
  /** talk: latencies of batches (latency-histogram.ts). */
  bins?: Float64Array;
  /** talk, probe: number of probes opened. */
  probes?: number;
  /** probe: ms from the expiry of each connection to its removal. */
  lagsMs?: Float64Array;
}
