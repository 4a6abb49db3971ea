/** All workloads by their names in `bench`, `profile` and `regress`. */

import { churn } from './churn.ts';
import { short } from './short.ts';
import { synFlood, tcpData, tcpHandshake, tcpLife } from './tcp.ts';
import { hotTuple, insert, insertPatterns, insertRandom, ipv6, natShare } from './udp.ts';
import type { Workload } from './workload.ts';
import { zones } from './zones.ts';

export const WORKLOADS = {
  insert,
  'insert-random': insertRandom,
  'insert-patterns': insertPatterns,
  ipv6,
  'tcp-life': tcpLife,
  'tcp-handshake': tcpHandshake,
  'tcp-data': tcpData,
  churn,
  zones,
  short,
  'hot-tuple': hotTuple,
  'syn-flood': synFlood,
  'nat-share': natShare,
} as const satisfies Record<string, Workload>;

export type WorkloadName = keyof typeof WORKLOADS;

export const WORKLOAD_NAMES = Object.keys(WORKLOADS) as WorkloadName[];

export function workloadOf(name: WorkloadName): Workload {
  return WORKLOADS[name];
}
