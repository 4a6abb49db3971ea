/** Sizes that are valid one by one must also fit a table together. A refusal says which sizes would fit. */

import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Conntrack } from '../../src/core/conntrack.ts';
import { UsageError } from '../../src/core/errors.ts';
import { memoryLayout } from '../../src/core/memory/memory-layout.ts';
import { largestThat, MAX_MEMORY_WORDS, orTooMuch } from '../../src/core/memory/memory-limits.ts';
import { RECORD_SPAN, UNIT_SHIFT, UNIT_WORDS } from '../../src/core/table/conn.ts';
import { Datapath } from '../../src/workers/datapath/datapath.ts';
import { CT_BUCKET, run } from '../support/child.ts';
import { udp } from '../support/frames.ts';
import { send } from '../support/tracking.ts';
import { Crew } from '../threads/crew.ts';
import type { HandleJobs } from '../threads/handle-jobs.ts';

const MOST_CONNECTIONS = 7_000_000;
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

  it('of 7 million connections and 256 participants is refused, with what fits', () => {
    const says = complaint(() => new Conntrack({ maxConnections: MOST_CONNECTIONS, maxParticipants: 256 }));
    const [, need, connections, participants] =
      /^7000000 connections with 256 participants \(threads of the table\) need (\d\.\d\d) GiB, and a table has at most 4\.00 GiB: at most (\d+) connections fit with 256 participants, or (\d+) participants with 7000000 connections$/.exec(
        says,
      )!;
    expect(Number(need)).toBeCloseTo((wordsOf(MOST_CONNECTIONS, 256) * 4) / 2 ** 30, 2);
    /* Each of these sizes fits, and one more does not. */
    expect(wordsOf(Number(connections), 256)).toBeLessThanOrEqual(MAX_MEMORY_WORDS);
    expect(wordsOf(Number(connections) + 1, 256)).toBeGreaterThan(MAX_MEMORY_WORDS);
    expect(wordsOf(MOST_CONNECTIONS, Number(participants))).toBeLessThanOrEqual(MAX_MEMORY_WORDS);
    expect(wordsOf(MOST_CONNECTIONS, Number(participants) + 1)).toBeGreaterThan(MAX_MEMORY_WORDS);
  });

  it.each([100, 256])(
    'of the most connections for %i participants works, in other threads too, and one more is refused',
    async (maxParticipants) => {
      const maxConnections = mostConnections(maxParticipants);
      expect(maxConnections).toBeLessThan(MOST_CONNECTIONS);
      const ct = new Conntrack({ maxConnections, maxParticipants });
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
    /* With a generation of 28 bits. */
    expect(Number.isSafeInteger((2 ** 28 - 1) * RECORD_SPAN + RECORD_SPAN - 1)).toBe(true);
  });

  it('for which the system has no memory is refused in one line', () => {
    const says = complaint(() =>
      orTooMuch('a table of this size', 'maxConnections', 2 ** 50, () => new SharedArrayBuffer(2 ** 52)),
    );
    expect(says).toBe('the system refused 4194304.00 GiB of memory for a table of this size: reduce maxConnections');
  });
});

describe('a datapath', () => {
  it('counts its threads: 7 million connections in 65536 buckets do not fit with 64 PMDs', async () => {
    const starting = Datapath.start({ threads: 64, maxConnections: MOST_CONNECTIONS, buckets: 65_536 });
    await expect(starting).rejects.toThrow(UsageError);
    await expect(starting).rejects.toThrow(/^7000000 connections with 72 participants .* need \d\.\d\d GiB, /);
  });

  it('of the command says so, too, with exit code 2', async () => {
    const socket = join(tmpdir(), 'ct-bucket-sizes.sock');
    const sizes = ['--threads', '64', '--max-connections', '7000000', '--buckets', '65536'];
    const { code, stderr } = await run(process.execPath, [
      ...CT_BUCKET,
      'run',
      'test/fixtures/captures/zeek_dnp3.pcap',
      ...sizes,
      '--socket',
      socket,
    ]);
    expect(stderr).toMatch(/^ct-bucket: 7000000 connections with 72 participants [^\n]*\n$/);
    expect(code).toBe(2);
  });
});

describe('memory of so many words', () => {
  it('arrives in another thread whole', () => {
    const words = new Int32Array(new SharedArrayBuffer(MAX_MEMORY_WORDS * 4));
    expect(structuredClone(words)).toHaveLength(MAX_MEMORY_WORDS);
  });
});
