/** The soak: a short one succeeds, and each of its checks finds the fault for which it is there. */

import { describe, expect, it } from 'vitest';
import { problemsOf } from '../../bench/soak/accounting.ts';
import { mutated } from '../../bench/soak/mutate.ts';
import { type IntervalFigures, lineOf, summaryOf, verdictOf } from '../../bench/soak/report.ts';
import { Soak } from '../../bench/soak/soak.ts';
import { trendOf } from '../../bench/soak/trend.ts';
import { seededRandom } from '../../bench/statistics/statistics.ts';
import { Counter } from '../../src/core/counters.ts';
import { Conntrack } from '../../src/core/conntrack.ts';
import { ConnWord, UNIT_SHIFT } from '../../src/core/table/conn.ts';
import { BucketTable } from '../../src/core/table/bucket-table.ts';
import { CT_BUCKET, run } from '../support/child.ts';
import { udp } from '../support/frames.ts';
import { send } from '../support/tracking.ts';

const OPTIONS = { seed: 3, threads: 2, connections: 1000, kills: 0 };
const ENOUGH_PACKETS = 100_000;
const KINDS = ['created', 'invalid', 'natExhausted', 'expectationsAdded', 'established'] as const;
const NO_COUNTERS = new Conntrack({ maxConnections: 1 }).counters();

describe('a short soak', () => {
  it('loses no packet, and all invariants hold at each interval', async () => {
    const lines: IntervalFigures[] = [];
    const soak = await Soak.start({ ...OPTIONS, minutes: 600, interval: 0.5 });
    const verdict = await soak.run((figures) => {
      lines.push(figures);
      /* The soak ends after enough packets and events of each kind, even on a slow machine. */
      const hasHappened = KINDS.every((kind) => soak.counters[kind] > 0);
      if (lines.length >= 3 && soak.packets > ENOUGH_PACKETS && hasHappened) {
        soak.interrupt();
      }
    });
    expect(verdict.reasons).toEqual([]);
    expect(verdict.isRight).toBe(true);
    expect(lines.every(({ problems }) => problems.length === 0)).toBe(true);
    /* Events of each kind have happened. */
    for (const kind of KINDS) {
      expect(verdict.counters[kind]).toBeGreaterThan(0);
    }
    expect(summaryOf(verdict)).toContain('All invariants held');
    expect(lineOf(lines[0]!)).toMatch(/invariants hold .* lost 0/);
  });

  it('ends by itself after its duration', async () => {
    const soak = await Soak.start({ ...OPTIONS, minutes: 0.01, interval: 0.2 });
    const verdict = await soak.run(() => {});
    expect(verdict).toMatchObject({ isRight: true, isInterrupted: false, reasons: [] });
  });

  it('ends soon after an interrupt, with a verdict on the work so far', async () => {
    const soak = await Soak.start({ ...OPTIONS, minutes: 600, interval: 600 });
    const timer = setInterval(() => {
      if (soak.packets > 5000) {
        soak.interrupt();
      }
    }, 5);
    const verdict = await soak.run(() => {});
    clearInterval(timer);
    expect(verdict).toMatchObject({ isRight: true, isInterrupted: true, reasons: [] });
    expect(verdict.packets).toBeGreaterThan(0);
  });
});

describe('a wrong command line of soak or bench attack', () => {
  it.each([
    [
      ['soak', '--minutes', '0'],
      /'--minutes <minutes>' argument '0' is invalid\. It must be a number of minutes above 0/,
    ],
    [['soak', '--json', '/nowhere/file.jsonl'], /cannot write \/nowhere\/file\.jsonl/],
    [
      ['bench', 'attack', 'no-such-attack'],
      /'no-such-attack' is invalid for argument 'names'\. Allowed choices are syn-flood/,
    ],
  ])('%j is refused with a one-line error and exit code 2', async (args, says) => {
    const { code, stderr } = await run(process.execPath, [...CT_BUCKET, ...args]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^ct-bucket: [^\n]+\n$/);
    expect(stderr).toMatch(says);
  });
});

/** A table with some connections, and the record of one. */
function someTable(): { ct: Conntrack; record: number; slot: number } {
  const ct = new Conntrack({ buckets: 2, maxConnections: 100 });
  ct.setZoneLimit(3, 50);
  for (let sport = 1; sport <= 40; sport++) {
    send(ct, udp({ src: '10.0.0.1', dst: '10.0.0.2', sport, dport: 53 }), 0, { commit: true, zone: sport & 3 });
  }
  const { table } = ct.tracker;
  const block = table.blockOfBucket(0);
  for (let n = 0; n < BucketTable.slotsOf(block); n++) {
    const slot = BucketTable.slotInBlock(block, n);
    if (table.recordAt(slot) !== 0) {
      return { ct, record: table.recordAt(slot), slot };
    }
  }
  throw new Error('no connection in bucket 0');
}

describe('the accounting check of the soak', () => {
  it('finds no problem in a correct table', () => {
    expect(problemsOf(someTable().ct, 0)).toEqual([]);
  });

  it.each<[what: string, says: RegExp, spoil: (table: ReturnType<typeof someTable>) => void]>([
    [
      'a creation that is counted twice',
      /created = live \+ removed/,
      ({ ct }) => ct.tracker.counters[Counter.created]!++,
    ],
    ['a removal that is not counted', /created = live/, ({ ct }) => ct.tracker.counters[Counter.flushed]!--],
    [
      'a record that is neither linked nor free',
      /units accounted for/,
      ({ ct }) => {
        ct.tracker.slab.allocate(ct.tracker.participant, 0);
      },
    ],
    [
      'a lost index entry',
      /units accounted for|created = live/,
      ({ ct, slot }) => {
        ct.tracker.words[slot] = 0;
      },
    ],
    [
      'a held lock',
      /lock of record/,
      ({ ct, record }) => {
        ct.tracker.words[(record << UNIT_SHIFT) + ConnWord.LOCK] = 1;
      },
    ],
    [
      'quota that was released twice',
      /connection quota: units in use/,
      ({ ct }) => ct.tracker.quota.pools.release(ct.tracker.quota.pool, 0, ct.tracker.participant),
    ],
    [
      'a connection of a limited zone that was not admitted',
      /zone 3: units in use/,
      ({ ct }) => {
        const { zoneLimits, participant } = ct.tracker;
        zoneLimits.pools.take(zoneLimits.admit(3, participant), participant);
      },
    ],
    [
      'a lost block of lines',
      /lines accounted for/,
      ({ ct }) => {
        ct.tracker.arena.allocate(ct.tracker.participant, 2);
      },
    ],
  ])('finds %s', (_what, says, spoil) => {
    const table = someTable();
    spoil(table);
    expect(problemsOf(table.ct, 0).join('\n')).toMatch(says);
  });
});

const MIB = 2 ** 20;

function interval(s: number, figures: Partial<IntervalFigures> = {}): IntervalFigures {
  return {
    type: 'interval',
    s,
    packetsPerSecond: 1,
    packets: 1,
    connections: 0,
    limit: 1,
    created: 0,
    removed: 0,
    tableFull: 'refuse',
    problems: [],
    residentBytes: 200 * MIB,
    heapBytes: 20 * MIB,
    tableBytes: 10 * MIB,
    recordBytes: 8 * MIB,
    lineBytes: 2 * MIB,
    retired: 0,
    batchUs: { p50: 1, p99: 2, max: 3 },
    lost: 0,
    killed: 0,
    longestRepairMs: 0,
    unanswered: 0,
    events: null,
    ...figures,
  };
}

function judged(of: (index: number) => Partial<IntervalFigures>, count = 60) {
  const intervals = Array.from({ length: count }, (_, index) => interval((index + 1) * 10, of(index)));
  return verdictOf(intervals, [], false, NO_COUNTERS);
}

describe('the verdict of a soak', () => {
  const random = seededRandom(9);
  const noise = () => (random() - 0.5) * 20 * MIB;

  it('is right if memory goes up and down', () => {
    expect(judged(() => ({ residentBytes: 200 * MIB + noise() })).reasons).toEqual([]);
  });

  it('is right if memory grows only at the beginning', () => {
    expect(judged((index) => ({ residentBytes: (200 + 10 * Math.min(index, 10)) * MIB })).reasons).toEqual([]);
  });

  it.each([
    ['resident memory', 'residentBytes', 0.5],
    ["the main thread's heap", 'heapBytes', 0.3],
  ] as const)('reports the growth of %s if it grows a little in each interval', (what, name, mibEach) => {
    const { isRight, reasons } = judged((index) => ({ [name]: (200 + mibEach * index) * MIB + noise() / 10 }));
    expect(isRight).toBe(false);
    expect(reasons).toHaveLength(1);
    expect(reasons[0]).toContain(`${what} grew by at least`);
  });

  it('lists every problem with its time, and counts the lost packets', () => {
    const { isRight, reasons } = judged((index) => ({ problems: index === 1 ? ['x'] : [], lost: index }), 3);
    expect(isRight).toBe(false);
    expect(reasons).toEqual(['20 s: x', '2 packets of pinned connections were lost']);
  });
});

describe('the trend of samples', () => {
  it('is the slope of their line, with an interval that grows with noise', () => {
    const line = (noise: number) =>
      trendOf(Array.from({ length: 20 }, (_, i) => ({ s: i * 36, value: 5 + i + (i % 2 === 0 ? noise : -noise) })));
    const exact = line(0);
    expect(exact.perHour).toBeCloseTo(100);
    expect(exact.high - exact.low).toBeCloseTo(0);
    expect(exact.leastGrowth).toBeCloseTo(19);
    const noisy = line(3);
    expect(noisy.low).toBeLessThan(100);
    expect(noisy.high).toBeGreaterThan(100);
  });

  it('is unknown with two samples', () => {
    expect(
      trendOf([
        { s: 0, value: 1 },
        { s: 1, value: 2 },
      ]).leastGrowth,
    ).toBeNaN();
  });
});

describe('malformed packets', () => {
  it('are the same for the same seed, of many lengths, and not all invalid', () => {
    const frame = udp({ src: '10.0.0.1', dst: '10.0.0.2', sport: 1, dport: 2 }, Buffer.alloc(30));
    const draw = () => {
      const random = seededRandom(4);
      return Array.from({ length: 500 }, () => mutated(frame, random).toString('hex'));
    };
    const drawn = draw();
    expect(draw()).toEqual(drawn);
    expect(new Set(drawn.map(({ length }) => length)).size).toBeGreaterThan(50);
    const ct = new Conntrack({ maxConnections: 1000 });
    const states = new Set(drawn.map((hex) => send(ct, Buffer.from(hex, 'hex'), 0)));
    expect([...states].toSorted()).toEqual(expect.arrayContaining(['inv|trk', 'new|trk']));
  });
});
