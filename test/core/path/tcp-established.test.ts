/** The fast path of packets of established TCP connections. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { updateAnyTcpLocked, updateTcpLocked } from '../../../src/core/proto/tcp.ts';
import { SCALE_KNOWN, SCALE_UNKNOWN, TcpState } from '../../../src/core/proto/tcp-state.ts';
import { ConnWord, UNIT_WORDS } from '../../../src/core/table/conn.ts';
import { swapWord } from '../../../src/core/packet/layout.ts';

const ACK = 0x10;
const STATES = Object.values(TcpState);
const near = (value: number, span: number) => fc.integer({ min: -span, max: span }).map((by) => (value + by) | 0);
const scale = fc.oneof(
  fc.constant(0),
  fc.constant(SCALE_UNKNOWN),
  fc.integer({ min: 0, max: 14 }).map((shift) => SCALE_KNOWN | shift),
);
const window = fc.oneof(fc.constant(0), fc.constant(65535), fc.integer({ min: 0, max: 65535 }));

/** A connection and a packet whose numbers are close to its windows, on either side of every limit. */
const cases = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }).chain((base) =>
  fc.record({
    states: fc.oneof(
      { weight: 4, arbitrary: fc.constant([TcpState.ESTABLISHED, TcpState.ESTABLISHED]) },
      { weight: 1, arbitrary: fc.tuple(fc.constantFrom(...STATES), fc.constantFrom(...STATES)) },
    ),
    scales: fc.tuple(scale, scale),
    low: fc.tuple(near(base, 3), near(base, 70_000)),
    high: fc.tuple(near(base, 70_000), near(base, 140_000)),
    windows: fc.tuple(window, window),
    flags: fc.oneof(
      { weight: 4, arbitrary: fc.constantFrom(ACK, ACK | 0x08, ACK | 0x20, ACK | 0xc0) },
      { weight: 1, arbitrary: fc.integer({ min: 0, max: 255 }) },
    ),
    seq: near(base, 70_000),
    ack: near(base, 140_000),
    window,
    dataBytes: fc.oneof(fc.constant(0), fc.constant(1), fc.integer({ min: 0, max: 1460 })),
    headerWords: fc.integer({ min: 5, max: 15 }),
    reply: fc.constantFrom(0, 1),
    checkSequence: fc.boolean(),
  }),
);

describe('a packet of an established TCP connection', () => {
  it('returns the same and leaves the same connection on the fast path as on the full one', () => {
    let short = 0;
    fc.assert(
      fc.property(cases, (c) => {
        const record = new Int32Array(UNIT_WORDS);
        record[ConnWord.STATE] = c.states[0]! | (c.states[1]! << 4) | (c.scales[0] << 8) | (c.scales[1] << 16);
        record[ConnWord.TCP_SEQ_LOW] = c.low[0];
        record[ConnWord.TCP_SEQ_LOW + 1] = c.low[1];
        record[ConnWord.TCP_SEQ_HIGH] = c.high[0];
        record[ConnWord.TCP_SEQ_HIGH + 1] = c.high[1];
        record[ConnWord.TCP_MAX_WINDOW] = c.windows[0] | (c.windows[1] << 16);
        const segment = new Int32Array(20);
        segment[1] = swapWord(c.seq);
        segment[2] = swapWord(c.ack);
        segment[3] = (c.headerWords << 4) | (c.flags << 8) | ((c.window >>> 8) << 16) | ((c.window & 0xff) << 24);
        const bytes = c.headerWords * 4 + c.dataBytes;
        const other = record.slice();
        const before = record.slice();
        const update = updateTcpLocked(record, 0, segment, 0, bytes, c.reply, c.checkSequence);
        expect(update).toBe(updateAnyTcpLocked(other, 0, segment, 0, bytes, c.reply, c.checkSequence));
        expect(record).toEqual(other);
        short += record.some((word, i) => word !== before[i]) ? 1 : 0;
      }),
      { numRuns: 20_000, seed: 1 },
    );
    /* Enough cases took the fast path. */
    expect(short).toBeGreaterThan(1000);
  });
});
