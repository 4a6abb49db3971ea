/** The lock profiler: the tests make known contention, and expect it in the profile. */

import { execFileSync } from 'node:child_process';
import { gunzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import { machineFingerprint } from '../../bench/machine/machine.ts';
import { analyseProfile, type ProfileAnalysis } from '../../bench/profile/analysis.ts';
import { profileDiff } from '../../bench/profile/diff.ts';
import { pprofOf, speedscopeOf } from '../../bench/profile/files.ts';
import { profileHtml } from '../../bench/profile/html.ts';
import type { LockProfile } from '../../src/core/inspect/lock-records.ts';
import type { ProfileFile } from '../../bench/profile/run.ts';
import { DEFAULT_TABLES, profileTables } from '../../bench/profile/tables.ts';
import { LOCKS_PER_PREDECESSOR } from '../../src/shared/sync/lock-profile.ts';
import { REPOSITORY } from '../support/child.ts';
import { threadProgram } from '../threads/entry.ts';

const ROUNDS = 20;

interface Pair {
  bucket: number;
  holder: number;
  waiter: number;
  /** The shortest possible sleep of the waiter, by the holder's clock, and the longest one, by its own. */
  heldMs: number;
  waitedMs: number;
}

let pairs: Pair[];
let profile: LockProfile;
let analysis: ProfileAnalysis;
let file: ProfileFile;

beforeAll(() => {
  const output = execFileSync(process.execPath, threadProgram('profile-contention'), {
    encoding: 'utf8',
    cwd: REPOSITORY,
    env: { ...process.env, CT_PROFILE: '1' },
  });
  ({ pairs, profile } = JSON.parse(output) as { pairs: Pair[]; profile: LockProfile });
  analysis = analyseProfile(profile, 1000);
  file = {
    format: 'ct-bucket profile',
    what: 'a test',
    machine: machineFingerprint(),
    options: {},
    durationMs: 1000,
    profile,
  };
});

/** All waits for buckets, ns. A thread may also wait for a moment for the quota's lock, while another one is not running. */
const bucketWaitNs = () => analysis.buckets.reduce((sum, { waitNs }) => sum + waitNs, 0);

const siteNamed = (name: string) => analysis.sites.find((site) => site.name === name)!;

describe('the profile of two threads that wait for buckets which two others hold', () => {
  it('lists first the lock, the site and the buckets that the threads contended for', () => {
    expect(analysis.locks[0]!.name).toBe('bucket');
    expect(analysis.sites[0]!.name).toBe('create connection');
    expect(analysis.buckets.slice(0, 2).map(({ bucket, contended }) => ({ bucket, contended }))).toEqual(
      pairs.map(({ bucket }) => ({ bucket, contended: ROUNDS })),
    );
  });

  it('has waiting times between the time that the holders slept and the time of the whole calls', () => {
    expect(pairs[0]!.heldMs).toBeGreaterThanOrEqual(ROUNDS * 5);
    for (const [index, { heldMs, waitedMs }] of pairs.entries()) {
      expect(analysis.buckets[index]!.waitNs / 1e6).toBeGreaterThan(heldMs);
      expect(analysis.buckets[index]!.waitNs / 1e6).toBeLessThan(waitedMs);
    }
  });

  it('charges the waits to their holders in the matrix of threads', () => {
    const { threads, waitNs } = analysis.matrix;
    const cell = ({ waiter, holder }: Pair) =>
      waitNs[threads.indexOf(`thread ${waiter}`)]![threads.indexOf(`thread ${holder}`)]!;
    const cells = waitNs.flat().toSorted((a, b) => b - a);
    expect(pairs.map(cell)).toEqual(cells.slice(0, 2));
    expect((cells[0]! + cells[1]!) / bucketWaitNs()).toBeGreaterThan(0.99);
  });

  it('charges the waits to the site that held the lock', () => {
    const holding = siteNamed('remove connection');
    expect(holding.caused.ns / bucketWaitNs()).toBeGreaterThan(0.99);
    expect(holding.figures.wait.total / bucketWaitNs()).toBeLessThan(0.01);
  });

  it('reports the long hold of the holder', () => {
    expect(analysis.suspected[0]).toMatchObject({ threads: `thread ${pairs[0]!.holder}`, waits: ROUNDS });
    expect(siteNamed('remove connection').figures.hold.max).toBeGreaterThan(4.9e6);
  });

  it('counts that the lock came from another thread', () => {
    const { bounces } = siteNamed('create connection').figures;
    expect(bounces).toBeGreaterThanOrEqual(2 * ROUNDS);
  });
});

describe.each([1, 16])('a profile that samples one acquisition in %d', (sampleEvery) => {
  let taken: Record<string, number>;
  let counted: ProfileAnalysis;
  let buckets: number[];

  beforeAll(() => {
    const output = execFileSync(process.execPath, threadProgram('profile-counts'), {
      encoding: 'utf8',
      cwd: REPOSITORY,
      env: { ...process.env, CT_PROFILE: String(sampleEvery) },
    });
    const answer = JSON.parse(output) as { taken: Record<string, number>; profile: LockProfile };
    taken = answer.taken;
    counted = analyseProfile(answer.profile, 1000);
    buckets = answer.profile.buckets!.acquisitions;
  });

  /* The rarest site has 2000 samples, which gives a standard deviation of about 2.5 %. */
  it(`counts the acquisitions of each site${sampleEvery === 1 ? '' : ' within a tenth'}`, () => {
    for (const [name, times] of Object.entries(taken)) {
      const { figures } = counted.sites.find((site) => site.name === name)!;
      expect(Math.abs(figures.acquisitions - times), name).toBeLessThanOrEqual(sampleEvery === 1 ? 0 : times / 10);
      expect(Math.abs(figures.hold.count * sampleEvery - times), name).toBeLessThanOrEqual(
        sampleEvery === 1 ? 0 : times / 5,
      );
    }
  });

  it('knows the previous holder of some connection locks: the other thread or the same one', () => {
    const figuresOf = (name: string) => counted.sites.find((site) => site.name === name)!.figures;
    const updates = figuresOf('update state');
    expect(updates.predecessors).toBeGreaterThan(taken['update state']! / LOCKS_PER_PREDECESSOR / 4);
    expect(updates.predecessors).toBeLessThan(taken['update state']! / LOCKS_PER_PREDECESSOR);
    expect(updates.bounces).toBe(updates.predecessors);
    const marks = figuresOf('set mark');
    expect(marks.predecessors).toBeGreaterThan(taken['set mark']! / LOCKS_PER_PREDECESSOR / 4);
    expect(marks.bounces).toBe(0);
  });

  it('counts every acquisition of a bucket', () => {
    expect(buckets.reduce((sum, acquisitions) => sum + acquisitions, 0)).toBe(taken['create connection']);
  });
});

describe('a profile', () => {
  it('as tables has the chosen columns and only the top rows', () => {
    const [locks] = profileTables(analysis, { top: 1, columns: ['acquisitions', 'wait total'] });
    expect(locks!.head).toEqual(['lock', 'acquisitions', 'wait total']);
    expect(locks!.rows).toHaveLength(1);
  });

  it('for speedscope has weights that add up to the waiting time', () => {
    const { profiles, shared } = speedscopeOf(file) as {
      profiles: { samples: number[][]; weights: number[] }[];
      shared: { frames: { name: string }[] };
    };
    expect(profiles[0]!.weights.reduce((sum, ns) => sum + ns, 0)).toBeCloseTo(analysis.waitNs, -3);
    const heaviest = profiles[0]!.weights.indexOf(Math.max(...profiles[0]!.weights));
    expect(profiles[0]!.samples[heaviest]!.map((frame) => shared.frames[frame]!.name)).toEqual([
      'bucket lock',
      'create connection',
      `waiter thread ${pairs[0]!.waiter}`,
      `held by thread ${pairs[0]!.holder}`,
    ]);
  });

  it('for pprof has strings, sample types, and a sample with four locations for each pair of threads', () => {
    const bytes = gunzipSync(pprofOf(file));
    const fields = decode(bytes);
    const strings = fields.filter(({ field }) => field === 6).map(({ bytes: text }) => text!.toString());
    expect(strings[0]).toBe('');
    expect(strings).toEqual(expect.arrayContaining(['contentions', 'delay', 'nanoseconds', 'bucket lock']));
    expect(fields.filter(({ field }) => field === 1)).toHaveLength(2);
    const samples = fields.filter(({ field }) => field === 2);
    const rounds = samples.map((sample) => {
      const [locations, values] = decode(sample.bytes!);
      expect([...locations!.bytes!]).toHaveLength(4);
      return values!.bytes![0];
    });
    expect(rounds.filter((waits) => waits === ROUNDS)).toHaveLength(pairs.length);
  });

  it('as HTML has a square for each bucket and loads no other file', () => {
    const html = profileHtml(file, analysis, DEFAULT_TABLES);
    expect(html.match(/<title>bucket \d+:/g)).toHaveLength(4);
    expect(html).not.toMatch(/(src|href)=/);
  });

  it('as HTML of a busy machine says so above everything else', () => {
    const warning = '<strong>The machine was not quiet. Do not trust the times on this page.</strong>';
    const at = (loadAverage1m: number) => {
      const machine = { ...file.machine, cores: 2, machineCores: 2, loadAverage1m };
      return profileHtml({ ...file, machine }, analysis, DEFAULT_TABLES).split('<dl>')[0];
    };
    expect(at(9)).toContain(warning);
    expect(at(0)).not.toContain(warning);
  });

  it('compared with itself has equal figures on both sides', () => {
    const { rows } = profileDiff(file, file);
    for (const { cells } of rows) {
      for (let i = 1; i < cells.length; i += 2) {
        expect(cells[i]).toBe(cells[i + 1]);
      }
    }
    expect(rows.map(({ cells }) => cells[0])).toContain('remove connection');
  });
});

/** The fields of a protocol buffers message, only numbers and bytes. */
function decode(message: Buffer): { field: number; bytes?: Buffer }[] {
  const fields: { field: number; bytes?: Buffer }[] = [];
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let shift = 1; ; shift *= 128) {
      const byte = message[at++]!;
      value += (byte & 0x7f) * shift;
      if (byte < 0x80) {
        return value;
      }
    }
  };
  while (at < message.length) {
    const key = varint();
    const length = varint();
    if ((key & 7) === 2) {
      fields.push({ field: key >>> 3, bytes: message.subarray(at, at + length) });
      at += length;
    } else {
      fields.push({ field: key >>> 3 });
    }
  }
  return fields;
}
