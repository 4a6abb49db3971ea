/**
 * One sample of the NAT benchmark. `node nat-sample.js '<NatSampleOptions>'` prints a NatSample as a line of JSON. One thread
 * sends packets of both directions in turn on established connections.
 */

import { Conntrack } from '../../src/core/conntrack.ts';
import { CtAction } from '../../src/core/action.ts';
import { conntrackExecute } from '../../src/core/path/execute.ts';
import { stateText } from '../../src/core/inspect/state-names.ts';
import { tuneCompiler } from '../../src/workers/threads/compiler.ts';
import { EstablishedBatch, type L4Protocol, NAT_ADDRESS, OPENING_STEPS, type Step } from '../workloads/established.ts';

export interface NatSampleOptions {
  protocol: L4Protocol;
  /** With source NAT. */
  isTranslated: boolean;
  connections: number;
  packets: number;
  batchSize: number;
  buckets: number;
}

export interface NatSample {
  nsPerPacket: number;
  /** Set if a packet got a wrong state. The sample is then invalid. */
  error?: string;
}

const WARM_UP_ROUNDS = 20;
const TRAFFIC: readonly Step[] = ['original', 'reply'];

const options = JSON.parse(process.argv[2]!) as NatSampleOptions;
tuneCompiler();
console.log(JSON.stringify(sample()));

function sample(): NatSample {
  const { protocol, isTranslated, connections, packets, batchSize, buckets } = options;
  const action = new CtAction({
    commit: true,
    ...(isTranslated ? { nat: { action: ['src'], minAddr: NAT_ADDRESS } } : {}),
  });
  const conntrack = new Conntrack({ buckets, maxConnections: 2 * connections, prefaultConnections: connections });
  const { tracker } = conntrack;
  tracker.enter();
  let nowMs = 1_000_000;

  /* Open each connection completely before the next, since the packets of a handshake depend on each other. */
  const steps = OPENING_STEPS[protocol];
  const perBatch = Math.floor(batchSize / steps.length);
  const opening = new EstablishedBatch({ protocol, steps, isTranslated, batchSize: perBatch * steps.length });
  for (let id = 0; id < connections; id += perBatch) {
    opening.fill(id, Math.min(perBatch, connections - id) * steps.length, connections);
    conntrackExecute(tracker, opening.batch, action, nowMs);
  }

  const traffic = new EstablishedBatch({ protocol, steps: TRAFFIC, isTranslated, batchSize });
  const send = (count: number) => {
    for (let sent = 0; sent < count; sent += batchSize) {
      traffic.fill(sent >> 1, batchSize, connections);
      conntrackExecute(tracker, traffic.batch, action, nowMs);
      nowMs += 1 / 64;
    }
  };
  for (let round = 0; round < WARM_UP_ROUNDS; round++) {
    send(2 * connections);
  }
  const before = conntrack.counters().established;
  const startNs = process.hrtime.bigint();
  send(packets);
  const endNs = process.hrtime.bigint();
  const established = conntrack.counters().established - before;
  const sent = Math.ceil(packets / batchSize) * batchSize;
  const wanted = isTranslated ? ['est|trk|snat', 'est|rpl|trk|dnat'] : ['est|trk', 'est|rpl|trk'];
  const got = [traffic.batch.state(0), traffic.batch.state(1)].map(stateText);
  tracker.leave();
  const nsPerPacket = Number(endNs - startNs) / sent;
  if (established !== sent || conntrack.connCount !== connections || String(got) !== String(wanted)) {
    const error = `${established} of ${sent} packets established, ${conntrack.connCount} connections, states ${got}`;
    return { nsPerPacket, error };
  }
  return { nsPerPacket };
}
