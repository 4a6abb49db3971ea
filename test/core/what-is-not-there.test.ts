/** References to absent or foreign objects are refused or forgotten. A refusal of a size says which sizes fit. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CtAction } from '../../src/core/action.ts';
import { Conntrack } from '../../src/core/conntrack.ts';
import { formatEvent } from '../../src/core/events/event-format.ts';
import { EventReader } from '../../src/core/events/event-reader.ts';
import {
  formatConn,
  formatConnStats,
  formatExpectation,
  formatTupleText,
  formatZoneLimits,
} from '../../src/core/inspect/format.ts';
import type { TrackerMemory } from '../../src/core/memory/memory.ts';
import { memoryLayout } from '../../src/core/memory/memory-layout.ts';
import { PacketBatch } from '../../src/core/packet/batch.ts';
import { PacketWord } from '../../src/core/packet/layout.ts';
import { stateText } from '../../src/core/inspect/state-names.ts';
import { LockClass } from '../../src/shared/sync/lockdep.ts';
import { lock, unlock } from '../../src/shared/sync/mutex.ts';
import { prepareSocketPath } from '../../src/workers/control/socket-path.ts';
import { Control } from '../../src/workers/control/control-thread.ts';
import { Datapath } from '../../src/workers/datapath/datapath.ts';
import { udp } from '../support/frames.ts';
import { any, complaint } from '../support/refusals.ts';
import { send } from '../support/tracking.ts';

const ENDS = { src: '10.0.0.1', dst: '10.0.0.2', sport: 1, dport: 53 };
const NOW_MS = 1000;
const COMMIT = new CtAction({ commit: true });

function table(maxConnections = 100): Conntrack {
  return new Conntrack({ buckets: 4, maxConnections, maxParticipants: 4 });
}

describe('a batch that goes to another table', () => {
  it('forgets the connections of the first', () => {
    const first = table();
    const second = table();
    const batch = PacketBatch.allocate();
    batch.add(udp(ENDS));
    first.execute(batch, COMMIT, NOW_MS);
    /* The same record, in the same generation, is another connection in the second table. */
    send(second, udp({ ...ENDS, sport: 77 }), NOW_MS, { commit: true, mark: { value: 9, mask: 15 } });
    second.execute(batch, COMMIT, NOW_MS);
    expect(batch.words[batch.slots[0]! + PacketWord.MARK]).toBe(0);
    expect(stateText(batch.state(0))).toBe('new|trk');
    expect(second.connCount).toBe(2);
  });

  it('may come from a larger table', () => {
    const large = table(10_000);
    for (let sport = 1; sport <= 5000; sport++) {
      send(large, udp({ ...ENDS, sport }), NOW_MS);
    }
    const batch = PacketBatch.allocate();
    batch.add(udp({ ...ENDS, sport: 6000 }));
    large.execute(batch, COMMIT, NOW_MS);
    const small = table(10);
    small.execute(batch, COMMIT, NOW_MS);
    expect(small.connCount).toBe(1);
    small.execute(batch, COMMIT, NOW_MS);
    expect(small.connCount).toBe(1);
  });
});

describe('memory can be attached as its table gave it,', () => {
  it.each<[string, (memory: TrackerMemory) => unknown]>([
    ['not with fewer connections', (memory) => ({ ...memory, maxConnections: 10 })],
    ['not with fewer participants', (memory) => ({ ...memory, maxParticipants: 2 })],
    ['not with another key', (memory) => ({ ...memory, hashKey: [1, 2] })],
    ['not with another way to reclaim', (memory) => ({ ...memory, reclaim: 'sweep' })],
    ['not with the words of another table', (memory) => ({ ...memory, words: table().memory.words })],
    ['not with words that nobody made a table of', (memory) => ({ ...memory, words: fresh(memory.words.length) })],
    [
      'not with a part of longer words',
      (memory) => ({ ...memory, words: fresh(memory.words.length + 32).subarray(32) }),
    ],
    [
      'not as a copy in JSON',
      (memory) => JSON.parse(JSON.stringify({ ...memory, words: {}, events: {}, fragments: {}, lists: {} })),
    ],
    ['not as a handle', (memory) => ({ memory })],
  ])('%s', async (_what, change) => {
    const { memory } = table();
    expect(await complaint(() => Conntrack.attach(any(change(memory))))).toMatch(/must be/);
  });

  it('not as that of another engine', async () => {
    const { memory } = new Conntrack({ engine: 'baseline', maxConnections: 100 });
    expect(await complaint(() => Conntrack.attach({ ...memory, engine: 'ct-scale' }))).toMatch(
      /words and the settings of a table's memory must belong together/,
    );
  });

  it('not as the handle itself', async () => {
    expect(await complaint(() => Conntrack.attach(any(table())))).toBe(
      "a table's memory must be the `memory` of a Conntrack, not a handle or options",
    );
  });

  it('or as a structured clone of it', () => {
    const { memory } = table();
    expect(Conntrack.attach(structuredClone(memory)).participant).toBe(1);
  });
});

function fresh(words: number): Int32Array<SharedArrayBuffer> {
  return new Int32Array(new SharedArrayBuffer(words * 4));
}

describe('a frame that does not fit a batch', () => {
  it('is refused with the size of the largest that does', async () => {
    const allocate = () => PacketBatch.allocate(100);
    const says = await complaint(() => allocate().add(new Uint8Array(20_000)));
    const [, most] = /^a frame of 20000 bytes is too large for this batch, at most (\d+) bytes fit: pass /.exec(says)!;
    expect(allocate().add(new Uint8Array(Number(most)))).toBe(0);
    expect(await complaint(() => allocate().add(new Uint8Array(Number(most) + 1)))).toMatch(
      /^a frame of \d+ bytes is too/,
    );
  });

  it('any more is refused with the bytes that are left', async () => {
    const batch = PacketBatch.allocate(100);
    batch.add(new Uint8Array(4000));
    const says = await complaint(() => batch.add(new Uint8Array(4000)));
    const [, left] = /^a frame of 4000 bytes does not fit into this batch, (\d+) bytes are left: execute/.exec(says)!;
    expect(await complaint(() => batch.add(new Uint8Array(Number(left) + 1)))).toMatch(/does not fit into this batch/);
    expect(batch.add(new Uint8Array(Number(left)))).toBe(1);
    expect(await complaint(() => batch.add(new Uint8Array(0)))).toMatch(
      /batch, no space is left: execute and clear the batch$/,
    );
  });

  it('since there are 32 already is refused for that', async () => {
    const batch = PacketBatch.allocate();
    for (let i = 0; i < 32; i++) {
      batch.add(udp(ENDS));
    }
    expect(await complaint(() => batch.add(udp(ENDS)))).toBe(
      'a batch has at most 32 packets: execute and clear the batch',
    );
  });
});

describe('a value that is not an entry', () => {
  it.each<[string, (value: never) => unknown]>([
    ['formatConn', formatConn],
    ['formatConnStats', formatConnStats],
    ['formatExpectation', formatExpectation],
    ['formatTupleText', formatTupleText],
    ['formatZoneLimits', formatZoneLimits],
    ['formatEvent', formatEvent],
    ['EventReader', (value) => new EventReader(value)],
    ['prepareSocketPath', (value) => prepareSocketPath(value === undefined || value === 'x' ? any(5) : value)],
  ])('is refused by %s', async (_name, call) => {
    for (const value of [undefined, null, {}, 5, 5n, 'x', Symbol('s'), new Map()]) {
      expect(await complaint(() => call(any(value)))).toMatch(/ must (have|be) |an EventReader needs a handle/);
    }
  });
});

describe('a datapath', () => {
  it('has only its own workers, and refuses an invalid action, time or listener', async () => {
    const datapath = await Datapath.start({ maxConnections: 100, buckets: 1, sweeper: false });
    for (const [role, index] of [
      ['pmd', 1],
      ['pmd', -1],
      ['pmd', '0'],
      ['sweeper', 0],
      ['control', 0],
      [5n, 0],
    ] as const) {
      expect(await complaint(() => datapath.terminateWorker(any(role), any(index)))).toMatch(
        /^there is no worker .*: there are pmd 0$/,
      );
    }
    for (const call of ['push', 'offer'] as const) {
      for (const wrong of [5n, Symbol('s'), '5', null]) {
        expect(await complaint(() => datapath[call](udp(ENDS), any(wrong)))).toMatch(
          /^the options of (push|offer) must be an object \(\{ timeMs \}\), not /,
        );
        expect(await complaint(() => datapath[call](udp(ENDS), { timeMs: NOW_MS, action: any(wrong) }))).toMatch(
          /^action must be a CtAction \(make it once and reuse it\), not /,
        );
      }
      for (const wrong of [Number.NaN, Number.POSITIVE_INFINITY, -Infinity, 5n, undefined]) {
        expect(await complaint(() => datapath[call](udp(ENDS), { timeMs: any(wrong) }))).toMatch(
          /^timeMs must be a number of mill/,
        );
      }
    }
    for (const name of ['verdict', 'deferred', 'workerDeath', 'workerHang', 'error'] as const) {
      expect(await complaint(() => datapath.on(name, any(5)))).toBe(
        `a listener to '${name}' must be a function, not 5`,
      );
    }
    expect(await complaint(() => datapath.on(any<'verdict'>('verdicts'), () => {}))).toBe(
      'a datapath has no event "verdicts": did you mean \'verdict\'?',
    );
    await datapath.push(udp(ENDS), { timeMs: NOW_MS, tag: 7 });
    await datapath.drain();
    expect(datapath.conntrack.counters()).toMatchObject({ packets: 1, ringDropped: 0, ringWaited: 0 });
    await datapath.stop();
  });

  it('answers on one control socket at a time', async () => {
    const datapath = await Datapath.start({ maxConnections: 100, buckets: 1, sweeper: false });
    const folder = mkdtempSync(join(tmpdir(), 'ct-bucket-sockets-'));
    const path = join(folder, 'a.sock');
    const starts = [1, 2].map(() => Control.start({ datapath, path }));
    const [first] = await Promise.all([
      starts[0]!,
      expect(starts[1]).rejects.toThrow('the datapath already has a control socket: stop that one first'),
    ]);
    const { participant } = datapath.workers().find(({ role }) => role === 'control')!;
    expect(await complaint(() => Control.start({ datapath, path: join(folder, 'b.sock') }))).toMatch(/already/);
    expect(datapath.workers().filter(({ role }) => role === 'control')).toMatchObject([{ participant }]);
    await Promise.all([first!.stop(), first!.stop()]);
    await (await Control.start({ datapath, path })).stop();
    await datapath.stop();
    rmSync(folder, { recursive: true });
  });

  it('loses none of the waiting pushes when a visitor throws, and reports the error', async () => {
    const datapath = await Datapath.start({ buckets: 1, maxConnections: 100, ringBytes: 1 << 20, sweeper: false });
    const { words, bucketBits, maxConnections, maxParticipants } = datapath.conntrack.memory;
    const mutex = memoryLayout({ bucketBits, maxConnections, maxParticipants }).buckets;
    let seen = 0;
    datapath.on('verdict', () => {
      if (++seen === 1) {
        throw new Error('the visitor');
      }
    });
    lock(words, mutex, datapath.conntrack.tracker.participant, LockClass.bucket);
    const frame = udp(ENDS, Buffer.alloc(16_000));
    const pushes = Array.from({ length: 200 }, (_, number) => datapath.push(frame, { timeMs: NOW_MS, tag: number }));
    unlock(words, mutex);
    await Promise.all(pushes);
    await expect(datapath.drain()).rejects.toThrow('the visitor');
    expect(seen).toBe(200);
    await datapath.drain();
    await datapath.stop();
  });

  it('is stopped even if a visitor throws at the end', async () => {
    const datapath = await Datapath.start({ buckets: 1, maxConnections: 100, sweeper: false });
    datapath.on('verdict', () => {
      throw new Error('the visitor');
    });
    void datapath.push(udp(ENDS), { timeMs: NOW_MS });
    await expect(datapath.stop()).rejects.toThrow('the visitor');
    expect(datapath.workers()).toEqual([]);
    expect(await complaint(() => datapath.drain())).toBe('the datapath is stopped: start another one');
    datapath.conntrack.close();
  });
});
