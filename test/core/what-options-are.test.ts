/** Options are an object whose members are all known, and are read once. No other value counts as "no condition". */

import { describe, expect, it } from 'vitest';
import { CtAction } from '../../src/core/action.ts';
import { Conntrack } from '../../src/core/conntrack.ts';
import { shown } from '../../src/core/errors.ts';
import { formatBuckets, formatConn, formatConnStats } from '../../src/core/inspect/format.ts';
import { ConnFilter, type ConnFilterOptions } from '../../src/core/inspect/filter.ts';
import { parseConnFilter } from '../../src/core/inspect/filter-text.ts';
import { PacketBatch } from '../../src/core/packet/batch.ts';
import { Control } from '../../src/workers/control/control-thread.ts';
import { Datapath } from '../../src/workers/datapath/datapath.ts';
import { udp } from '../support/frames.ts';
import { any, complaint } from '../support/refusals.ts';
import { send } from '../support/tracking.ts';

const ENDS = { src: '10.0.0.1', dst: '10.0.0.2', sport: 1, dport: 53 };
const NOW_MS = 1000;

function table(): Conntrack {
  const ct = new Conntrack({ buckets: 4, maxConnections: 100, maxParticipants: 4 });
  send(ct, udp(ENDS), NOW_MS);
  send(ct, udp({ ...ENDS, sport: 2 }), NOW_MS);
  send(ct, udp(ENDS), NOW_MS, { commit: true, zone: 5 });
  return ct;
}

class MisspeltGetter {
  get zoen(): number {
    return 5;
  }
}

class UnsetGetter {
  get zone(): undefined {
    return undefined;
  }
}

/** Values that hold a zone, or should, but have no enumerable name. */
const NO_OPTIONS: Record<string, unknown> = {
  'a map': new Map([['zone', 5]]),
  'a set': new Set(['zone']),
  'a promise that was not awaited': Promise.resolve({ zone: 5 }),
  'a boxed number': Object(5),
  'a boxed text': Object(''),
  'a date': new Date(5),
  'an error': new Error('zone'),
  'a pattern': /zone/,
  'empty bytes': new Uint8Array(0),
  'search parameters': new URLSearchParams('zone=5'),
  'a function': () => ({ zone: 5 }),
  'a getter of a class with a misspelt name': new MisspeltGetter(),
  'a hidden member with a misspelt name': Object.defineProperty({}, 'zoen', { value: 5 }),
  'a symbol for a name': { [Symbol('zone')]: 5 },
  'a member named constructor': { constructor: 5 },
  'a member named __proto__': JSON.parse('{"__proto__": {"zone": 5}}'),
  'a misspelt name without a prototype': Object.assign(Object.create(null) as object, { zoen: 5 }),
  'a getter that throws': {
    get zone(): number {
      throw new Error('no zone');
    },
  },
};

describe('a flush, a filter and an action refuse as options', () => {
  it.each(Object.entries(NO_OPTIONS))('%s', async (_what, value) => {
    const ct = table();
    for (const call of [
      () => ct.flush(any(value)),
      () => ct.flush({ filter: any(value) }),
      () => ct.flush({ filter: { orig: any(value) } }),
      () => ct.flush({ filter: { mark: any(value) } }),
      () => [...ct.dump(any(value))],
      () => ct.setTimeoutPolicy(1, any(value)),
      () => new CtAction(any(value)),
      () => new CtAction({ nat: any(value) }),
      () => Datapath.start({ action: any(value) }),
    ]) {
      expect(await complaint(call)).not.toBe('nothing');
    }
    expect(ct.connCount).toBe(3);
    expect(ct.timeoutPolicy(1)).toBe(undefined);
  });
});

describe('a flush removes no more than was named', () => {
  it.each<[string, (ct: Conntrack) => unknown, RegExp]>([
    ['a variable that was never set', (ct) => ct.flush(undefined), /^the options of flush are undefined: give \{ zone/],
    [
      'a second argument',
      (ct) => any<(...args: unknown[]) => void>(ct.flush).call(ct, {}, { zone: 5 }),
      /^flush takes one/,
    ],
    [
      'an inherited zone that was never set',
      (ct) => ct.flush(any(Object.create({ zone: undefined }))),
      /^'zone' in opt/,
    ],
    ['a getter that gives nothing', (ct) => ct.flush(any(new UnsetGetter())), /^'zone' in options is undefined/],
    ['a tuple that names nothing', (ct) => ct.flush({ filter: { orig: {} } }), /^a tuple of a filter names nothing: /],
    ['a reply tuple that names nothing', (ct) => ct.flush({ filter: { reply: {} } }), /^a tuple of a filter names no/],
    [
      'a label whose mask is empty',
      (ct) => ct.flush({ filter: { label: { value: '5', mask: '' } } }),
      /^label mask must be 1 to 32 hexadecimal digits, not ""$/,
    ],
    [
      'the filter in place of the options',
      (ct) => ct.flush(any(new ConnFilter({ zone: 5 }))),
      /^pass the filter as an option: \{ filter \}$/,
    ],
  ])('and refuses %s', async (_what, call, says) => {
    const ct = table();
    expect(await complaint(() => call(ct))).toMatch(says);
    expect(ct.connCount).toBe(3);
  });

  it('when the options of a filter change after it was made', () => {
    for (const [made, zone] of [
      [{ tcpState: 'ESTABLISHED' }, undefined],
      [{ seen: 'replied' }, undefined],
      [{ proto: 6 }, 5],
      [{ orig: { sport: 9 } }, 5],
    ] as [ConnFilterOptions, number | undefined][]) {
      const ct = table();
      const filter = new ConnFilter(made);
      delete made.tcpState;
      delete made.seen;
      delete made.proto;
      delete made.orig?.sport;
      expect(ct.flush(zone === undefined ? { filter } : { filter, zone })).toBe(0);
      expect(Object.isFrozen(filter.options)).toBe(true);
    }
  });

  it('when a getter returns another value the second time', () => {
    const ct = table();
    let reads = 0;
    const options = {
      get zone(): number | undefined {
        return reads++ === 0 ? 5 : undefined;
      },
    };
    expect(ct.flush(any(options))).toBe(1);
  });
});

describe('options count', () => {
  it('when they are inherited or getters of a class', () => {
    class Fifth {
      get zone(): number {
        return 5;
      }
      describe(): string {
        return 'zone 5';
      }
    }
    expect(table().flush(any(Object.create({ zone: 5 })))).toBe(1);
    expect(table().flush(new Fifth())).toBe(1);
    expect(new CtAction(new Fifth()).zone).toBe(5);
  });

  it('in all threads, when they are inherited', async () => {
    const action = any<{ commit: true }>(Object.create({ commit: true, zone: 7, mark: { value: 3, mask: 3 } }));
    const datapath = await Datapath.start(any(Object.create({ buckets: 1, maxConnections: 100, action })));
    const { conntrack } = datapath;
    expect([conntrack.maxConnections, conntrack.memory.bucketBits]).toEqual([100, 0]);
    await datapath.push(udp(ENDS), { timeMs: NOW_MS });
    await datapath.drain();
    await datapath.stop();
    expect([...conntrack.dump({ nowMs: NOW_MS })].flat()).toMatchObject([{ zone: 7, mark: 3 }]);
  });
});

describe('refused in one line', () => {
  const entry = () => [...table().dump({ nowMs: NOW_MS })].flat()[0]!;
  it.each<[string, () => unknown, RegExp]>([
    [
      'no options of a repair',
      () => table().repair(2, any(null)),
      /^the options of repair must be an object, not null$/,
    ],
    ['a flag of a repair', () => table().repair(2, { keepsSlot: any(1) }), /^keepsSlot must be true or false, not 1$/],
    [
      'a symbol for a participant',
      () => table().repair(any(Symbol('s'))),
      /^there is no participant Symbol\(s\) to repair/,
    ],
    [
      'a symbol for a place',
      () => Conntrack.attach(table().memory, { participant: any(Symbol('s')), token: 5 }),
      /^there is no such participant to take over: they are 0 to 3$/,
    ],
    [
      'a place at a table that is new',
      () => new Conntrack({ maxConnections: 10 }, { participant: 1, token: 5 }),
      /^a new table has no participant slot to take over: /,
    ],
    [
      'an action of an action',
      () => new CtAction(any(new CtAction())),
      /^new CtAction takes options .*, not another CtAction/,
    ],
    [
      'a text for the arguments of a filter',
      () => parseConnFilter(any('zone=5')),
      /must be a list of texts, not "zone=5"$/,
    ],
    ['an argument of a filter that is none', () => parseConnFilter(any([Symbol('s')])), /must be a list of texts/],
    ['a flag as text', () => formatConn(entry(), { more: any('false') }), /^more must be true or false, not "false"$/],
    ['a flag as number', () => formatConnStats(table().stats({ nowMs: 1 }), { verbose: any(1) }), /^verbose must be/],
    [
      'no number',
      () => formatBuckets(table().stats({ nowMs: 1 }), { greaterThan: Number.NaN }),
      /^greaterThan must be a whole number from 0 to \d+, not NaN$/,
    ],
    ['no datapath', () => Control.start(any({ path: '/tmp/x' })), /^datapath must be a Datapath, not undefined$/],
    ['a spare part of a batch', () => new PacketBatch(PacketBatch.allocate().words, any(new Map())), /not a Map$/],
  ])('%s', async (_what, call, says) => {
    expect(await complaint(call)).toMatch(says);
  });
});

describe('a wrong value', () => {
  it('is shown as what it is', () => {
    expect([5n, () => 1, new Map(), Promise.resolve(), new Uint8Array(3), new Error('x')].map(shown)).toEqual([
      '5n',
      'a function',
      'a Map',
      'a Promise',
      'a Uint8Array',
      'an Error',
    ]);
    expect(shown({ words: new Int32Array(1 << 20) })).toBe('{"words":"an Int32Array"}');
  });
});
