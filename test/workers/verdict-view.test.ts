/** The fields of a verdict, and how long a listener may read them. */

import { describe, expect, it } from 'vitest';
import { CtAction } from '../../src/core/action.ts';
import { CtState } from '../../src/core/packet/layout.ts';
import type { PacketVerdict, VerdictView } from '../../src/workers/datapath/verdict-view.ts';
import { startDatapath } from '../support/datapaths.ts';
import { fragmentsOf } from '../support/fragments.ts';
import { reverse, udp } from '../support/frames.ts';

const ENDS = { src: '10.0.0.1', dst: '10.0.0.2', sport: 1000, dport: 53 };
const MARKED = {
  zone: 5,
  commit: true,
  mark: { value: 0xfffffff0, mask: 0xffffffff },
  label: { value: 'ab', mask: 'ff' },
};

describe('a verdict', () => {
  it('has all results of the tracker, and the translated frame', async () => {
    const nat = { action: ['src'], minAddr: '192.0.2.1', minPort: 4000 };
    const datapath = await startDatapath<string>({ action: { ...MARKED, nat } });
    const verdicts: PacketVerdict<string>[] = [];
    datapath.on('verdict', (verdict) => verdicts.push(verdict.copy()));
    const frame = udp(ENDS, Buffer.from('hello'));
    await datapath.push(frame, { timeMs: 1234.5, tag: 'one' });
    await datapath.push(Buffer.alloc(3), { timeMs: 1235, tag: 'two' });
    await datapath.drain();
    const translated = udp({ ...ENDS, src: '192.0.2.1', sport: 4000 }, Buffer.from('hello'));
    expect(verdicts[0]).toEqual({
      tag: 'one',
      worker: 0,
      timeMs: 1234.5,
      state: CtState.NEW | CtState.TRK | CtState.SNAT,
      states: ['new', 'trk', 'snat'],
      stateText: 'new|trk|snat',
      zone: 5,
      mark: 0xfffffff0,
      label: '000000000000000000000000000000ab',
      tuple: { src: '10.0.0.1', dst: '10.0.0.2', proto: 17, sport: 1000, dport: 53 },
      frame: new Uint8Array(translated),
      refused: undefined,
      invalid: undefined,
      isHeld: false,
      isLost: false,
      isDeferred: false,
      releasedBy: undefined,
    });
    expect(verdicts[1]).toMatchObject({ tag: 'two', stateText: 'inv|trk', invalid: 'truncated', tuple: undefined });
    expect(verdicts[1]!.frame).toEqual(new Uint8Array(3));
  });

  it('names the reason for which the tracker refused the packet', async () => {
    const datapath = await startDatapath();
    const refused: unknown[] = [];
    datapath.on('verdict', (verdict) => refused.push([verdict.stateText, verdict.refused]));
    datapath.conntrack.maxConnections = 0;
    await datapath.push(udp(ENDS), { timeMs: 0 });
    await datapath.drain();
    expect(refused).toEqual([['new|trk', 'table full']]);
  });

  it('names its PMD, the same one for both directions of a flow', async () => {
    const datapath = await startDatapath({ threads: 2, buckets: 4 });
    const workers = new Map<unknown, number>();
    datapath.on('verdict', ({ tag, worker }) => workers.set(tag, worker));
    for (let i = 0; i < 40; i++) {
      await datapath.push(udp({ ...ENDS, sport: 1000 + i }), { timeMs: 0, tag: `there ${i}` });
      await datapath.push(udp(reverse({ ...ENDS, sport: 1000 + i })), { timeMs: 0, tag: `back ${i}` });
    }
    await datapath.drain();
    expect(new Set(workers.values())).toEqual(new Set([0, 1]));
    for (let i = 0; i < 40; i++) {
      expect(workers.get(`there ${i}`)).toBe(workers.get(`back ${i}`));
    }
  });

  it('is one object for all packets, and throws after its listener has returned', async () => {
    const datapath = await startDatapath();
    const views = new Set<VerdictView>();
    datapath.on('verdict', (verdict) => views.add(verdict));
    await datapath.push(udp(ENDS), { timeMs: 0 });
    await datapath.push(udp(ENDS), { timeMs: 0 });
    await datapath.drain();
    expect(views.size).toBe(1);
    const [view] = views;
    for (const name of [
      'tag',
      'worker',
      'timeMs',
      'state',
      'states',
      'frame',
      'tuple',
      'refused',
      'isHeld',
      'isDeferred',
    ] as const) {
      expect(() => view![name]).toThrow(
        expect.objectContaining({
          code: 'ERR_CT_CLOSED',
          message: 'this verdict is over: it is valid while its listener runs. Keep verdict.copy() instead',
        }),
      );
    }
    expect(() => view!.copy()).toThrow(/Keep verdict\.copy/);
  });
});

describe('the verdict on a fragment', () => {
  it('comes twice: held at first, then deferred, with the tag of the packet that released it', async () => {
    const datapath = await startDatapath<{ name: string }>();
    const told: unknown[] = [];
    datapath.on('verdict', ({ tag, isHeld, isDeferred, states }) =>
      told.push([tag?.name, { isHeld, isDeferred, states }]),
    );
    datapath.on('deferred', ({ tag, isHeld, isDeferred, states, releasedBy }) =>
      told.push([tag?.name, { isHeld, isDeferred, states, releasedBy: releasedBy?.name }]),
    );
    const [first, second] = fragmentsOf(udp(ENDS, Buffer.alloc(2000)), 1, 1208);
    await datapath.push(first!, { timeMs: 0, tag: { name: 'first' } });
    await datapath.drain();
    await datapath.push(second!, { timeMs: 1, tag: { name: 'second' } });
    await datapath.drain();
    const states = ['new', 'trk'];
    expect(told).toEqual([
      ['first', { isHeld: true, isDeferred: false, states: [] }],
      ['second', { isHeld: false, isDeferred: false, states }],
      ['first', { isHeld: false, isDeferred: true, states, releasedBy: 'second' }],
    ]);
  });

  it('keeps the reason of a refusal', async () => {
    const datapath = await startDatapath();
    datapath.conntrack.maxConnections = 0;
    const refused: unknown[] = [];
    datapath.on('deferred', (verdict) => refused.push(verdict.refused));
    for (const frame of fragmentsOf(udp(ENDS, Buffer.alloc(2000)), 1, 1208)) {
      await datapath.push(frame, { timeMs: 0, action: new CtAction({ commit: true }) });
      await datapath.drain();
    }
    expect(refused).toEqual(['table full']);
  });
});
