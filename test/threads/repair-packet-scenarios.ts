/** Scenarios of the repair tests: a thread inserts, updates and removes connections. */

import { reverse, tcp, udp } from '../support/frames.ts';
import { tcpFrame } from '../support/tcp-frames.ts';
import {
  NOW_MS,
  send,
  ends,
  flows,
  V6,
  SMALL,
  NAT,
  eventProblems,
  fillBucket,
  endExhaustion,
  flowOfFullBucket,
  readEvents,
} from './repair-traffic.ts';
import type { Scenario } from './repair-scenario.ts';

export const PACKET_SCENARIOS: Record<string, Scenario> = {
  'insert UDP': { options: SMALL, run: (victim) => send(victim, flows(1, 1)) },
  'insert UDP from the cache': {
    options: SMALL,
    warmUp: (victim) => send(victim, flows(100, 1)),
    run: (victim) => send(victim, flows(1, 1)),
  },
  'insert a batch with prefetched credits': {
    options: { ...SMALL, maxConnections: 5000 },
    warmUp: (victim) => send(victim, flows(100, 1)),
    run: (victim) => send(victim, flows(1, 3)),
  },
  'insert far from the limit': {
    options: { ...SMALL, maxConnections: 5000 },
    run: (victim) => send(victim, flows(1, 1)),
  },
  'insert TCP': { options: SMALL, run: (victim) => send(victim, [tcp(ends(1), { flags: 'S', seq: 1 })]) },
  'insert IPv6': { options: SMALL, run: (victim) => send(victim, [tcpFrame(V6, { flags: 'S', seq: 1 })]) },
  'insert into a bucket that grows': {
    options: { ...SMALL, buckets: 1 },
    prepare: (ct) => send(ct, flows(100, 10)),
    run: (victim) => send(victim, flows(1, 1)),
  },
  'insert what is there': {
    options: SMALL,
    prepare: (ct) => send(ct, flows(1, 1)),
    run: (victim) => send(victim, flows(1, 1)),
  },
  'insert with NAT, two buckets': { options: SMALL, run: (victim) => send(victim, flows(1, 1), NAT) },
  'insert with NAT, buckets that grow': {
    options: { ...SMALL, buckets: 2 },
    prepare: (ct) => send(ct, flows(100, 21)),
    run: (victim) => send(victim, flows(1, 1), NAT),
  },
  'insert with NAT, no port left': {
    options: SMALL,
    prepare: (ct) => {
      for (let i = 0; i < 4; i++) {
        send(ct, [udp({ ...ends(20 + i), sport: 7 })], NAT);
      }
    },
    run: (victim) => send(victim, [udp({ ...ends(1), sport: 7 })], NAT),
  },
  'insert with NAT, no memory for the second index': {
    options: SMALL,
    prepare: fillBucket,
    run: (victim) => send(victim, flows(flowOfFullBucket(victim), 1), NAT),
    check: (ct) => {
      endExhaustion(ct);
      return [];
    },
  },
  'update TCP': {
    options: SMALL,
    prepare: (ct) => send(ct, [tcp(ends(1), { flags: 'S', seq: 1 })]),
    run: (victim) => send(victim, [tcp(reverse(ends(1)), { flags: 'SA', seq: 9, ack: 2 })]),
  },
  'update UDP': {
    options: SMALL,
    prepare: (ct) => send(ct, flows(1, 1)),
    run: (victim) => send(victim, [udp(reverse(ends(1)))]),
  },
  'end TCP': {
    options: SMALL,
    prepare: (ct) => send(ct, [tcp(ends(1), { flags: 'S', seq: 1 })]),
    run: (victim) => send(victim, [tcp(reverse(ends(1)), { flags: 'RA', seq: 9, ack: 2 })]),
  },
  'reopen TCP': {
    options: SMALL,
    prepare: (ct) =>
      send(ct, [tcp(ends(1), { flags: 'S', seq: 1 }), tcp(reverse(ends(1)), { flags: 'RA', seq: 9, ack: 2 })]),
    run: (victim) => send(victim, [tcp(ends(1), { flags: 'S', seq: 50_000 })]),
  },
  'set mark and label': {
    options: SMALL,
    prepare: (ct) => send(ct, flows(1, 1)),
    run: (victim) =>
      send(victim, flows(1, 1), { commit: true, mark: { value: 5, mask: 0xff }, label: { value: '1', mask: 'ff' } }),
  },
  'remove by lookup': {
    options: SMALL,
    prepare: (ct) => send(ct, flows(1, 1)),
    run: (victim) => send(victim, flows(1, 1), {}, NOW_MS + 120_000),
  },
  'replace what has expired': {
    options: SMALL,
    prepare: (ct) => send(ct, flows(1, 1)),
    run: (victim) => send(victim, flows(1, 1), { commit: true }, NOW_MS + 120_000),
  },
  force: {
    options: SMALL,
    prepare: (ct) => send(ct, flows(1, 1)),
    run: (victim) => send(victim, [udp(reverse(ends(1)))], { commit: true, force: true }),
  },
  sweep: {
    options: { ...SMALL, reclaim: 'sweep' },
    prepare: (ct) => send(ct, flows(1, 3)),
    run: (victim) => victim.sweep(NOW_MS + 120_000),
  },
  flush: {
    options: SMALL,
    prepare: (ct) => {
      send(ct, flows(1, 2));
      send(ct, flows(3, 1), NAT);
    },
    run: (victim) => victim.flush(),
  },
  'flush with events': {
    options: SMALL,
    prepare: (ct) => {
      readEvents(ct);
      send(ct, flows(1, 1));
      send(ct, flows(3, 1), NAT);
    },
    run: (victim) => victim.flush(),
    check: eventProblems,
  },
  'insert with events': {
    options: SMALL,
    prepare: readEvents,
    run: (victim) => send(victim, flows(1, 2)),
    check: eventProblems,
  },
  'insert with NAT and events': {
    options: SMALL,
    prepare: readEvents,
    run: (victim) => send(victim, flows(1, 2), NAT),
    check: eventProblems,
  },
  'update with events': {
    options: SMALL,
    prepare: (ct) => {
      readEvents(ct);
      send(ct, [tcp(ends(1), { flags: 'S', seq: 1 })]);
    },
    run: (victim) => send(victim, [tcp(reverse(ends(1)), { flags: 'SA', seq: 9, ack: 2 })]),
    check: eventProblems,
  },
};
