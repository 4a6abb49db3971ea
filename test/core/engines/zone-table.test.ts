/** The engine `zones`: which map a connection lies in, and what a zone without connections costs. */

import { describe, expect, it } from 'vitest';
import { CtAction } from '../../../src/core/action.ts';
import { Conntrack } from '../../../src/core/conntrack.ts';
import { PacketBatch } from '../../../src/core/packet/batch.ts';
import { repairGrowth } from '../../../src/core/table/bucket-repair.ts';
import { ParticipantWord } from '../../../src/shared/memory/participant.ts';
import { reverse, udp } from '../../support/frames.ts';

const NOW_MS = 1_000_000;
const ENDS = { src: '10.0.0.1', dst: '10.0.0.2', sport: 1000, dport: 53 };
const ZONES = 65_536;

function table(maxConnections = 100): Conntrack {
  return new Conntrack({ engine: 'zones', maxConnections, maxParticipants: 2, hashSeed: [1, 2] });
}

function send(ct: Conntrack, frame: Uint8Array, action: CtAction): void {
  const batch = PacketBatch.allocate();
  batch.add(frame);
  ct.execute(batch, action, NOW_MS);
}

function zonesWithLines({ tracker: { table: index } }: Conntrack): number[] {
  const zones: number[] = [];
  for (let zone = index.nextUsed(0); zone < index.bucketCount; zone = index.nextUsed(zone + 1)) {
    zones.push(zone);
  }
  return zones;
}

describe('a connection of the engine zones', () => {
  it('lies in the map of its zone, whatever its tuple is', () => {
    const ct = table();
    for (const zone of [0, 7, 65_535]) {
      for (const sport of [1, 2, 3]) {
        send(ct, udp({ ...ENDS, sport }), new CtAction({ zone, commit: true }));
      }
    }
    expect(zonesWithLines(ct)).toEqual([0, 7, 65_535]);
    expect([0, 1, 7, 65_535].map((zone) => ct.tracker.table.entriesIn(zone))).toEqual([3, 0, 3, 3]);
  });

  it('has both keys in one map when it is translated', () => {
    const ct = table();
    send(ct, udp(ENDS), new CtAction({ zone: 9, commit: true, nat: { action: ['src'], minAddr: '192.0.2.1' } }));
    expect(ct.tracker.table.entriesIn(9)).toBe(2);
    send(ct, udp(reverse({ ...ENDS, src: '192.0.2.1' })), new CtAction({ zone: 9 }));
    expect(ct.counters().established).toBe(1);
  });
});

describe('a zone of the engine zones', () => {
  it('has no lines of its own before its first connection', () => {
    const ct = table();
    expect(ct.tracker.table.bucketCount).toBe(ZONES);
    expect(zonesWithLines(ct)).toEqual([]);
    expect(ct.tracker.arena.linesTaken).toBe(1);
    send(ct, udp(ENDS), new CtAction({ zone: 5 }));
    expect(ct.tracker.arena.linesTaken).toBe(1);
    send(ct, udp(ENDS), new CtAction({ zone: 5, commit: true }));
    expect(ct.tracker.arena.linesTaken).toBe(3);
  });

  it('grows to hundreds of connections beside an empty one', () => {
    const ct = table(1000);
    for (let i = 0; i < 600; i++) {
      send(ct, udp({ ...ENDS, sport: 1 + i }), new CtAction({ zone: 5, commit: true }));
    }
    expect(ct.tracker.table.entriesIn(5)).toBe(600);
    expect([...ct.dump({ nowMs: NOW_MS })].flat()).toHaveLength(600);
    ct.sweep(NOW_MS + 1_000_000);
    expect(ct.connCount).toBe(0);
  });

  it.each([
    ['published', 'finished', 0],
    ['not published', 'undone', 1],
  ] as const)('whose thread died when its first block was %s: the block of the others stays', (when, how, retired) => {
    const ct = table();
    const { tracker } = ct;
    const { participant, table: index, arena, words } = tracker;
    const shared = index.blockOfBucket(4);
    participant.words[participant.base + ParticipantWord.GROW_BUCKET] = 3;
    participant.words[participant.base + ParticipantWord.GROW_OLD] = shared;
    const block = arena.allocate(participant, 1);
    if (when === 'published') {
      words[tracker.layout.directories + 3] = block;
    }
    expect(repairGrowth(tracker)).toBe(how);
    expect(arena.retiredCount(participant)).toBe(retired);
    expect(index.blockOfBucket(4)).toBe(shared);
  });
});
