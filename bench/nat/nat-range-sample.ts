/**
 * One sample of the search for a free port. `node nat-range-sample.js '<NatRangeSampleOptions>'` prints a NatRangeSample as
 * a line of JSON. Clients behind one address and a range of ports open one connection each, until the range is used up and
 * beyond. Each creation is timed by itself.
 */

import { Conntrack } from '../../src/core/conntrack.ts';
import { CtAction } from '../../src/core/action.ts';
import { Counter } from '../../src/core/counters.ts';
import { conntrackExecute } from '../../src/core/path/execute.ts';
import { ChecksumBit, PacketWord } from '../../src/core/packet/layout.ts';
import { tuneCompiler } from '../../src/workers/threads/compiler.ts';
import { EstablishedBatch, NAT_ADDRESS } from '../workloads/established.ts';

export interface NatRangeSampleOptions {
  /** Number of ports in the range. */
  ports: number;
  /** Connections to try after as many as the range has ports. */
  beyond: number;
  buckets: number;
}

/** The attempts that were made while this share of the range was in use. */
export interface NatRangeBand {
  usedFrom: number;
  usedTo: number;
  attempts: number;
  refused: number;
  medianUs: number;
  p99Us: number;
  maxUs: number;
}

export interface NatRangeSample {
  bands: NatRangeBand[];
  connections: number;
  /** Set if the accounting of the table is wrong. The sample is then invalid. */
  error?: string;
}

/** Bounds of the bands: shares of the range that are in use. */
const BAND_EDGES = [0, 0.5, 0.9, 0.99, 0.999, 1];
const FIRST_PORT = 1024;
const CLIENT_WORD: number = PacketWord.FRAME + 7;
const START_MS = 1_000_000;

interface Attempt {
  used: number;
  us: number;
  isRefused: boolean;
}

const options = JSON.parse(process.argv[2]!) as NatRangeSampleOptions;
tuneCompiler();
/* The first range is the warm-up. */
fillRange();
console.log(JSON.stringify(fillRange()));

function fillRange(): NatRangeSample {
  const { ports, beyond, buckets } = options;
  const nat = { action: ['src'], minAddr: NAT_ADDRESS, minPort: FIRST_PORT, maxPort: FIRST_PORT + ports - 1 };
  const action = new CtAction({ commit: true, nat });
  const conntrack = new Conntrack({ buckets, maxConnections: 2 * ports + beyond, prefaultConnections: ports });
  const { tracker } = conntrack;
  const single = new EstablishedBatch({ protocol: 'udp', steps: ['original'], isTranslated: false, batchSize: 1 });
  const { words, slots } = single.batch;
  const attempts: Attempt[] = [];
  let used = 0;
  tracker.enter();
  for (let client = 0; client < ports + beyond; client++) {
    single.fill(0, 1, 1);
    /* Addresses of 11.0.0.0/8 in mixed order. The batch marks the header checksum as good. */
    words[slots[0]! + CLIENT_WORD] = 11 | (Math.imul(client, 0x9e3779) << 8);
    words[slots[0]! + PacketWord.CHECKSUMS] = ChecksumBit.IP_GOOD | ChecksumBit.L4_GOOD;
    const startNs = process.hrtime.bigint();
    conntrackExecute(tracker, single.batch, action, START_MS);
    const us = Number(process.hrtime.bigint() - startNs) / 1e3;
    const created = tracker.counters[Counter.created]!;
    attempts.push({ used, us, isRefused: created === used });
    used = created;
  }
  tracker.leave();
  const { natExhausted, created } = conntrack.counters();
  return {
    bands: bandsOf(attempts, ports),
    connections: conntrack.connCount,
    ...(created === conntrack.connCount && created + natExhausted === ports + beyond
      ? {}
      : { error: `${created} created, ${natExhausted} refused, of ${ports + beyond} attempts` }),
  };
}

function bandsOf(attempts: readonly Attempt[], ports: number): NatRangeBand[] {
  return BAND_EDGES.map((usedFrom, index) => {
    const usedTo = BAND_EDGES[index + 1] ?? 1;
    const band = attempts.filter(({ used }) =>
      usedFrom === 1 ? used === ports : used / ports >= usedFrom && used / ports < usedTo,
    );
    const us = band.map((attempt) => attempt.us).toSorted((a, b) => a - b);
    return {
      usedFrom,
      usedTo,
      attempts: band.length,
      refused: band.filter((attempt) => attempt.isRefused).length,
      medianUs: us[us.length >> 1] ?? Number.NaN,
      p99Us: us[Math.floor(us.length * 0.99)] ?? Number.NaN,
      maxUs: us.at(-1) ?? Number.NaN,
    };
  });
}
