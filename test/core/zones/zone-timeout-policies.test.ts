/** Timeout policies of zones: which connections use them, and when changes take effect. */

import { afterAll, expect, it } from 'vitest';
import { Conntrack } from '../../../src/core/conntrack.ts';
import { Crew } from '../../threads/crew.ts';
import type { EventJobs } from '../../threads/event-jobs.ts';
import { udp } from '../../support/frames.ts';
import { dumpAll, send } from '../../support/tracking.ts';

const ENDS = { src: '10.1.1.1', dst: '10.1.1.2', sport: 1, dport: 2 };
let port = 1;

function timeoutOfNew(ct: Conntrack, zone: number, timeoutPolicy?: number): number {
  const ends = { ...ENDS, sport: ++port };
  send(ct, udp(ends), 0, { commit: true, zone, ...(timeoutPolicy === undefined ? {} : { timeoutPolicy }) });
  return dumpAll(ct, 0, zone).find(({ orig }) => 'sport' in orig && orig.sport === ends.sport)!.timeoutMs / 1000;
}

function tracker(): Conntrack {
  const ct = new Conntrack({ buckets: 1, maxParticipants: 4 });
  ct.setTimeoutPolicy(0, { udp_first: 50 });
  ct.setTimeoutPolicy(1, { udp_first: 11 });
  ct.setTimeoutPolicy(2, { udp_first: 22 });
  return ct;
}

it("an action's policy takes precedence over its zone's, and that over the default", () => {
  const ct = tracker();
  ct.setZoneTimeoutPolicy(7, 1);
  expect(timeoutOfNew(ct, 7)).toBe(11);
  expect(timeoutOfNew(ct, 7, 2)).toBe(22);
  expect(timeoutOfNew(ct, 8)).toBe(50);
  expect(timeoutOfNew(ct, 8, 2)).toBe(22);
});

it('a deleted policy of a zone means the built-in times, as a deleted policy of an action does', () => {
  const ct = tracker();
  ct.setZoneTimeoutPolicy(7, 1);
  ct.deleteTimeoutPolicy(1);
  expect(timeoutOfNew(ct, 7)).toBe(60);
});

it('a policy that does not exist is refused, and the zone keeps its policy', () => {
  const ct = tracker();
  ct.setZoneTimeoutPolicy(7, 1);
  expect(() => ct.setZoneTimeoutPolicy(7, 99)).toThrow(
    /^there is no timeout policy 99 for zone 7: set the policy first$/,
  );
  expect(ct.zoneTimeoutPolicy(7)).toBe(1);
  ct.setZoneTimeoutPolicy(7, 0);
  expect(ct.zoneTimeoutPolicy(7)).toBe(undefined);
});

it('connections keep the policy that they were created with, and take its changes', () => {
  const ct = tracker();
  ct.setZoneTimeoutPolicy(7, 1);
  send(ct, udp(ENDS), 0, { commit: true, zone: 7 });
  ct.setZoneTimeoutPolicy(7, 2);
  ct.setTimeoutPolicy(1, { udp_first: 11, udp_single: 33 });
  send(ct, udp(ENDS), 0, { zone: 7 });
  expect(dumpAll(ct, 0, 7)[0]!.timeoutMs).toBe(33_000);
  expect(timeoutOfNew(ct, 7)).toBe(22);
});

it('zone policies are listed, and deleted', () => {
  const ct = tracker();
  ct.setTimeoutPolicy(0xffffffff, { udp_first: 5 });
  ct.setZoneTimeoutPolicy(65_535, 0xffffffff);
  ct.setZoneTimeoutPolicy(0, 1);
  expect(ct.zoneTimeoutPolicy(65_535)).toBe(0xffffffff);
  expect(ct.zoneTimeoutPolicies()).toEqual([
    { zone: 0, id: 1 },
    { zone: 65_535, id: 0xffffffff },
  ]);
  expect(ct.deleteZoneTimeoutPolicy(0)).toBe(true);
  expect(ct.deleteZoneTimeoutPolicy(0)).toBe(false);
  expect(ct.zoneTimeoutPolicy(0)).toBe(undefined);
  expect(timeoutOfNew(ct, 0)).toBe(50);
  expect(() => ct.setZoneTimeoutPolicy(65_536, 1)).toThrow('a zone must be a whole number');
  expect(() => ct.setZoneTimeoutPolicy(1, -1)).toThrow('a timeout policy id must be');
});

const crew = new Crew<EventJobs>({ jobs: 'event-jobs', threads: 2, checked: true });
afterAll(() => crew.end());

it('a change applies to the next packet of every thread', async () => {
  const ct = tracker();
  await crew.run('setUp', { memory: ct.memory });
  for (const [round, id] of [1, 2, 0].entries()) {
    ct.setZoneTimeoutPolicy(7, id);
    for (let thread = 0; thread < 2; thread++) {
      const ends = { ...ENDS, sport: 100 * (round + 1) + thread };
      await crew.runOn(thread, 'send', { frames: [udp(ends)], zone: 7, nowMs: 0 });
      const entry = dumpAll(ct, 0, 7).find(({ orig }) => 'sport' in orig && orig.sport === ends.sport)!;
      expect(entry.timeoutMs / 1000).toBe([50, 11, 22][id]);
    }
  }
});
