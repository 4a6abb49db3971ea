/** Sizes that are valid one by one must also fit a table together. A refusal says which sizes would fit. */

import { afterAll, describe, expect, it } from 'vitest';
import { Conntrack } from '../../src/core/conntrack.ts';
import { UsageError } from '../../src/core/errors.ts';
import { ConnectionIds } from '../../src/core/events/connection-ids.ts';
import { withWholeArrays } from '../../src/core/memory/large-arrays.ts';
import { memoryLayout } from '../../src/core/memory/memory-layout.ts';
import { largestThat, MAX_MEMORY_WORDS, orTooMuch } from '../../src/core/memory/memory-limits.ts';
import { RECORD_SPAN, UNIT_SHIFT, UNIT_WORDS } from '../../src/core/table/conn.ts';
import { Datapath } from '../../src/workers/datapath/datapath.ts';
import { CT_BUCKET, run } from '../support/child.ts';
import { udp } from '../support/frames.ts';
import { largeTable } from '../support/large-table.ts';
import { send } from '../support/tracking.ts';
import { Crew } from '../threads/crew.ts';
import type { HandleJobs } from '../threads/handle-jobs.ts';

const MOST_CONNECTIONS = 50_000_000;
const ENDS = { src: '10.0.0.1', dst: '10.0.0.2', sport: 1, dport: 53 };

function wordsOf(maxConnections: number, maxParticipants: number, bucketBits = 10): number {
  return memoryLayout({ bucketBits, maxConnections, maxParticipants }).end;
}

function mostConnections(maxParticipants: number): number {
  return largestThat((most) => wordsOf(most, maxParticipants) <= MAX_MEMORY_WORDS, MOST_CONNECTIONS);
}

function complaint(make: () => unknown): string {
  try {
    make();
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError);
    return (error as Error).message;
  }
  return 'nothing';
}

describe('a table', () => {
  const crew = new Crew<HandleJobs>({ jobs: 'handle-jobs', threads: 1, checked: false });
  afterAll(() => crew.end());

  it('of 50 million connections and 256 participants is refused, with what fits', () => {
    const says = complaint(() => new Conntrack({ maxConnections: MOST_CONNECTIONS, maxParticipants: 256 }));
    const [, need, connections, participants] =
      /^50000000 connections with 256 participants \(threads of the table\) need (\d\.\d\d) GiB, and a table has at most 8\.00 GiB: at most (\d+) connections fit with 256 participants, or (\d+) participants with 50000000 connections$/.exec(
        says,
      )!;
    expect(Number(need)).toBeCloseTo((wordsOf(MOST_CONNECTIONS, 256) * 4) / 2 ** 30, 2);
    /* Each of these sizes fits, and one more does not. */
    expect(wordsOf(Number(connections), 256)).toBeLessThanOrEqual(MAX_MEMORY_WORDS);
    expect(wordsOf(Number(connections) + 1, 256)).toBeGreaterThan(MAX_MEMORY_WORDS);
    expect(wordsOf(MOST_CONNECTIONS, Number(participants))).toBeLessThanOrEqual(MAX_MEMORY_WORDS);
    expect(wordsOf(MOST_CONNECTIONS, Number(participants) + 1)).toBeGreaterThan(MAX_MEMORY_WORDS);
  });

  it.for([160, 256])(
    'of the most connections for %i participants works, in other threads too, and one more is refused',
    async (maxParticipants, { skip }) => {
      const maxConnections = mostConnections(maxParticipants);
      expect(maxConnections).toBeLessThan(MOST_CONNECTIONS);
      const ct = largeTable({ maxConnections, maxParticipants }, skip);
      expect(send(ct, udp(ENDS), 0)).toBe('new|trk');
      expect(ct.connCount).toBe(1);
      expect(await crew.run('attach', ct.memory)).toEqual([1]);
      expect(complaint(() => new Conntrack({ maxConnections: maxConnections + 1, maxParticipants }))).toMatch(
        new RegExp(`: at most ${maxConnections} connections fit with ${maxParticipants} participants, or `),
      );
    },
  );

  it('of the most connections fits with the default of 32 participants, whatever the number of buckets', () => {
    for (let bucketBits = 0; bucketBits <= 16; bucketBits++) {
      expect(wordsOf(MOST_CONNECTIONS, 32, bucketBits)).toBeLessThanOrEqual(MAX_MEMORY_WORDS);
    }
  });

  it('has only records whose number fits an id, and whose words fit an index', () => {
    expect(MAX_MEMORY_WORDS / UNIT_WORDS).toBe(RECORD_SPAN - 1);
    expect((RECORD_SPAN - 1) << UNIT_SHIFT).toBeGreaterThan(0);
    /* A match is record << 1 | reply, and a created record is record << 2 | 1 (lookup.ts, create.ts). */
    expect((RECORD_SPAN - 1) << 2).toBeGreaterThan(0);
    expect(new ConnectionIds(MAX_MEMORY_WORDS).idOf(RECORD_SPAN - 1, 2 ** 28 - 1)).toBe(Number.MAX_SAFE_INTEGER);
  });

  it('for which the system has no memory is refused in one line', () => {
    const says = complaint(() =>
      orTooMuch('a table of this size', 'maxConnections', 2 ** 50, () => new SharedArrayBuffer(2 ** 52)),
    );
    expect(says).toBe('the system refused 4194304.00 GiB of memory for a table of this size: reduce maxConnections');
  });
});

describe('a datapath', () => {
  it('counts its threads and eight others as participants: 64 PMDs and the most connections fit', async () => {
    const datapath = await Datapath.start({ threads: 1, maxConnections: 1000 });
    const { maxParticipants } = datapath.conntrack.memory;
    await datapath.stop();
    expect(maxParticipants).toBe(9);
    expect(wordsOf(MOST_CONNECTIONS, 72, 16)).toBeLessThanOrEqual(MAX_MEMORY_WORDS);
  });

  it('is refused if its sizes do not fit together', async () => {
    const starting = Datapath.start({ threads: 64, maxParticipants: 256, maxConnections: MOST_CONNECTIONS });
    await expect(starting).rejects.toThrow(UsageError);
    await expect(starting).rejects.toThrow(/^50000000 connections with 256 participants .* need \d\.\d\d GiB, /);
  });

  it('of the command reserves memory for its threads, and says so with exit code 2 if there is none', async () => {
    const reserved = async (threads: string) => {
      const capture = 'test/fixtures/captures/zeek_dnp3.pcap';
      const args = [...CT_BUCKET, 'run', capture, '--threads', threads, '--socket', '/x/y'];
      const line = [process.execPath, ...args].map((part) => `'${part}'`).join(' ');
      const { code, stderr } = await run('/bin/bash', ['-c', `ulimit -v 2000000; ${line}`]);
      expect(code).toBe(2);
      const [, mib] =
        /^ct-bucket: not enough memory: a table for 3000000 connections reserves (\d+) MiB, [^\n]*\n$/.exec(stderr)!;
      return Number(mib);
    };
    const wordsPerParticipant = wordsOf(3_000_000, 72) - wordsOf(3_000_000, 71);
    const more = (await reserved('64')) - (await reserved('60'));
    expect(more).toBeGreaterThan((4 * 4 * wordsPerParticipant) / 2 ** 20);
  });
});

describe('an array of 4 GiB or more', () => {
  /* As a message brings it: cut, but with its buffer. */
  const cut = (words: number) => structuredClone(new Int32Array(new SharedArrayBuffer(words * 4)));

  it.each([2 ** 30 - 1, 2 ** 30, 2 ** 30 + 5, MAX_MEMORY_WORDS])(
    'of %i words arrives in another thread whole',
    (words) => {
      const arrays = { words: cut(words), zoneLists: cut(1), lists: cut(2 ** 30) };
      const whole = withWholeArrays(arrays);
      expect(whole.words).toHaveLength(words);
      expect(whole.words.buffer).toBe(arrays.words.buffer);
      expect(whole.zoneLists).toBe(arrays.zoneLists);
      expect(whole.lists).toHaveLength(2 ** 30);
      expect(withWholeArrays(whole)).toBe(whole);
    },
  );

  it('is left alone if it is a part of its buffer', () => {
    const words = new Int32Array(new SharedArrayBuffer(2 ** 32 + 64), 0, 1000);
    expect(withWholeArrays({ words, zoneLists: words, lists: words }).words).toBe(words);
  });
});
