/** Which packets go through the packet module. test/fuzz compares its results with those of JavaScript. */

import { describe, expect, it, vi } from 'vitest';
import { CtAction, type CtActionOptions } from '../../../src/core/action.ts';
import { Conntrack } from '../../../src/core/conntrack.ts';
import { allocateMemory } from '../../../src/core/memory/memory.ts';
import { tablePlan } from '../../../src/core/memory/table-plan.ts';
import { allocatePacketWords } from '../../../src/core/memory/module-memory.ts';
import { webAssembly } from '../../../src/core/memory/web-assembly.ts';
import { MAX_BATCH, PacketBatch } from '../../../src/core/packet/batch.ts';
import { udp } from '../../support/frames.ts';
import { run } from '../../support/child.ts';

const COMMIT = new CtAction({ commit: true });
const FRAME = udp({ src: '10.0.0.1', dst: '10.0.0.2', sport: 1, dport: 2 });

function table(): Conntrack {
  return new Conntrack({ maxConnections: 1000, maxParticipants: 2, buckets: 4 });
}

/** Does the module judge a batch with this action? */
function isTaken(ct: Conntrack, batch: PacketBatch, options: CtActionOptions): boolean {
  batch.clear();
  batch.add(FRAME);
  ct.execute(batch, new CtAction(options), 1000);
  return ct.tracker.packetModule!.takes(batch, new CtAction(options), batch.count);
}

describe('the packet module', () => {
  it('judges the packets of a batch beside the table', () => {
    const ct = table();
    const batch = PacketBatch.allocate(4096, ct.memory);
    expect(isTaken(ct, batch, { commit: true })).toBe(true);
    expect(ct.counters()).toMatchObject({ created: 1, new: 1 });
    ct.close();
  });

  it('judges none of a batch elsewhere', () => {
    const ct = table();
    expect(isTaken(ct, PacketBatch.allocate(4096), { commit: true })).toBe(process.env['CT_PACKET_PATH'] === 'module');
    expect(ct.connCount).toBe(1);
    ct.close();
  });

  it.each<[string, CtActionOptions]>([
    ['translates', { nat: { action: [] } }],
    ['marks', { commit: true, mark: { value: 1, mask: 1 } }],
    ['labels', { commit: true, label: { value: '1', mask: '1' } }],
    ['cuts connections', { force: true }],
    ['names a helper', { commit: true, helper: 'ftp' }],
  ])('leaves a pass that %s to JavaScript', (_, options) => {
    const ct = table();
    const batch = PacketBatch.allocate(4096, ct.memory);
    batch.add(FRAME);
    ct.execute(batch, COMMIT, 1000);
    expect(ct.tracker.packetModule!.takes(batch, new CtAction(options), 1)).toBe(false);
    ct.close();
  });

  it('is not there for the tables with lists', () => {
    const ct = new Conntrack({ engine: 'baseline', maxConnections: 100, maxParticipants: 2 });
    const batch = PacketBatch.allocate(4096, ct.memory);
    batch.add(FRAME);
    ct.execute(batch, COMMIT, 1000);
    expect(ct.tracker.packetModule).toBeNull();
    ct.close();
  });

  it.each([{}, null, 'memory', table()])('is not promised to a batch by what is no memory of a table', (given) => {
    expect(() => PacketBatch.allocate(4096, given as never)).toThrow(
      'the place of a batch must be the memory of a table',
    );
  });

  it('gives memory to batches until none is left, and then memory elsewhere', () => {
    const ct = table();
    const { module } = ct.memory;
    const all = allocatePacketWords(module, module!.packetWords - 32);
    const next = allocatePacketWords(module, 32);
    expect([all.buffer === ct.memory.words.buffer, next.buffer === ct.memory.words.buffer]).toEqual([true, false]);
    const batch = PacketBatch.allocate(4096, ct.memory);
    for (let i = 0; i < MAX_BATCH; i++) {
      batch.add(FRAME);
    }
    ct.execute(batch, COMMIT, 1000);
    expect(ct.connCount).toBe(1);
    ct.close();
  });

  const SHOW = `
    import { Conntrack, CtAction, PacketBatch } from './dist/src/index.js';
    const ct = new Conntrack({ maxConnections: 1000 });
    const batch = PacketBatch.allocate(4096, ct.memory);
    batch.add(Buffer.from('${FRAME.toString('hex')}', 'hex'));
    ct.execute(batch, new CtAction({ commit: true }), 1000);
    console.log(ct.tracker.packetModule === null ? 'JavaScript' : 'module', ct.connCount);`;

  it.each<[string, Record<string, string>, string]>([
    ['is in the built package', {}, 'module 1\n'],
    ['can be declined', { CT_PACKET_PATH: 'javascript' }, 'JavaScript 1\n'],
    ['is not used in a checked process', { CT_CHECKED: '1' }, 'JavaScript 1\n'],
    ['is not used in a profiled process', { CT_PROFILE: '1' }, 'JavaScript 1\n'],
  ])('%s', async (_, env, output) => {
    const assignments = Object.entries({ CT_PACKET_PATH: 'auto', ...env }).map(([name, value]) => `${name}=${value}`);
    const { stdout } = await run('env', [...assignments, process.execPath, '--input-type=module', '-e', SHOW]);
    expect(stdout).toBe(output);
  });

  it('is not used in a process without WebAssembly', async () => {
    const { stdout } = await run(process.execPath, ['--jitless', '--input-type=module', '-e', SHOW]);
    expect(stdout).toBe('JavaScript 1\n');
  });

  it('takes its address space last, so that no other region of the table lacks it', () => {
    const order: string[] = [];
    const noting = <T extends object>(what: string, constructor: T) =>
      new Proxy(constructor, {
        construct: (target, args) => {
          order.push(what);
          return Reflect.construct(target as new () => object, args);
        },
      });
    vi.stubGlobal('SharedArrayBuffer', noting('region', SharedArrayBuffer));
    const plain = webAssembly!.Memory;
    Object.assign(webAssembly!, { Memory: noting('module', plain) });
    try {
      allocateMemory(tablePlan({ maxConnections: 100, maxParticipants: 2 }));
    } finally {
      vi.unstubAllGlobals();
      Object.assign(webAssembly!, { Memory: plain });
    }
    expect(order).toContain('region');
    expect(order.indexOf('module')).toBe(order.length - 1);
  });

  it('gives way to JavaScript where the system refuses its address space', async () => {
    const limited = 'ulimit -v 4000000 && exec "$0" --input-type=module -e "$1"';
    const { stdout } = await run('sh', ['-c', limited, process.execPath, SHOW]);
    expect(stdout).toBe('JavaScript 1\n');
  });
});
