/** All scenarios of the repair tests, by name. */

import { NOW_MS, send, flows, SMALL } from './repair-traffic.ts';
import { PACKET_SCENARIOS } from './repair-packet-scenarios.ts';
import { LIMIT_SCENARIOS } from './repair-limit-scenarios.ts';
import type { Scenario } from './repair-scenario.ts';
import { HELPER_SCENARIOS } from './repair-helper-scenarios.ts';

export const SCENARIOS: Record<string, Scenario> = { ...PACKET_SCENARIOS, ...LIMIT_SCENARIOS };

/* The scenarios in which the other engines differ. */
for (const engine of ['baseline', 'ct-scale', 'wheel', 'zones', 'shards'] as const) {
  for (const name of [
    'insert UDP',
    'insert with NAT, two buckets',
    'update TCP',
    'end TCP',
    'reopen TCP',
    'update UDP',
    'replace what has expired',
    'force',
    'sweep',
    'flush',
  ]) {
    const scenario = SCENARIOS[name]!;
    SCENARIOS[`${engine}: ${name}`] = {
      ...scenario,
      options: { ...scenario.options, engine, buckets: engine === 'shards' ? 4 : 1, reclaim: 'sweep' },
    };
  }
  SCENARIOS[`${engine}: insert between others that expire earlier and later`] = {
    options: { ...SMALL, engine, buckets: 1 },
    prepare: (ct) => {
      send(ct, flows(1, 1));
      send(ct, flows(2, 1), { commit: true }, NOW_MS + 50);
      ct.sweep(NOW_MS + 100);
      send(ct, flows(3, 1), { commit: true }, NOW_MS + 20);
    },
    run: (victim) => victim.sweep(NOW_MS + 100),
  };
}

Object.assign(SCENARIOS, HELPER_SCENARIOS);

/** Scenarios for a thread with a lock timeout: calls other than `execute`, which waits for ever. */
export const LOCK_TIMEOUT_SCENARIOS = [
  'sweep',
  'flush',
  'flush with events',
  'flush a zone with a limit',
  'release at the limit',
  'set and delete a timeout policy',
  'set zone limits',
  'delete the default zone limit',
  'FTP ends',
  'baseline: sweep',
  'baseline: flush',
  'ct-scale: sweep',
  'ct-scale: flush',
  'wheel: sweep',
  'wheel: flush',
  'zones: sweep',
  'zones: flush',
  'shards: sweep',
  'shards: flush',
];
