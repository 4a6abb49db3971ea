/** Makes the parts of a datapath and connects them. Of each other they know callbacks only. */

import { Conntrack } from '../../core/conntrack.ts';
import { bucketsFor } from '../../core/engines/registry.ts';
import { expectWhole } from '../../core/errors.ts';
import { MAX_PARTICIPANTS } from '../../core/memory/table-options.ts';
import { allocateWords } from '../../shared/access.ts';
import { type DatapathShare, StatusWord, statusWords } from '../threads/status.ts';
import { requireThreadMemory } from '../threads/thread-memory.ts';
import { ActionTable } from './action-table.ts';
import { DatapathWorkers } from './datapath-workers.ts';
import type { CheckedOptions } from './options.ts';
import { PacketExchange } from './packet-exchange.ts';
import { PmdRings } from './pmd-rings.ts';
import { VerdictFeed } from './verdict-feed.ts';

/** Participant slots beside those of PMDs: the sweeper, the owner, the control thread, and spare ones. */
const OTHER_PARTICIPANTS = 8;
/** Lock timeout of the owner. The holder may be dead, and only the owner can repair it. */
const LOCK_TIMEOUT_MS = 2000;

export interface DatapathParts<Tag> {
  conntrack: Conntrack;
  share: DatapathShare;
  actions: ActionTable;
  feed: VerdictFeed<Tag>;
  workers: DatapathWorkers;
  exchange: PacketExchange;
}

/** Participant slots of a datapath's table. */
export function participantsOf(threads: number): number {
  return threads + OTHER_PARTICIPANTS;
}

function makeTable({ table, threads }: CheckedOptions): Conntrack {
  const { maxParticipants = 1 } = table;
  expectWhole('maxParticipants', maxParticipants, 1, MAX_PARTICIPANTS);
  const slots = Math.max(maxParticipants, participantsOf(threads));
  const { engine = 'ct-bucket' } = table;
  const buckets = table.buckets ?? bucketsFor(engine, { threads });
  const conntrack = new Conntrack({ ...table, ...(buckets === undefined ? {} : { buckets }), maxParticipants: slots });
  conntrack.lockTimeoutMs = LOCK_TIMEOUT_MS;
  conntrack.usedBy = 'a datapath';
  return conntrack;
}

/**
 * Makes the table and the rings, and starts the threads.
 * @param assertRunning throws when the datapath takes no more packets
 * @throws UsageError for a wrong option of the table, or if there is no memory for the table or the threads
 */
export function makeParts<Tag>(options: CheckedOptions, assertRunning: () => void): DatapathParts<Tag> {
  const { threads, clock, checksums, ringBytes, steering } = options;
  const conntrack = makeTable(options);
  /* The PMDs and the sweeper. */
  requireThreadMemory(threads + 1);
  const status = allocateWords(statusWords(threads));
  const share: DatapathShare = { memory: conntrack.memory, status, clock, threads };
  const reachedMs = new Float64Array(status.buffer, StatusWord.REACHED_MS * 4, 1);
  const rings = new PmdRings({ threads, ringBytes, checksums, reachedMs, memory: conntrack.memory });
  const feed = new VerdictFeed<Tag>(rings, { pause: (isFull) => exchange.pause(isFull) });
  const actions = new ActionTable(options.action);
  const workers = new DatapathWorkers({
    conntrack,
    share,
    rings,
    actions: actions.words,
    options,
    onFailure: (error) => feed.fail(error),
  });
  workers.group.onDeath = (death) => feed.listeners.emit('workerDeath', death);
  workers.group.onHang = (hang) => feed.listeners.emit('workerHang', hang);
  const exchange = new PacketExchange({
    rings,
    steering,
    keys: conntrack.tracker.keys,
    counters: conntrack.tracker.counters,
    hasFailed: () => workers.failure !== undefined,
    throwIfFailed: () => workers.throwIfFailed(),
    assertRunning,
    onVisitorError: (error) => feed.reportError(error),
  });
  return { conntrack, share, actions, feed, workers, exchange };
}
