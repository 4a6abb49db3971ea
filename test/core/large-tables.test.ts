/** Tables of up to 50 million connections: beyond 4 GiB, with records at their far end. They commit only what a test uses. */

import { afterAll, describe, expect, it } from 'vitest';
import type { Conntrack } from '../../src/core/conntrack.ts';
import { ENGINES } from '../../src/core/engines/engine.ts';
import { ConnectionIds } from '../../src/core/events/connection-ids.ts';
import { memoryLayout, type MemoryLayout } from '../../src/core/memory/memory-layout.ts';
import { MAX_MEMORY_WORDS } from '../../src/core/memory/memory-limits.ts';
import { indexLinesAtOnce } from '../../src/core/table/bucket-layout.ts';
import { ConnWord, LIFE_GENERATION_SHIFT, RECORD_SPAN, UNIT_WORDS } from '../../src/core/table/conn.ts';
import { zoneListsLayout } from '../../src/core/zones/zone-lists-layout.ts';
import { SlabLayout } from '../../src/shared/memory/slab.ts';
import { reverse, tcp, udp } from '../support/frames.ts';
import { largeTable } from '../support/large-table.ts';
import { dumpAll, send } from '../support/tracking.ts';
import { Crew } from '../threads/crew.ts';
import type { HandleJobs } from '../threads/handle-jobs.ts';

const MOST = 50_000_000;
const ENDS = { src: '10.0.0.1', dst: '10.0.0.2', sport: 1000, dport: 53 };
const NAT = { commit: true, nat: { action: ['src' as const], minAddr: '192.0.2.1' } };

function layoutOf(maxConnections: number, maxParticipants = 32, bucketBits = 10): MemoryLayout {
  return memoryLayout({ bucketBits, maxConnections, maxParticipants });
}

/** The next records of all threads are the last that the table has. */
function moveToFarEnd(ct: Conntrack): void {
  const { slab, end } = memoryLayout(ct.memory);
  const lastChunks = Math.floor(end / UNIT_WORDS / 256) - 8;
  ct.memory.words[slab + SlabLayout.NEXT_FRESH] = lastChunks * 256;
}

describe('a table of 50 million connections', () => {
  const crew = new Crew<HandleJobs>({ jobs: 'handle-jobs', threads: 1, checked: false });
  afterAll(() => crew.end());

  it.for(ENGINES)('tracks in records at its far end (%s)', (engine, { skip }) => {
    const ct = largeTable({ engine, maxConnections: MOST }, skip);
    moveToFarEnd(ct);
    expect(send(ct, udp(ENDS), 0)).toBe('new|trk');
    expect(send(ct, udp(reverse(ENDS)), 0)).toBe('est|rpl|trk');
    expect(send(ct, tcp(ENDS, { flags: 'S', seq: 1 }), 0)).toBe('new|trk');
    expect(send(ct, tcp(reverse(ENDS), { flags: 'SA', seq: 1, ack: 2 }), 0)).toBe('est|rpl|trk');
    expect(send(ct, udp({ ...ENDS, sport: 2000 }), 0, NAT)).toBe('new|trk|snat');
    expect(send(ct, udp({ src: '10.0.0.2', dst: '192.0.2.1', sport: 53, dport: 2000 }), 0)).toBe('est|rpl|trk');
    expect(ct.tracker.slab.unitsTaken).toBeGreaterThan(MOST);
    expect(dumpAll(ct, 0)).toHaveLength(3);
    expect(ct.flush({ filter: { zone: 0, orig: { sport: 2000 } } })).toBe(1);
    expect(ct.sweep(10_000_000)).toBe(2);
    expect(ct.connCount).toBe(0);
    ct.close();
  });

  it('is mapped by a second thread, which finds the connections of the first', async ({ skip }) => {
    const ct = largeTable({ maxConnections: MOST }, skip);
    moveToFarEnd(ct);
    expect(send(ct, udp(ENDS), 0)).toBe('new|trk');
    await crew.run('attach', ct.memory);
    expect(await crew.run('track', udp(reverse(ENDS)))).toEqual(['est|rpl|trk']);
    expect(await crew.run('track', udp({ ...ENDS, sport: 7 }))).toEqual(['new|trk']);
    expect(send(ct, udp(reverse({ ...ENDS, sport: 7 })), 0)).toBe('est|rpl|trk');
    expect(ct.flush({ zone: 0 })).toBe(2);
  });

  it('gives each connection an id of its own, the same in all of its events', ({ skip }) => {
    const ct = largeTable({ maxConnections: MOST }, skip);
    moveToFarEnd(ct);
    const events = ct.events();
    const ids = new Set<number>();
    for (let life = 0; life < 3; life++) {
      send(ct, udp(ENDS), life);
      ct.flush({ zone: 0 });
      const [opened, removed] = events.drain();
      expect([opened?.kind, removed?.kind]).toEqual(['new', 'destroy']);
      expect(removed?.id).toBe(opened?.id);
      expect(Number.isSafeInteger(opened?.id)).toBe(true);
      /* The record's number stands in the low bits. */
      expect(opened!.id % RECORD_SPAN).toBeGreaterThan(MOST);
      ids.add(opened!.id);
    }
    expect(ids.size).toBe(3);
    events.close();
  });

  it('has ids below 2^53 even in the last generation of a record', ({ skip }) => {
    const ct = largeTable({ maxConnections: MOST }, skip);
    moveToFarEnd(ct);
    const events = ct.events();
    const { slab } = memoryLayout(ct.memory);
    const next = ct.memory.words[slab + SlabLayout.NEXT_FRESH]!;
    ct.memory.words[next * UNIT_WORDS + ConnWord.LIFE] = (2 ** 28 - 2) << LIFE_GENERATION_SHIFT;
    send(ct, udp(ENDS), 0);
    const { id } = events.drain()[0]!;
    expect(id).toBe((2 ** 27 - 1) * RECORD_SPAN + next);
    expect(Number.isSafeInteger(id)).toBe(true);
    events.close();
  });
});

describe('ids of connections', () => {
  it('have all 28 bits of the generation in a table of up to 4 GiB', () => {
    const ids = new ConnectionIds(2 ** 30);
    expect(ids.idOf(5, 2 ** 28 - 1)).toBe((2 ** 28 - 1) * 2 ** 25 + 5);
    expect(ids.idOf(2 ** 25 - 1, 2 ** 28 - 1)).toBe(Number.MAX_SAFE_INTEGER);
  });

  it('of different records and generations differ in the largest table', () => {
    const ids = new ConnectionIds(MAX_MEMORY_WORDS);
    const [records, generations] = [
      [1, 2 ** 25 - 1, 2 ** 25, RECORD_SPAN - 1],
      [0, 1, 2 ** 26, 2 ** 27 - 1],
    ];
    const all = records!.flatMap((record) => generations!.map((generation) => ids.idOf(record, generation)));
    expect(new Set(all).size).toBe(16);
    expect(all.every((id) => Number.isSafeInteger(id))).toBe(true);
  });
});

describe('the room of a table', () => {
  it('holds any mix of up to 16 million connections: three units and two entries for each', () => {
    const { recordUnits, entriesAtOnce } = layoutOf(16_000_000);
    expect(recordUnits).toBeGreaterThan(3 * 16_000_000);
    expect(entriesAtOnce).toBe(0);
  });

  it.each([17_000_000, 20_000_000, 33_000_000, 41_000_000, MOST])(
    'of %i connections holds a unit for each, and an index of its final size',
    (connections) => {
      for (const bucketBits of [0, 10, 16]) {
        const { end, lines, lineCount, records, recordUnits, entriesAtOnce } = layoutOf(connections, 32, bucketBits);
        expect(end).toBeLessThanOrEqual(MAX_MEMORY_WORDS);
        /* Nearly all that a table may have is used. */
        expect(end).toBeGreaterThan(MAX_MEMORY_WORDS - 1000);
        expect(recordUnits).toBeGreaterThan(connections);
        expect(lineCount).toBeGreaterThanOrEqual(indexLinesAtOnce(connections, bucketBits));
        expect(entriesAtOnce).toBe(connections);
        /* A directory word has 27 bits for a line. */
        expect(lines / 16 + lineCount).toBeLessThan(2 ** 27);
        expect(records).toBeGreaterThanOrEqual(lines + lineCount * 16);
      }
    },
  );

  it('for more participants is never larger than for fewer, and ends are never beyond 31 bits', () => {
    let units = Number.POSITIVE_INFINITY;
    for (const participants of [1, 8, 32, 64, 100]) {
      const { recordUnits, end } = layoutOf(MOST, participants);
      expect(end).toBeLessThanOrEqual(MAX_MEMORY_WORDS);
      expect(recordUnits).toBeLessThan(units);
      units = recordUnits;
    }
  });

  it('of the zone lists has places of 31 bits, even for the most connections and participants', () => {
    expect(zoneListsLayout({ bucketBits: 16, maxConnections: MOST, maxParticipants: 256 }).end).toBeLessThan(2 ** 31);
  });
});
