/** Counts of a build: always the same, and different as soon as the packet path does one thing more. */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { bytesOf } from '../../../bench/count/allocations.ts';
import type { CountSampleOptions, PhaseCounts } from '../../../bench/count/count-options.ts';
import { countsOf } from '../../../bench/count/counts.ts';
import { changesOf, type CountsByWork, gateOf } from '../../../bench/count/gate.ts';
import { ownBuild } from '../../../bench/count/run.ts';
import { copyOfBuild } from '../../../bench/studies/variants.ts';

const INSERT: CountSampleOptions = {
  workload: 'insert',
  engine: 'ct-bucket',
  connections: 2048,
  batchSize: 32,
  buckets: 1024,
};
const removals: (() => void)[] = [];

afterEach(() => {
  for (const remove of removals.splice(0)) {
    remove();
  }
});

/** A build with one line more in the loop that judges the packets. */
async function buildWith(line: string): Promise<string> {
  const { dist, remove } = await copyOfBuild(await ownBuild());
  removals.push(remove);
  const chunk = join(dist, 'chunks', 'packet-path.js');
  const text = readFileSync(chunk, 'utf8');
  const changed = text.replace(/(const slot = slots\[i\];)(\s*if \(kind === 1\) judgePacket)/, `$1 ${line};$2`);
  expect(changed).not.toBe(text);
  writeFileSync(chunk, changed);
  return dist;
}

async function phasesOf(build: string): Promise<PhaseCounts[]> {
  const [counts] = await countsOf({ build, works: [INSERT] });
  return counts!.phases;
}

function gates(phases: readonly PhaseCounts[]): CountsByWork {
  return {
    insert: Object.fromEntries(phases.map((each) => [each.name, { packets: each.packets, counts: gateOf(each, 0) }])),
  };
}

describe('counts of a build', () => {
  let build: string;
  let usual: PhaseCounts[];
  beforeAll(async () => {
    build = await ownBuild();
    usual = await phasesOf(build);
  }, 120_000);

  it('are the same in every run', async () => {
    const again = await countsOf({ build, works: [INSERT, INSERT, INSERT] });
    for (const { phases } of again) {
      expect(phases).toEqual(usual);
    }
  });

  it('count each packet and each batch once', () => {
    expect(usual.map(({ name, packets, batches }) => [name, packets, batches])).toEqual([
      ['udp-insert', 2048, 64],
      ['udp-lookup', 2048, 64],
    ]);
  });

  it('know that a lookup finds its index line and its record touched ahead', () => {
    const { fields } = usual[1]!;
    expect(fields['record line 0']!.first).toMatchObject({ records: 2048, judge: 0 });
    expect(fields['index line']!.first).toMatchObject({ judge: 0 });
    expect(fields['record line 1']).toBeUndefined();
  });

  it.each<[what: string, line: string, counters: string[]]>([
    ['a read of the settings', 'tracker.words[0]', ['operations.read', 'lines.read']],
    ['an atomic load', 'Atomics.load(tracker.words, 0)', ['operations.load', 'lines.read']],
    [
      'a miss in the second line of a record',
      'tracker.words[tracker.layout.records + 16 + 32 * (256 + tracker.counters[1] * 32 + i)]',
      ['operations.read', 'lines.read', 'misses.record line 1'],
    ],
  ])('grow by %s', async (_what, line, counters) => {
    const changed = await phasesOf(await buildWith(line));
    const changes = changesOf(gates(usual), gates(changed)).filter(({ counter }) =>
      counter.startsWith('insert: udp-lookup'),
    );
    expect(changes.map(({ counter }) => counter.split(': ')[2]).toSorted()).toEqual(counters.toSorted());
    for (const { before, after } of changes) {
      expect(after).toBeGreaterThan(before);
    }
  });

  it('name the functions that touch the lines that are left', async () => {
    const [counts] = await countsOf({ build, works: [{ ...INSERT, workload: 'tcp-data', places: true }] });
    const { places, missesLeft } = counts!.phases[0]!;
    const all = Object.entries(places ?? {});
    expect(all.reduce((sum, [, count]) => sum + count, 0)).toBe(missesLeft);
    for (const [place] of all) {
      expect(place).toMatch(/^[\w :]+: #?\w[\w.#]*( < #?\w[\w.#]*)*$/);
    }
  });

  it('say which older build cannot be counted', async () => {
    await expect(countsOf({ build: '/nowhere', works: [INSERT] })).rejects.toThrow(/has no counters/);
  });
});

describe('bytes that the packet path allocates', () => {
  it('are none', async () => {
    expect(await bytesOf(await ownBuild(), INSERT)).toEqual({ 'udp-insert': 0, 'udp-lookup': 0 });
  });

  it('are those of a planted object, also if one packet in a thousand allocates it', async () => {
    const all = await bytesOf(await buildWith('globalThis.planted = [i]'), INSERT);
    expect(all['udp-lookup']).toBeGreaterThanOrEqual(2048 * 16);
    const few = await bytesOf(
      await buildWith('if (tracker.counters[0] % 1024 === 0 && i === 0) globalThis.planted = [i]'),
      INSERT,
    );
    expect(few['udp-lookup']).toBe(2 * (all['udp-lookup']! / 2048));
  });
});
