/** Each packet may have an action of its own. The main thread passes it to the PMD as a number. */

import { describe, expect, it } from 'vitest';
import { CtAction } from '../../src/core/action.ts';
import { ActionReader, ActionTable, MAX_ACTIONS } from '../../src/workers/datapath/action-table.ts';
import { flow, holdBucket, startDatapath } from '../support/datapaths.ts';
import { reverse, tcp, udp } from '../support/frames.ts';
import { dumpAll } from '../support/tracking.ts';

const ENDS = { src: '10.0.0.1', dst: '10.0.0.2', sport: 1000, dport: 21 };

describe('a packet with an action of its own', () => {
  it('is tracked by that action, and other packets by the action of the datapath', async () => {
    const datapath = await startDatapath<string>({ action: { zone: 1, commit: true } });
    const zones: unknown[] = [];
    datapath.on('verdict', ({ tag, zone, mark }) => zones.push([tag, zone, mark]));
    const two = new CtAction({ zone: 2, commit: true, mark: { value: 7, mask: 0xff } });
    const three = new CtAction({ zone: 3 });
    for (const [tag, action] of [
      ['a', undefined],
      ['b', two],
      ['c', undefined],
      ['d', three],
      ['e', two],
    ] as const) {
      await datapath.push(udp(ENDS), { timeMs: 0, tag, ...(action === undefined ? {} : { action }) });
    }
    expect(datapath.offer(udp(ENDS), { timeMs: 0, tag: 'f', action: three })).toBe(true);
    await datapath.drain();
    expect(zones).toEqual([
      ['a', 1, 0],
      ['b', 2, 7],
      ['c', 1, 0],
      ['d', 3, 0],
      ['e', 2, 7],
      ['f', 3, 0],
    ]);
    expect(
      dumpAll(datapath.conntrack, 0)
        .map(({ zone }) => zone)
        .toSorted(),
    ).toEqual([1, 2]);
  });

  it('keeps its order in its flow, even if it waits for room and its neighbours have other actions', async () => {
    const datapath = await startDatapath<number>();
    const actions = [1, 2, 3].map((zone) => new CtAction({ zone, commit: true }));
    const seen: unknown[] = [];
    datapath.on('verdict', ({ tag, zone }) => seen.push([tag, zone]));
    const letGo = holdBucket(datapath);
    for (let tag = 0; tag < 200; tag++) {
      void datapath.push(udp(ENDS, Buffer.alloc(8000)), { timeMs: 0, tag, action: actions[tag % 3]! });
    }
    expect(datapath.waiting).toBeGreaterThan(0);
    letGo();
    await datapath.drain();
    expect(seen).toEqual(Array.from({ length: 200 }, (_, tag) => [tag, 1 + (tag % 3)]));
  });

  it('is tracked by a CtAction that was given at the start of the datapath', async () => {
    const datapath = await startDatapath({ action: new CtAction({ zone: 4, commit: true }) });
    void datapath.push(udp(ENDS), { timeMs: 0 });
    await datapath.drain();
    expect(dumpAll(datapath.conntrack, 0)).toMatchObject([{ zone: 4 }]);
  });

  it('gets the NAT and the helper of its action', async () => {
    const datapath = await startDatapath<string>();
    const nat = new CtAction({
      commit: true,
      helper: 'ftp',
      timeoutPolicy: 0xffffffff,
      label: { value: 'AbCd', mask: 'ffff' },
      nat: {
        action: ['src'],
        minAddr: '192.0.2.1',
        maxAddr: '192.0.2.1',
        minPort: 7000,
        maxPort: 7001,
        persistent: true,
      },
    });
    await datapath.push(tcp(ENDS, { flags: 'S', seq: 1 }), { timeMs: 0, action: nat });
    await datapath.drain();
    const dumped = dumpAll(datapath.conntrack, 0);
    expect(dumped).toMatchObject([
      {
        orig: { src: '10.0.0.1' },
        reply: { dst: '192.0.2.1', dport: expect.toBeOneOf([7000, 7001]) },
        helper: 'ftp',
        label: expect.stringMatching(/abcd$/),
      },
    ]);
    /* The table's random seed decides which of the two ports is taken. */
    const { dport: sport } = dumped[0]!.reply as { dport: number };
    const frames: Uint8Array[] = [];
    datapath.on('verdict', ({ frame }) => frames.push(frame.slice()));
    await datapath.push(tcp(reverse({ ...ENDS, src: '192.0.2.1', sport }), { flags: 'SA', seq: 9, ack: 2 }), {
      timeMs: 0,
      action: nat,
    });
    await datapath.drain();
    expect(frames).toEqual([new Uint8Array(tcp(reverse(ENDS), { flags: 'SA', seq: 9, ack: 2 }))]);
  });

  it('keeps its action when its PMD has died and a new one takes over', async () => {
    const datapath = await startDatapath();
    const zones: number[] = [];
    datapath.on('verdict', ({ zone, isLost }) => zones.push(isLost ? -1 : zone));
    const action = new CtAction({ zone: 9, commit: true });
    await datapath.push(udp(flow(1)), { timeMs: 0, action });
    await datapath.drain();
    const death = new Promise((resolve) => datapath.once('workerDeath', resolve));
    datapath.terminateWorker('pmd');
    await datapath.push(udp(flow(2)), { timeMs: 0, action });
    await death;
    await datapath.push(udp(flow(3)), { timeMs: 0, action });
    await datapath.drain();
    expect(zones.at(-1)).toBe(9);
  });
});

describe('the action table of a datapath', () => {
  it('keeps equal actions once, and takes different ones up to its limit', () => {
    const table = new ActionTable({ commit: true });
    expect(table.numberOf(new CtAction({ commit: true }))).toBe(0);
    const actions = Array.from({ length: MAX_ACTIONS - 1 }, (_, i) => new CtAction({ zone: i + 1, commit: true }));
    expect(actions.map((action) => table.numberOf(action))).toEqual(actions.map((_, i) => i + 1));
    expect(table.numberOf(new CtAction({ commit: true, zone: 5 }))).toBe(5);
    const last = new CtAction({ zone: 60_000 });
    for (let times = 0; times < 2; times++) {
      expect(() => table.numberOf(last)).toThrow(expect.objectContaining({ code: 'ERR_CT_TOO_MANY_ACTIONS' }));
    }
    expect(table.numberOf(actions[7]!)).toBe(8);
    const reader = new ActionReader(table.words);
    expect(reader.at(700)).toMatchObject({ zone: 700, commit: true });
    expect(reader.at(3)).toMatchObject({ zone: 3 });
    expect(reader.at(3)).toBe(reader.at(3));
  });

  it('passes actions to the PMD whole, even if their texts have the greatest length', () => {
    const longest = new CtAction({
      zone: 65_535,
      commit: true,
      force: true,
      mark: { value: 0xffffffff, mask: 0xffffffff },
      label: { value: 'f'.repeat(32), mask: 'f'.repeat(32) },
      timeoutPolicy: 0xffffffff,
      helper: '\u0001'.repeat(32),
      nat: {
        action: ['src'],
        minAddr: '1000:1000:1000:1000:1000:1000:255.255.255.254',
        maxAddr: '1000:1000:1000:1000:1000:1000:255.255.255.255',
        minPort: 65_534,
        maxPort: 65_535,
        hash: true,
        random: false,
        persistent: true,
      },
    });
    const table = new ActionTable({});
    expect(new ActionReader(table.words).at(table.numberOf(longest)).options).toEqual(longest.options);
  });

  it('takes only CtActions, because options would be compiled again for each packet', async () => {
    const datapath = await startDatapath();
    expect(() => datapath.push(udp(ENDS), { timeMs: 0, action: { zone: 1 } as unknown as CtAction })).toThrow(
      /^action must be a CtAction \(make it once and reuse it\), not \{"zone":1\}$/,
    );
  });
});
