/** Any fragments, and any number of them: memory is bounded, nothing throws, and no packet is lost. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CtAction } from '../../../src/core/action.ts';
import { Conntrack } from '../../../src/core/conntrack.ts';
import { CHUNK_WORDS, FragmentsWord } from '../../../src/core/fragments/region.ts';
import { MAX_BATCH, PacketBatch } from '../../../src/core/packet/batch.ts';
import { PacketWord } from '../../../src/core/packet/layout.ts';
import { stateText } from '../../../src/core/inspect/state-names.ts';
import { fragmentsOf, pieceOf } from '../../support/fragments.ts';
import { udp } from '../../support/frames.ts';
import { repaired } from '../../support/repair.ts';
import { scenarioFrames } from '../../support/fixtures.ts';

const ENDS = { src: '10.0.0.1', dst: '10.0.0.2', sport: 4000, dport: 53 };
const COMMIT = new CtAction({ commit: true });

describe('a flood of fragments that are never completed', () => {
  it('takes no more memory than the fragments that are held at a time', () => {
    const ct = new Conntrack({ buckets: 1, maxConnections: 100 });
    const { fragments: words } = ct.memory;
    const batch = PacketBatch.allocate();
    const first = fragmentsOf(udp(ENDS, Buffer.alloc(2000)), 0, 1200)[0]!;
    for (let i = 0; i < MAX_BATCH; i++) {
      batch.add(first, { checksums: 1 });
    }
    const slots = batch.slots.slice(0, MAX_BATCH);
    const frames = Array.from(slots, (_, index) => batch.frame(index));
    const calls = 1_000_000 / MAX_BATCH;
    for (let call = 0; call < calls; call++) {
      batch.slots.set(slots);
      batch.count = MAX_BATCH;
      slots.forEach((slot, index) => {
        const id = call * MAX_BATCH + index;
        frames[index]![18] = id >>> 8;
        frames[index]![19] = id;
        frames[index]![29] = id >>> 16;
        batch.words.fill(0, slot + PacketWord.STATE, slot + PacketWord.NOW);
        batch.words[slot + PacketWord.CHECKSUMS] = 1;
      });
      /* One call expires one list, and all lists expire between two calls. */
      ct.execute(batch, COMMIT, call * 20_000);
    }
    const status = ct.fragments.status();
    expect(status.v4.accepted).toBeGreaterThan(calls - 100);
    expect(status.v4.accepted).toBe(status.nfrag + status.v4.expiredSent);
    expect(status.nfrag).toBeLessThanOrEqual(1000);
    expect(words[FragmentsWord.LISTS]).toBe(status.nfrag);
    expect(words[FragmentsWord.NEXT_FRAGMENT]).toBeLessThanOrEqual(1001);
    expect(words[FragmentsWord.NEXT_LIST]).toBeLessThanOrEqual(1001);
    expect(words[FragmentsWord.NEXT_CHUNK]! * CHUNK_WORDS * 4).toBeLessThan(3 << 20);
    ct.close();
  });

  it('of the largest frames ends at the size of the region', () => {
    const ct = new Conntrack({ buckets: 1, maxConnections: 100 });
    ct.fragments.setMaxFrags(5000);
    const batch = PacketBatch.allocate(1 << 18);
    const largest = pieceOf(udp(ENDS), 0, { offset: 0, bytes: 65_512, more: true });
    const padded = Buffer.concat([largest, Buffer.alloc(65_000)]);
    let sent = 0;
    do {
      padded.writeUInt16BE(++sent, 18);
      batch.clear();
      batch.add(padded, { checksums: 1 });
      ct.execute(batch, COMMIT, 0);
    } while (batch.count === 0);
    expect(sent).toBeGreaterThan(1000);
    expect(ct.fragments.status().nfrag).toBe(sent - 1);
    expect(stateText(batch.state(0))).toBe('inv|trk');
    ct.close();
  });
});

describe('any fragments', () => {
  const ids = fc.integer({ min: 1, max: 3 });
  const blocks = fc.oneof(fc.integer({ min: 0, max: 120 }), fc.integer({ min: 8100, max: 8191 }));
  const anyPiece = fc
    .record({
      id: ids,
      offset: blocks,
      bytes: fc.oneof(fc.integer({ min: 0, max: 2000 }), fc.constantFrom(0, 8, 16, 400, 480), fc.constant(65_000)),
      more: fc.boolean(),
      headerWords: fc.constantFrom(5, 5, 5, 6, 15),
      tags: fc.constantFrom(0, 0, 1, 2),
    })
    .map((plan) => {
      const frame = pieceOf(udp(ENDS, Buffer.alloc(40)), plan.id, { ...plan, offset: plan.offset * 8 });
      frame[14] = 0x40 | plan.headerWords;
      const tags = Buffer.concat(Array<Buffer>(plan.tags).fill(Buffer.from('81000001', 'hex')));
      return repaired(Buffer.concat([frame.subarray(0, 12), tags, frame.subarray(12)]));
    });
  const anyPiece6 = fc
    .record({
      id: ids,
      offset: blocks,
      bytes: fc.oneof(fc.integer({ min: 0, max: 900 }), fc.constant(65_000)),
      more: fc.boolean(),
      before: fc.array(fc.constantFrom('3c', '00', '2b', '2c', '33'), { maxLength: 3 }),
      next: fc.constantFrom(17, 6, 58, 44, 60, 0, 132),
    })
    .map((plan) => {
      const chain = [...plan.before, '2c'];
      const extensions = chain.map((kind, index) => {
        const header = Buffer.alloc(8);
        header[0] = index + 1 < chain.length ? Number.parseInt(chain[index + 1]!, 16) : plan.next;
        if (index === chain.length - 1) {
          header.writeUInt16BE((plan.offset * 8) | (plan.more ? 1 : 0), 2);
          header.writeUInt32BE(plan.id, 4);
        } else if (kind === '33') {
          header[1] = 0;
        }
        return header;
      });
      const rest = Buffer.concat([...extensions, Buffer.alloc(plan.bytes)]);
      const ip = Buffer.alloc(40);
      ip[0] = 0x60;
      ip.writeUInt16BE(rest.length & 0xffff, 4);
      ip[6] = Number.parseInt(chain[0]!, 16);
      ip[7] = 64;
      ip[23] = 1;
      ip[39] = 2;
      return Buffer.concat([Buffer.from('02000000000202000000000186dd', 'hex'), ip, rest]);
    });
  const likelyPiece = fc
    .tuple(ids, fc.constantFrom(0, 1, 2))
    .map(([id, index]) =>
      pieceOf(udp(ENDS, Buffer.alloc(1200)), id + 10, { offset: index * 480, bytes: 480, more: index < 2 }),
    );
  const recorded = fc
    .record({
      frame: fc.constantFrom(...scenarioFrames().filter((frame) => frame.length > 400)),
      changes: fc.array(fc.tuple(fc.nat(80), fc.integer({ min: 0, max: 255 })), { maxLength: 2 }),
      isRepaired: fc.boolean(),
    })
    .map(({ frame, changes, isRepaired }) => {
      const changed = Buffer.from(frame);
      for (const [offset, byte] of changes) {
        changed[offset] = byte;
      }
      return isRepaired ? repaired(changed) : changed;
    });

  it('throw nothing, come back at most once, and leave the accounting right', () => {
    const ct = new Conntrack({ buckets: 1, maxConnections: 10_000 });
    ct.fragments.setMinFragSize('v4', 400);
    ct.fragments.setMinFragSize('v6', 400);
    const actions = [COMMIT, new CtAction(), new CtAction({ commit: true, force: true })];
    const batch = PacketBatch.allocate(1 << 21);
    let nowMs = 0;
    let completed = 0;
    fc.assert(
      fc.property(
        fc.array(fc.oneof(anyPiece, anyPiece6, likelyPiece, recorded), { minLength: 1, maxLength: 24 }),
        fc.integer({ min: 0, max: 6000 }),
        fc.constantFrom(...actions),
        (frames, elapsedMs, action) => {
          nowMs += elapsedMs;
          batch.clear();
          for (const [number, frame] of frames.entries()) {
            batch.add(frame, { number });
          }
          const before = ct.fragments.status();
          ct.execute(batch, action, nowMs);
          const after = ct.fragments.status();
          const sum = (key: 'accepted' | 'completedSent' | 'expiredSent' | 'purged') =>
            after.v4[key] + after.v6[key] - before.v4[key] - before.v6[key];
          expect(after.nfrag - before.nfrag).toBe(
            sum('accepted') - sum('completedSent') - sum('expiredSent') - sum('purged'),
          );
          expect(batch.count).toBe(frames.length - sum('accepted') + sum('completedSent'));
          completed += sum('completedSent');
          for (let i = 0; i < batch.count; i++) {
            expect(stateText(batch.state(i))).toMatch(/\btrk$/);
          }
        },
      ),
      { seed: 20260701, numRuns: 3000 },
    );
    expect(completed).toBeGreaterThan(100);
    for (let call = 0; call < 1000; call++) {
      batch.clear();
      ct.execute(batch, COMMIT, nowMs + 16_000);
    }
    expect(ct.fragments.status().nfrag).toBe(0);
    expect(ct.memory.fragments[FragmentsWord.CHUNKS_IN_USE]).toBe(0);
    ct.close();
  });
});
