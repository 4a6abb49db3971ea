/** Scenarios of the repair tests: a thread works at limits, changes settings, and reclaims memory. */

import { tcp } from '../support/frames.ts';
import { NOW_MS, send, ends, flows, SMALL } from './repair-traffic.ts';
import type { Scenario } from './repair-scenario.ts';

export const LIMIT_SCENARIOS: Record<string, Scenario> = {
  'early drop': {
    options: { ...SMALL, maxConnections: 8, tableFull: 'early-drop' },
    prepare: (ct) => send(ct, flows(100, 8)),
    run: (victim) => send(victim, flows(1, 1)),
  },
  'refuse at the limit': {
    options: { ...SMALL, maxConnections: 8 },
    prepare: (ct) => send(ct, flows(100, 8)),
    run: (victim) => send(victim, flows(1, 1)),
  },
  'release at the limit': {
    options: { ...SMALL, maxConnections: 8 },
    prepare: (ct) => {
      send(ct, flows(100, 8));
      send(ct, flows(1, 1));
    },
    run: (victim) => victim.flush(),
  },
  'insert in a zone with a limit': {
    options: SMALL,
    prepare: (ct) => ct.setZoneLimit(5, 10),
    run: (victim) => send(victim, flows(1, 1), { commit: true, zone: 5 }),
  },
  'insert in a zone for which a default limit makes an entry': {
    options: SMALL,
    prepare: (ct) => ct.setZoneLimit('default', 10),
    run: (victim) => send(victim, flows(1, 1), { commit: true, zone: 6 }),
  },
  'refuse in a full zone': {
    options: SMALL,
    prepare: (ct) => {
      ct.setZoneLimit(5, 1);
      send(ct, flows(100, 1), { commit: true, zone: 5 });
    },
    run: (victim) => send(victim, flows(1, 1), { commit: true, zone: 5 }),
  },
  'flush a zone with a limit': {
    options: SMALL,
    prepare: (ct) => {
      ct.setZoneLimit(5, 2);
      send(ct, flows(100, 3), { commit: true, zone: 5 });
    },
    run: (victim) => victim.flush({ zone: 5 }),
  },
  'set and delete a timeout policy': {
    options: SMALL,
    run: (victim) => {
      victim.setTimeoutPolicy(7, { udp_first: 5 });
      victim.deleteTimeoutPolicy(7);
    },
  },
  'set zone limits': {
    options: SMALL,
    prepare: (ct) => {
      ct.setZoneLimit('default', 3);
      send(ct, flows(100, 2), { commit: true, zone: 5 });
    },
    run: (victim) => {
      victim.setZoneLimit(5, 2);
      victim.setZoneLimit(6, 2);
      victim.setZoneLimit('default', 4);
    },
  },
  dump: {
    options: SMALL,
    prepare: (ct) => send(ct, [tcp(ends(1), { flags: 'S', seq: 1 })]),
    run: (victim) => [...victim.dump({ nowMs: NOW_MS })],
  },
  reclaim: {
    options: { ...SMALL, maxConnections: 500 },
    prepare: (ct) => ct.tracker.enter(),
    warmUp: (victim) => {
      send(victim, flows(1, 200));
      victim.flush();
    },
    run: (victim, ct) => {
      ct.tracker.leave();
      victim.tracker.reclaim();
      victim.tracker.reclaim();
    },
  },
  'insert from the common list': {
    options: { ...SMALL, maxConnections: 500 },
    prepare: (ct) => {
      send(ct, flows(1, 200));
      ct.flush();
      ct.tracker.reclaim();
      ct.tracker.reclaim();
    },
    run: (victim) => send(victim, flows(1, 1)),
  },
  'reclaim what a bucket has grown out of': {
    options: { ...SMALL, buckets: 1 },
    prepare: (ct) => ct.tracker.enter(),
    warmUp: (victim) => send(victim, flows(1, 50)),
    run: (victim, ct) => {
      ct.tracker.leave();
      victim.tracker.reclaim();
      victim.tracker.reclaim();
    },
  },
  'delete the default zone limit': {
    options: SMALL,
    prepare: (ct) => {
      ct.setZoneLimit('default', 10);
      send(ct, flows(100, 1), { commit: true, zone: 1 });
      send(ct, flows(100, 1), { commit: true, zone: 2 });
      send(ct, flows(100, 1), { commit: true, zone: 3 });
    },
    run: (victim) => victim.deleteZoneLimit('default'),
    check: (ct) => {
      if (ct.zoneLimit('default').limit !== 0) {
        return [];
      }
      /* No zone keeps an entry from the deleted default limit. */
      ct.setZoneLimit('default', 10);
      const counts = [1, 2, 3].map((zone) => ct.zoneLimit(zone).count);
      ct.deleteZoneLimit('default');
      return counts.every((count) => count === 0) ? [] : [`zones still count ${counts.join()}`];
    },
  },
  'attach and close': {
    options: SMALL,
    warmUp: (victim) => send(victim, flows(1, 10)),
    run: (victim) => victim.close(),
  },
};
