/** A packet remembers its connection from one pass to the next, and never mistakes another one for it. */

import { describe, expect, it } from 'vitest';
import { CtAction, type CtActionOptions } from '../../../src/core/action.ts';
import { Conntrack } from '../../../src/core/conntrack.ts';
import type { Reclaim } from '../../../src/core/memory/table-options.ts';
import { PacketBatch } from '../../../src/core/packet/batch.ts';
import { PacketWord } from '../../../src/core/packet/layout.ts';
import { stateText } from '../../../src/core/inspect/state-names.ts';
import { originalTuple } from '../../../src/core/inspect/tuple.ts';
import { icmpError, reverse, tcp, udp } from '../../support/frames.ts';
import { dumpAll, send } from '../../support/tracking.ts';

const ENDS = { src: '10.0.0.1', dst: '10.0.0.2', sport: 1000, dport: 2000 };
const OTHER = { src: '10.5.5.5', dst: '10.6.6.6', sport: 5, dport: 6 };
const COMMIT = { commit: true };

function table(reclaim: Reclaim = 'lookup-and-sweep'): Conntrack {
  return new Conntrack({ buckets: 1, maxConnections: 100, reclaim, maxParticipants: 2 });
}

/** A packet that goes through the tracker again and again. */
class Traveller {
  readonly #batch = PacketBatch.allocate(4096);

  constructor(frame: Uint8Array) {
    this.#batch.add(frame);
  }

  #word(word: number): number {
    return this.#batch.words[this.#batch.slots[0]! + word]!;
  }

  pass(ct: Conntrack, nowMs = 0, action: CtActionOptions = COMMIT): string {
    ct.execute(this.#batch, new CtAction(action), nowMs);
    return stateText(this.#batch.state(0));
  }

  /** The connection that the packet remembers: the record and its generation. */
  get remembered(): { record: number; generation: number } {
    return { record: this.#word(PacketWord.CONN), generation: this.#word(PacketWord.CONN_GENERATION) };
  }

  get mark(): number {
    return this.#word(PacketWord.MARK);
  }

  get tuple(): unknown {
    return originalTuple(this.#batch.words, this.#batch.slots[0]!);
  }
}

/** Creates and flushes connections until one gets this record. That one stays, with a mark. */
function reuse(ct: Conntrack, record: number): { generation: number } {
  for (let attempt = 1; attempt < 1000; attempt++) {
    const other = new Traveller(udp({ ...OTHER, sport: attempt }));
    other.pass(ct, 0, { commit: true, mark: { value: 0xbad, mask: 0xffffffff } });
    if (other.remembered.record === record) {
      return other.remembered;
    }
    ct.flush();
  }
  return expect.fail('the record was never used again');
}

describe('a packet in a second pass', () => {
  it('keeps its state, and does not move its connection on', () => {
    const ct = table();
    const first = new Traveller(udp(ENDS));
    expect(first.pass(ct)).toBe('new|trk');
    send(ct, udp(reverse(ENDS)), 1000);
    expect(first.pass(ct, 20_000)).toBe('new|trk');
    expect(dumpAll(ct, 20_000)).toMatchObject([{ timeoutMs: 11_000 }]);
  });

  it('gets the mark that the connection has by now', () => {
    const ct = table();
    const first = new Traveller(udp(ENDS));
    first.pass(ct);
    send(ct, udp(ENDS), 0, { commit: true, mark: { value: 7, mask: 0xff } });
    first.pass(ct);
    expect(first.mark).toBe(7);
  });

  it('is looked up anew in another zone', () => {
    const ct = table();
    const first = new Traveller(udp(ENDS));
    first.pass(ct);
    expect(first.pass(ct, 0, { zone: 9, commit: true })).toBe('new|trk');
    expect(
      dumpAll(ct, 0)
        .map(({ zone }) => zone)
        .toSorted(),
    ).toEqual([0, 9]);
  });
});

describe.each<Reclaim>(['lookup-and-sweep', 'sweep'])('a packet whose connection was removed (%s)', (reclaim) => {
  it('is looked up anew and opens a connection', () => {
    const ct = table(reclaim);
    const reply = new Traveller(udp(reverse(ENDS)));
    send(ct, udp(ENDS), 0);
    expect(reply.pass(ct)).toBe('est|rpl|trk');
    ct.flush();
    expect(reply.pass(ct, 0, {})).toBe('new|trk');
    expect(reply.remembered.record).toBe(0);
    expect(reply.pass(ct)).toBe('new|trk');
    expect(dumpAll(ct, 0)).toMatchObject([{ orig: { src: ENDS.dst } }]);
  });

  it.each([
    ['UDP', udp(ENDS)],
    ['TCP', tcp(ENDS, { flags: 'S', seq: 1 })],
  ])('does not take the connection that has its record now for its own (%s)', (_protocol, frame) => {
    const ct = table(reclaim);
    const first = new Traveller(frame);
    first.pass(ct);
    const { record, generation } = first.remembered;
    expect(record).not.toBe(0);
    ct.flush();
    expect(reuse(ct, record).generation).not.toBe(generation);

    expect(first.pass(ct, 0, { commit: true, mark: { value: 1, mask: 1 } })).toBe('new|trk');
    expect(first.mark).toBe(1);
    expect(first.remembered.record).not.toBe(record);
    expect(first.tuple).toMatchObject({ src: ENDS.src, sport: ENDS.sport });
    const entries = dumpAll(ct, 0);
    expect(entries.map(({ orig, mark }) => [orig.src, mark]).toSorted()).toEqual([
      [ENDS.src, 1],
      [OTHER.src, 0xbad],
    ]);
  });

  /** A reply that remembers a removed connection, and a connection with the same tuple that now has its record. */
  function successorOf(ct: Conntrack): { first: Traveller; again: Traveller } {
    const first = new Traveller(udp(reverse(ENDS)));
    send(ct, udp(ENDS), 0);
    expect(first.pass(ct)).toBe('est|rpl|trk');
    for (let attempt = 0; attempt < 1000; attempt++) {
      ct.flush();
      const again = new Traveller(udp(reverse(ENDS)));
      again.pass(ct);
      if (again.remembered.record === first.remembered.record) {
        return { first, again };
      }
    }
    return expect.fail('the record was never used again');
  }

  it('is not mistaken for the next one, also if the same tuple gets the record again', () => {
    const ct = table(reclaim);
    const { first, again } = successorOf(ct);
    expect(again.remembered.generation).not.toBe(first.remembered.generation);
    first.pass(ct, 5000);
    expect(first.remembered).toEqual(again.remembered);
    /* The packet updates its new connection; a second pass would not. */
    expect(dumpAll(ct, 5000)).toMatchObject([{ orig: { src: ENDS.dst }, timeoutMs: 60_000 }]);
  });

  /*
   * judgePacket starts with the state of the packet's earlier pass through the zone, also if the connection of that
   * state is gone. So a reply that now creates a connection is `new|est|rpl|trk`.
   */
  it('keeps nothing of the state that it had with the connection that is gone', () => {
    const ct = table(reclaim);
    const { first } = successorOf(ct);
    expect(first.pass(ct)).toBe('new|trk');
  });

  it('that was an ICMP error about it is an error about nothing', () => {
    const ct = table(reclaim);
    const error = new Traveller(icmpError('10.9.9.9', udp(ENDS)));
    send(ct, udp(ENDS), 0);
    expect(error.pass(ct)).toBe('rel|rpl|trk');
    const { record } = error.remembered;
    ct.flush();
    reuse(ct, record);
    expect(error.pass(ct)).toBe('inv|trk');
    expect(error.remembered.record).toBe(0);
  });
});

describe('an earlier packet of the same batch', () => {
  it('that removes the connection makes the packet be looked up anew', () => {
    const ct = table();
    const batch = PacketBatch.allocate(4096);
    const commit = new CtAction(COMMIT);
    send(ct, tcp(ENDS, { flags: 'S', seq: 1 }), 0);
    batch.add(tcp(reverse(ENDS), { flags: 'RA', seq: 0, ack: 2 }));
    ct.execute(batch, commit, 0);
    expect(stateText(batch.state(0))).toBe('est|rpl|trk');
    const removed = batch.words[batch.slots[0]! + PacketWord.CONN]!;

    /* A new SYN replaces the closed connection. After it the RST comes for the second time. */
    batch.add(tcp(ENDS, { flags: 'S', seq: 5_000_000 }));
    batch.slots.subarray(0, 2).reverse();
    ct.execute(batch, commit, 0);
    expect(stateText(batch.state(0))).toBe('new|trk');
    expect(stateText(batch.state(1))).toBe('est|rpl|trk');
    const remembered = Array.from(batch.slots.subarray(0, 2), (slot) => batch.words[slot + PacketWord.CONN]);
    expect(remembered[0]).toBe(remembered[1]);
    expect(remembered[0]).not.toBe(removed);
    expect(dumpAll(ct, 0)).toMatchObject([{ tcp: { stateOrig: 'TIME_WAIT', stateReply: 'TIME_WAIT' } }]);
  });
});
