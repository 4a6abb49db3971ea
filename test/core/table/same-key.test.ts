/** Two connections claim one key: a search finds the newer one, in whatever order the two stand in the index. */

import { readdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runScenario } from '../../../src/cli/verify/scenario.ts';
import { CtAction } from '../../../src/core/action.ts';
import { Conntrack } from '../../../src/core/conntrack.ts';
import { ENGINES } from '../../../src/core/engines/engine.ts';
import { PacketBatch } from '../../../src/core/packet/batch.ts';
import { stateText } from '../../../src/core/inspect/state-names.ts';
import { scenarioPath } from '../../support/fixtures.ts';
import { udp } from '../../support/frames.ts';
import { dumpAll, send } from '../../support/tracking.ts';

const SERVER = '198.51.100.1';

function ends(client: number): { src: string; dst: string; sport: number; dport: number } {
  return { src: `10.0.${client >> 8}.${client & 0xff}`, dst: SERVER, sport: 1000, dport: 53 };
}

function turned(client: number): ReturnType<typeof ends> {
  const { src, dst, sport, dport } = ends(client);
  return { src: dst, dst: src, sport: dport, dport: sport };
}

/** The older: translated, so its replies do not carry its key with the ends swapped. */
function openOlder(ct: Conntrack, client: number): void {
  const nat = { action: ['src' as const], minAddr: '192.0.2.1', minPort: 2000 + client };
  expect(send(ct, udp(ends(client)), 0, { commit: true, mark: { value: 1, mask: 0xff }, nat })).toBe('new|trk|snat');
}

/** The newer: not translated, and its replies carry the key of the older. */
function openNewer(ct: Conntrack, client: number): void {
  expect(send(ct, udp(turned(client)), 0, { commit: true, mark: { value: 2, mask: 0xff } })).toBe('new|trk');
}

describe.each(ENGINES)('two connections that claim one key, engine %s', (engine) => {
  const tracker = () => new Conntrack({ engine, buckets: 1, maxParticipants: 1, reclaim: 'sweep' });

  it('a search finds the newer, in whatever slots of the index they stand', () => {
    for (let between = 0; between < 8; between++) {
      const ct = tracker();
      /* Slots before the older's become free again. */
      for (let other = 100; other < 160; other++) {
        send(ct, udp(ends(other)), 0);
      }
      openOlder(ct, between);
      for (let other = 100; other < 160; other++) {
        ct.flushTuple({ proto: 17, ...ends(other) }, { nowMs: 0 });
      }
      openNewer(ct, between);
      expect(send(ct, udp(ends(between)), 0, {})).toBe('est|rpl|trk');
    }
  });

  it('a search finds the newer after the index has grown', () => {
    const ct = tracker();
    for (let client = 0; client < 30; client++) {
      openOlder(ct, client);
      openNewer(ct, client);
    }
    for (let other = 1000; other < 3000; other++) {
      send(ct, udp(ends(other)), 0);
    }
    for (let client = 0; client < 30; client++) {
      expect(send(ct, udp(ends(client)), 0, {})).toBe('est|rpl|trk');
    }
  });

  it('a search finds the older again after the newer was removed, has expired, or was killed by force', () => {
    const ct = tracker();
    const isOlder = (client: number, nowMs: number) => send(ct, udp(ends(client)), nowMs, {});
    for (const client of [1, 2, 3]) {
      openOlder(ct, client);
      openNewer(ct, client);
    }
    expect(ct.flushTuple({ proto: 17, ...turned(1) }, { nowMs: 0 })).toBe(true);
    expect(isOlder(1, 0)).toBe('new|trk');
    /* Its own packet kills the newer one, and opens nothing, since the older one has the tuple. */
    expect(send(ct, udp(ends(2)), 0, { commit: true, force: true })).toBe('trk');
    expect(isOlder(2, 0)).toBe('new|trk');
    expect(send(ct, udp({ src: SERVER, dst: '192.0.2.1', sport: 53, dport: 2003 }), 50_000, {})).toBe('est|rpl|trk');
    expect(isOlder(3, 70_000)).toBe('est|trk');
  });

  it('flushTuple removes the newer one first, and a dump shows both', () => {
    const ct = tracker();
    openOlder(ct, 1);
    openNewer(ct, 1);
    expect(dumpAll(ct, 0)).toHaveLength(2);
    expect(ct.flushTuple({ proto: 17, ...ends(1) }, { nowMs: 0 })).toBe(true);
    expect(dumpAll(ct, 0).map(({ mark }) => mark)).toEqual([1]);
    expect(ct.flushTuple({ proto: 17, ...ends(1) }, { nowMs: 0 })).toBe(true);
    expect(ct.flushTuple({ proto: 17, ...ends(1) }, { nowMs: 0 })).toBe(false);
  });

  it('a packet behind the one that opens the newer, in one batch, finds it', () => {
    const ct = tracker();
    openOlder(ct, 1);
    const batch = PacketBatch.allocate();
    batch.add(udp(turned(1)));
    batch.add(udp(ends(1)));
    ct.execute(batch, new CtAction({ commit: true }), 0);
    expect([stateText(batch.state(0)), stateText(batch.state(1))]).toEqual(['new|trk', 'est|rpl|trk']);
  });
});

describe('recorded scenarios', () => {
  const names = readdirSync(dirname(scenarioPath('x')))
    .filter((file) => /^(same-key|force-then|policy-change|baseline-sweep)/.test(file))
    .map((file) => file.replace('.jsonl', ''));
  it.each(ENGINES.flatMap((engine) => names.map((name) => [engine, name] as const)))('%s: %s', (engine, name) => {
    const text = readFileSync(scenarioPath(name), 'utf8');
    expect(runScenario(text, { reclaim: 'sweep', engine }).difference).toBeUndefined();
  });
});
