/** Runs one attack in this thread and returns its figures. */

import { Conntrack } from '../../src/core/conntrack.ts';
import { conntrackExecute } from '../../src/core/path/execute.ts';
import type { ConntrackOptions } from '../../src/core/memory/table-options.ts';
import { MAX_FRAGMENTS } from '../../src/core/fragments/region.ts';
import { MAX_EXPECTATIONS } from '../../src/core/alg/expectation-layout.ts';
import { UNIT_WORDS } from '../../src/core/table/conn.ts';
import { MAX_BATCH } from '../../src/core/packet/batch.ts';
import { LATENCY_BINS, latencyQuantile, recordLatency } from '../samples/latency-histogram.ts';
import { seededRandom } from '../statistics/statistics.ts';
import type { AttackOptions, Attack, Bound, Target, Traffic } from './attack.ts';
import { MOST_CHAIN, searchBound } from './bounds.ts';
import { Established, ESTABLISHED } from './established.ts';
import { figuresOf, type Figures } from './figures.ts';

/** Times of a packet, ns: the time of its batch / the packets of the batch. */
export interface Times {
  packets: number;
  p50: number;
  p99: number;
  max: number;
}

export interface AttackResult {
  ordinary: Times;
  attack: Times;
  /** Times of the established traffic during each. */
  establishedBeside: { ordinary: Times; attack: Times };
  /** Packets of established connections that did not get the state of one. */
  lost: number;
  before: Figures;
  after: Figures;
  bounds: Bound[];
  /** Errors in the accounting: sums that must be equal and are not. */
  faults: string[];
}

/** Batches of the attack for one batch of established traffic. */
const BATCHES_PER_ESTABLISHED = 8;
const UNIT_BYTES: number = UNIT_WORDS * 4;
const MOST_UNUSED = 8192;
const START_MS = 1_000_000;
const SPARE = 4096;

class Stopwatch {
  readonly #bins = new Float64Array(LATENCY_BINS);
  #max = 0;
  #packets = 0;

  note(ns: number, packets: number): void {
    recordLatency(this.#bins, ns);
    this.#max = Math.max(this.#max, ns);
    this.#packets += packets;
  }

  times(): Times {
    return {
      packets: this.#packets,
      p50: latencyQuantile(this.#bins, 0.5),
      p99: latencyQuantile(this.#bins, 0.99),
      max: this.#max,
    };
  }
}

interface Outcome {
  times: Times;
  established: Times;
  lost: number;
  before: Figures;
  after: Figures;
  conntrack: Conntrack;
  nowMs: number;
}

function phase(
  options: AttackOptions,
  table: ConntrackOptions,
  startMs: number,
  make: (target: Target) => Traffic,
): Outcome {
  const conntrack = new Conntrack({ maxParticipants: 2, ...table });
  const target: Target = { ...options, conntrack, random: seededRandom(options.seed), nowMs: startMs };
  const established = new Established(target);
  established.open();
  established.sendAll();
  const lostBefore = established.lost;
  const traffic = make(target);
  const before = figuresOf(conntrack);
  const own = new Stopwatch();
  const beside = new Stopwatch();
  const { tracker } = conntrack;
  let packets = 0;
  for (let batches = 0; packets < options.packets; batches++) {
    const batch = traffic.next();
    const { count } = batch;
    tracker.enter();
    const startMs = performance.now();
    conntrackExecute(tracker, batch, traffic.action, target.nowMs);
    own.note(((performance.now() - startMs) * 1e6) / count, count);
    tracker.leave();
    packets += count;
    if (batches % BATCHES_PER_ESTABLISHED === 0) {
      beside.note(established.send(), MAX_BATCH);
    }
  }
  established.sendAll();
  return {
    times: own.times(),
    established: beside.times(),
    lost: lostBefore + established.lost,
    before,
    after: figuresOf(conntrack),
    conntrack,
    nowMs: target.nowMs,
  };
}

/** Options of a table that holds every connection, however it hashes. */
function roomForAll(table: ConntrackOptions, packets: number): ConntrackOptions {
  return { ...table, maxConnections: Math.max(table.maxConnections ?? 0, packets + 2 * ESTABLISHED + SPARE) };
}

/** @param table options of the attacked table that override the attack's own */
export function runAttack(attack: Attack, options: AttackOptions, table: ConntrackOptions = {}): AttackResult {
  const own = { ...options, packets: Math.min(options.packets, attack.mostPackets ?? options.packets) };
  const attacked = { ...attack.tableOf(own), ...table };
  const ordinary = phase(own, roomForAll(attacked, own.packets), START_MS, (target) => attack.ordinary(target));
  ordinary.conntrack.close();
  const under = phase(own, attacked, attack.startMs?.(own) ?? START_MS, (target) => attack.attack(target));
  const { conntrack, before, after } = under;
  const aftermath = { ...own, conntrack, nowMs: under.nowMs, before, after, ordinary: ordinary.after };
  const limit = conntrack.maxConnections;
  const reserved = conntrack.memory.words.length * 4;
  const bounds: Bound[] = [
    { what: 'connections', value: after.connections, limit },
    { what: 'expectations', value: after.expectations, limit: MAX_EXPECTATIONS },
    {
      what: 'fragments',
      value: after.fragments,
      limit: Math.min(MAX_FRAGMENTS, conntrack.fragments.status().nfragMax),
    },
    { what: 'memory of the table, bytes', value: after.recordBytes + after.lineBytes, limit: reserved },
    /* Records beyond this limit lie in participants' caches, or wait for an epoch. */
    {
      what: 'records beyond the limit of connections',
      value: after.recordBytes / UNIT_BYTES - limit,
      limit: MOST_UNUSED,
    },
    { what: 'datagrams in a chain', value: after.longestFragmentChain, limit: MOST_CHAIN },
    ...(attack.expiresAll ? [] : [{ what: 'lost packets of established connections', value: under.lost, limit: 0 }]),
    { what: 'lost packets beside ordinary traffic', value: ordinary.lost, limit: 0 },
    ...(attack.bounds?.(aftermath) ?? [searchBound(after)]),
  ];
  const faults = faultsOf(conntrack);
  conntrack.close();
  return {
    ordinary: ordinary.times,
    attack: under.times,
    establishedBeside: { ordinary: ordinary.established, attack: under.established },
    lost: under.lost,
    before,
    after,
    bounds,
    faults,
  };
}

/** Checks the table against its counters, then flushes it and checks that nothing is left. */
function faultsOf(conntrack: Conntrack): string[] {
  const faults: string[] = [];
  const { created, expiredAtLookup, expiredAtSweep, killed, flushed, evicted } = conntrack.counters();
  const live = created - expiredAtLookup - expiredAtSweep - killed - flushed - evicted;
  if (live !== conntrack.connCount) {
    faults.push(`the counters give ${live} connections, the quota ${conntrack.connCount}`);
  }
  conntrack.flush();
  const left = [conntrack.connCount, conntrack.tracker.alg.expectations.used, figuresOf(conntrack).fullestBucket];
  if (left.some((count) => count !== 0)) {
    faults.push(`a flush left ${left[0]} connections, ${left[1]} expectations and ${left[2]} entries`);
  }
  return faults;
}
