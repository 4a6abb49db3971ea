/** The state of a thread's search for connections to evict from a full table (evict.ts). */

import { Slab } from '../../shared/memory/slab.ts';

/** The largest budget that a search may save: the cost of reading this many index lines. */
export const MAX_BUDGET = 8192;

/** The eviction score of a connection that must not be evicted. */
export const KEPT = 0x3fffffff;

/** A thread's search for victims. */
export class Eviction {
  /**
   * With this many retired records not yet free, nothing is evicted: readers in old epochs hold the memory, and
   * evicting would only retire more.
   */
  readonly mostRetired: number;
  /** Position of the walk: the bucket, its block when the walk reached it, and the line. */
  bucket: number;
  block = 0;
  line = 0;
  budget: number = MAX_BUDGET;
  /** The best candidate of the current search: its slot, or 0, and its score. */
  slot = 0;
  score: number = KEPT;
  probes = 0;

  constructor(maxParticipants: number, participantId: number, bucketCount: number) {
    this.mostRetired = Slab.retiredAllowance(maxParticipants);
    /* Each thread starts elsewhere, so that they do not choose the same victims. */
    this.bucket = Math.floor((participantId / maxParticipants) * bucketCount);
  }
}
