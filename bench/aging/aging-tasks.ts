/** What the PMDs of an aging sample are told to do, and what they answer. */

/** A connection has this timeout policy if it is to expire while it is watched. */
export const PROBE_POLICY = 1;

export type AgingTask =
  /** One packet for each connection from `first` on. */
  | { kind: 'send'; first: number; count: number }
  /** Batches of traffic on the connections, timed each, for so long; probes are opened on the way. */
  | { kind: 'talk'; first: number; count: number; durationMs: number; firstProbe: number }
  /** Connections that expire after `timeoutMs`, opened a few each millisecond, and watched until all are gone. */
  | { kind: 'probe'; firstProbe: number; durationMs: number; timeoutMs: number };

export interface AgingAnswer {
  /** talk: batches by latency (latency-histogram.ts). */
  bins?: Float64Array;
  /** talk, probe: how many were opened. */
  probes?: number;
  /** probe: how long after its expiry each was gone, ms. */
  lagsMs?: Float64Array;
}
