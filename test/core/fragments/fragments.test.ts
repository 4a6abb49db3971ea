/** Fragments: held until their datagram is complete, then sent with the verdict on the whole. */

import { beforeEach, describe, expect, it } from 'vitest';
import { CtAction } from '../../../src/core/action.ts';
import { Conntrack } from '../../../src/core/conntrack.ts';
import { UsageError } from '../../../src/core/errors.ts';
import { formatFragmentList } from '../../../src/core/inspect/format.ts';
import { purgeFragments } from '../../../src/core/fragments/fragments.ts';
import { MAX_RETURNED, PacketBatch } from '../../../src/core/packet/batch.ts';
import { PacketWord } from '../../../src/core/packet/layout.ts';
import { stateText } from '../../../src/core/inspect/state-names.ts';
import { fragmentsOf, pieceOf } from '../../support/fragments.ts';
import { reverse, udp } from '../../support/frames.ts';
import { dumpAll } from '../../support/tracking.ts';

const ENDS = { src: '10.0.0.1', dst: '10.0.0.2', sport: 4000, dport: 53 };
const ID = 77;
const COMMIT = new CtAction({ commit: true });

function datagram(bytes: number): Buffer {
  return udp(ENDS, Buffer.from(Array.from({ length: bytes }, (_, i) => i % 251)));
}

/** Three fragments: 1200, 1200 and 608 bytes of payload. */
const whole = datagram(3000);
const three = fragmentsOf(whole, ID, 1200);

let ct: Conntrack;
let batch: PacketBatch;

beforeEach(() => {
  ct = new Conntrack({ buckets: 1, maxConnections: 1000 });
  batch = PacketBatch.allocate(1 << 17);
});

/**
 * Sends frames as one batch, the first with this number. Returns number, state and bytes of each packet that comes
 * back.
 */
function exec(frames: readonly Buffer[], number: number, nowMs = 0, action = COMMIT) {
  batch.clear();
  for (const [index, frame] of frames.entries()) {
    batch.add(frame, { number: number + index });
  }
  ct.execute(batch, action, nowMs);
  return returned();
}

function returned() {
  return Array.from({ length: batch.count }, (_, index) => {
    const slot = batch.slots[index]!;
    return {
      number: batch.words[slot + PacketWord.NUMBER]!,
      state: stateText(batch.state(index)),
      frame: Buffer.from(batch.frame(index)),
      releasedBy: batch.words[slot + PacketWord.RELEASED_BY]!,
    };
  });
}

const ORDERS = [
  [0, 1, 2],
  [0, 2, 1],
  [1, 0, 2],
  [1, 2, 0],
  [2, 0, 1],
  [2, 1, 0],
];

describe('the fragments of a datagram', () => {
  it.each(ORDERS)('come back sorted when the last one arrives, in order %i %i %i', (...order) => {
    expect(exec([three[order[0]!]!], 1)).toEqual([]);
    expect(exec([three[order[1]!]!], 2)).toEqual([]);
    const back = exec([three[order[2]!]!], 3);
    expect(back.map(({ state }) => state)).toEqual(['new|trk', 'new|trk', 'new|trk']);
    expect(back.map(({ frame }) => frame)).toEqual(three);
    expect(back.map(({ number }) => number)).toEqual([0, 1, 2].map((piece) => order.indexOf(piece) + 1));
    expect(back.map(({ releasedBy }) => releasedBy)).toEqual([3, 3, 3]);
    expect(dumpAll(ct, 0).map(({ orig }) => orig)).toEqual([{ ...ENDS, proto: 17 }]);
    expect(ct.fragments.status()).toMatchObject({ nfrag: 0, v4: { accepted: 3, completedSent: 3 } });
  });

  it.each(ORDERS)('come back behind the other packets of a batch that has them all, in order %i %i %i', (...order) => {
    const other = udp({ ...ENDS, sport: 1 });
    const back = exec([three[order[0]!]!, other, three[order[1]!]!, three[order[2]!]!], 1);
    expect(back.map(({ number }) => number).slice(0, 1)).toEqual([2]);
    expect(back.slice(1).map(({ frame }) => frame)).toEqual(three);
  });

  it('belong to the connection of the whole, in either direction', () => {
    for (const piece of three) {
      exec([piece], 1);
    }
    const answer = fragmentsOf(udp(reverse(ENDS), Buffer.alloc(2500)), ID, 1200);
    exec(answer.slice(0, 2), 1);
    expect(exec(answer.slice(2), 3).map(({ state }) => state)).toEqual(['est|rpl|trk', 'est|rpl|trk', 'est|rpl|trk']);
    expect(exec(three, 1).map(({ state }) => state)).toEqual(['est|trk', 'est|trk', 'est|trk']);
  });

  it('are all invalid when the checksum of the whole is wrong', () => {
    const broken = Buffer.from(whole);
    broken[2000]! ^= 1;
    expect(exec(fragmentsOf(broken, ID, 1200), 1).map(({ state }) => state)).toEqual(Array(3).fill('inv|trk'));
    expect(ct.connCount).toBe(0);
  });

  it('meet only with the same addresses, protocol, identification and zone', () => {
    exec(three.slice(0, 2), 1);
    expect(exec([fragmentsOf(whole, ID + 1, 1200)[2]!], 3)).toEqual([]);
    expect(exec([fragmentsOf(udp({ ...ENDS, src: '10.0.0.3' }, Buffer.alloc(3000)), ID, 1200)[2]!], 4)).toEqual([]);
    expect(exec([three[2]!], 5, 0, new CtAction({ zone: 1, commit: true }))).toEqual([]);
    expect(ct.fragments.status().nfrag).toBe(5);
    expect(exec([three[2]!], 6)).toHaveLength(3);
    expect(ct.fragments.status().nfrag).toBe(3);
  });

  it('keep link padding, of whatever length, to themselves', () => {
    const padded = three.map((frame, index) => Buffer.concat([frame, Buffer.alloc(index + 1, 0xee)]));
    const back = exec(padded, 1);
    expect(back.map(({ frame, state }) => ({ frame, state }))).toEqual(
      padded.map((frame) => ({ frame, state: 'new|trk' })),
    );
  });
});

describe('a fragment that is not held', () => {
  it('overlaps one of its list: it is invalid, and the list completes all the same', () => {
    exec([three[0]!], 1);
    const overlapping = [
      three[0]!,
      pieceOf(whole, ID, { offset: 8, bytes: 1184, more: true }),
      pieceOf(whole, ID, { offset: 1192, bytes: 1200, more: true }),
    ];
    for (const frame of overlapping) {
      expect(exec([frame], 2).map(({ state }) => state)).toEqual(['inv|trk']);
    }
    expect(ct.fragments.status().v4.overlap).toBe(3);
    expect(exec(three.slice(1), 3)).toHaveLength(3);
  });

  it('is too small, unless it is the last one', () => {
    ct.fragments.setMinFragSize('v4', 400);
    const small = fragmentsOf(datagram(1000), ID, 376);
    expect(exec([small[0]!], 1).map(({ state }) => state)).toEqual(['inv|trk']);
    expect(ct.fragments.status().v4.tooSmall).toBe(1);
    const enough = fragmentsOf(datagram(770), ID, 384);
    expect(enough.at(-1)!.length).toBeLessThan(100);
    expect(exec(enough, 1)).toHaveLength(3);
  });

  it('comes while as many as may be are held', () => {
    ct.fragments.setMaxFrags(2);
    expect(exec(three.slice(0, 2), 1)).toEqual([]);
    expect(exec([three[2]!], 3).map(({ state }) => state)).toEqual(['inv|trk']);
    ct.fragments.setMaxFrags(3);
    expect(exec([three[2]!], 4)).toHaveLength(3);
  });

  it('comes with reassembly switched off for its family', () => {
    ct.fragments.setEnabled('v4', false);
    expect(exec(three.slice(1), 1).map(({ state }) => state)).toEqual(['inv|trk', 'inv|trk']);
    ct.fragments.setEnabled('v4', true);
    ct.fragments.setEnabled('v6', false);
    expect(exec(three, 1)).toHaveLength(3);
  });

  it('is held in a later pass, although it was judged by itself and remembers a connection', () => {
    const gre = Buffer.from(whole);
    gre[23] = 47;
    const pieces = fragmentsOf(gre, ID, 1200);
    ct.fragments.setEnabled('v4', false);
    expect(exec(pieces.slice(0, 1), 1).map(({ state }) => state)).toEqual(['new|trk']);
    expect(batch.words[batch.slots[0]! + PacketWord.CONN]).not.toBe(0);
    ct.execute(batch, COMMIT, 0);
    expect(returned().map(({ state }) => state)).toEqual(['new|trk']);
    ct.fragments.setEnabled('v4', true);
    ct.execute(batch, COMMIT, 0);
    expect(returned()).toEqual([]);
    expect(exec(pieces.slice(1), 2)).toHaveLength(3);
  });

  it('would make a datagram longer than there are: its list never completes', () => {
    const big = datagram(65_000);
    const pieces = fragmentsOf(big, ID, 1480).slice(0, -1);
    const last = pieceOf(big, ID, { offset: pieces.length * 1480, bytes: 1880, more: false });
    exec(pieces.slice(0, 31), 1);
    exec(pieces.slice(31), 40);
    expect(exec([last], 100)).toEqual([]);
    expect(exec([last], 101).map(({ state }) => state)).toEqual(['inv|trk']);
    expect(exec([], 0, 15_001)).toEqual([]);
    expect(ct.fragments.status()).toMatchObject({ nfrag: 0, v4: { expiredSent: pieces.length + 1 } });
  });
});

describe('a list that is not complete in time', () => {
  it('expires after more than 15 seconds, one list per call, whatever the call brings', () => {
    const second = fragmentsOf(whole, ID + 1, 1200);
    exec([three[0]!], 1, 0);
    exec([second[0]!], 2, 0);
    const plain = udp({ ...ENDS, sport: 9 });
    exec([plain], 3, 15_000);
    expect(ct.fragments.status().nfrag).toBe(2);
    exec([plain], 3, 15_001);
    expect(ct.fragments.status()).toMatchObject({ nfrag: 1, v4: { expiredSent: 1 } });
    exec([plain], 3, 15_001);
    expect(ct.fragments.status()).toMatchObject({ nfrag: 0, v4: { expiredSent: 2 } });
    expect(exec(three.slice(1), 4, 15_002)).toEqual([]);
  });

  it('does not expire at 15 seconds sharp in a call with fragments', () => {
    exec([three[0]!], 1, 0);
    exec([pieceOf(whole, ID + 1, { offset: 1200, bytes: 1200, more: true })], 2, 15_000);
    expect(ct.fragments.status()).toMatchObject({ nfrag: 2, v4: { expiredSent: 0 } });
    exec([pieceOf(whole, ID + 1, { offset: 0, bytes: 1200, more: true })], 3, 15_001);
    expect(ct.fragments.status()).toMatchObject({ nfrag: 2, v4: { expiredSent: 1 } });
  });

  it('is compared by signed difference when the low 32 bits of the time wrap', () => {
    const wrap = 2 ** 31 - 1000;
    exec([three[0]!], 1, wrap);
    exec([], 2, wrap + 15_000);
    expect(ct.fragments.status().nfrag).toBe(1);
    exec([], 2, wrap + 15_001);
    expect(ct.fragments.status().nfrag).toBe(0);
  });

  it('still completes late, and is swallowed when it is later still', () => {
    exec(three.slice(0, 2), 1, 0);
    expect(exec(three.slice(2), 3, 24_999)).toHaveLength(3);
    exec(three.slice(0, 2), 1, 30_000);
    expect(exec(three.slice(2), 3, 55_000)).toEqual([]);
    expect(ct.fragments.status()).toMatchObject({ nfrag: 0, v4: { purged: 3 } });
  });

  it('is purged where no packets come', () => {
    exec(three.slice(0, 2), 1, 0);
    purgeFragments(ct.tracker.fragments, 24_999);
    expect(ct.fragments.status().nfrag).toBe(2);
    purgeFragments(ct.tracker.fragments, 25_000);
    expect(ct.fragments.status()).toMatchObject({ nfrag: 0, v4: { purged: 2 } });
  });
});

describe('more fragments than a batch takes', () => {
  const big = datagram(60_000);
  const pieces = fragmentsOf(big, ID, 1200);

  function hold(): void {
    exec(pieces.slice(0, 30), 1);
    exec(pieces.slice(30, -1), 31);
  }

  it('come back at once, and go through again', () => {
    expect(pieces.length).toBeGreaterThan(32);
    hold();
    const back = exec(pieces.slice(-1), pieces.length);
    expect(back.map(({ frame }) => frame)).toEqual(pieces);
    ct.execute(batch, new CtAction({ zone: 5, commit: true }), 0);
    expect(returned().map(({ frame, state }) => ({ frame, state }))).toEqual(
      pieces.map((frame) => ({ frame, state: 'new|trk' })),
    );
    expect(ct.fragments.status().nfrag).toBe(0);
  });

  it('come back with later batches of the zone if there is no space', () => {
    hold();
    const spare = 5 * 1024;
    const words = PacketBatch.allocate(1 << 14).words;
    const small = new PacketBatch(words, { start: words.length - spare, end: words.length });
    small.add(pieces.at(-1)!, { number: pieces.length });
    ct.execute(small, COMMIT, 0);
    const frames: Buffer[] = [];
    const other = udp({ ...ENDS, sport: 5 });
    let calls = 0;
    do {
      calls++;
      expect(small.count).toBeLessThanOrEqual(MAX_RETURNED);
      for (let i = 0; i < small.count; i++) {
        expect(stateText(small.state(i))).toBe('new|trk');
        frames.push(Buffer.from(small.frame(i)));
      }
      small.clear();
      /* Another batch in between. The fragments were never in its memory, and it is not of their zone. */
      expect(exec([other], 99, 0, new CtAction({ zone: 9 })).map(({ frame }) => frame)).toEqual([other]);
      ct.execute(small, new CtAction({ zone: 9 }), 0);
      expect(small.count).toBe(0);
      ct.execute(small, COMMIT, 0);
    } while (small.count > 0);
    expect(calls).toBeGreaterThan(3);
    expect(frames).toEqual(pieces);
    expect(ct.fragments.status()).toMatchObject({ nfrag: 0, v4: { completedSent: pieces.length } });
  });
});

describe('fragments for which there was no space', () => {
  it('never go to where they lay in an earlier batch', () => {
    const pieces = fragmentsOf(whole, ID, 1200);
    const words = PacketBatch.allocate(1 << 14).words;
    const narrow = new PacketBatch(words, { start: words.length, end: words.length });
    exec(pieces.slice(0, 1), 1);
    for (const [index, frame] of pieces.slice(1).entries()) {
      narrow.add(frame, { number: 2 + index });
    }
    ct.execute(narrow, COMMIT, 0);
    expect(narrow.count).toBe(0);
    const other = udp({ ...ENDS, sport: 5 });
    const back = exec([other], 9);
    expect(back.map(({ frame }) => frame)).toEqual([other, ...pieces]);
    expect(back.map(({ number }) => number)).toEqual([9, 1, 2, 3]);
  });
});

describe('translated datagrams', () => {
  it('leave translated in every fragment, with right checksums', () => {
    const nat = new CtAction({ commit: true, nat: { action: ['src'], minAddr: '192.0.2.9', minPort: 7000 } });
    exec(three.slice(0, 2), 1, 0, nat);
    const back = exec(three.slice(2), 3, 0, nat);
    const expected = fragmentsOf(udp({ ...ENDS, src: '192.0.2.9', sport: 7000 }, whole.subarray(42)), ID, 1200);
    expect(back.map(({ frame, state }) => ({ frame, state }))).toEqual(
      expected.map((frame) => ({ frame, state: 'new|trk|snat' })),
    );
  });
});

describe('settings of the reassembly', () => {
  it('start with the defaults of the reference', () => {
    const counts = { accepted: 0, completedSent: 0, expiredSent: 0, tooSmall: 0, overlap: 0, purged: 0 };
    expect(ct.fragments.status()).toEqual({
      nfrag: 0,
      nfragMax: 1000,
      v4: { enabled: true, minFragSize: 1200, ...counts },
      v6: { enabled: true, minFragSize: 1280, ...counts },
    });
  });

  it('are refused out of range', () => {
    expect(() => ct.fragments.setMinFragSize('v4', 399)).toThrow(UsageError);
    expect(() => ct.fragments.setMinFragSize('v6', 399)).toThrow(UsageError);
    expect(() => ct.fragments.setMaxFrags(5001)).toThrow(UsageError);
    expect(() => ct.fragments.setMaxFrags(-1)).toThrow(UsageError);
    ct.fragments.setMaxFrags(5000);
    ct.fragments.setMinFragSize('v6', 400);
    expect(ct.fragments.status()).toMatchObject({ nfragMax: 5000, v6: { minFragSize: 400 } });
  });

  it('take effect in other attached trackers', () => {
    const other = Conntrack.attach(ct.memory);
    other.fragments.setEnabled('v4', false);
    expect(exec(three.slice(1), 1)).toHaveLength(2);
    other.close();
  });
});

describe('the lists of held fragments', () => {
  it('are shown with their state, as ipf-get-status -m prints them', () => {
    const inZone = new CtAction({ zone: 5 });
    exec([three[0]!], 1, 0, inZone);
    exec([three[2]!], 2, 0, inZone);
    exec([fragmentsOf(whole, 0x1234, 1200)[1]!], 3);
    const lines = ct.fragmentLists().map(formatFragmentList);
    expect(lines.toSorted()).toEqual([
      '(src=10.0.0.1,dst=10.0.0.2,recirc_id=0,ip_id=4660,dl_type=0x800,zone=0,nw_proto=17,num_fragments=1,state=other frag)',
      '(src=10.0.0.1,dst=10.0.0.2,recirc_id=0,ip_id=77,dl_type=0x800,zone=5,nw_proto=17,num_fragments=2,state=first/last frag)',
    ]);
    exec([three[1]!], 4, 0, inZone);
    expect(ct.fragmentLists()).toHaveLength(1);
  });
});
