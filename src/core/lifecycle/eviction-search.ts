/** What a thread remembers of its search for connections to evict from a full table (evict.ts). */

import { Slab } from '../../shared/memory/slab.ts';

/** The most that a search may save up of its budget: what looking at this many index lines costs. */
export const MAX_BUDGET = 8192;

/** How much a connection is worth keeping that is not to be evicted. */
export const KEPT = 0x3fffffff;

/** A thread's search for victims. */
export class Eviction {
  /** Records that may be retired and not yet free before nobody is evicted: readers of old ones hold the memory up. */
  readonly mostRetired: number;
  /** Where the walk stands: bucket, its block when the walk came there, line. */
  bucket: number;
  block = 0;
  line = 0;
  budget: number = MAX_BUDGET;
  /** The best found by the current search: its slot, or 0, and what it is worth. */
  slot = 0;
  score: number = KEPT;
  probes = 0;

  constructor(maxParticipants: number, participantId: number, bucketCount: number) {
    this.mostRetired = Slab.retiredAllowance(maxParticipants);
    /* Threads walk apart. */
    this.bucket = Math.floor((participantId / maxParticipants) * bucketCount);
  }
}
