/** The lock profiler: what was built into a set-up is what its profile says. */

import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import { machineFingerprint } from '../bench/machine.ts';
import { analyseProfile, type ProfileAnalysis } from '../bench/profile/analysis.ts';
import { profileDiff } from '../bench/profile/diff.ts';
import { pprofOf, speedscopeOf } from '../bench/profile/files.ts';
import { profileHtml } from '../bench/profile/html.ts';
import type { LockProfile } from '../bench/profile/model.ts';
import type { ProfileFile } from '../bench/profile/run.ts';
import { DEFAULT_TABLES, profileTables } from '../bench/profile/tables.ts';
import { REPOSITORY } from './support/child.ts';

const ROUNDS = 20;

let waitedMs: number;
let profile: LockProfile;
let analysis: ProfileAnalysis;
let file: ProfileFile;

beforeAll(() => {
  const output = execFileSync(
    process.execPath,
    ['--import', 'tsx', join(REPOSITORY, 'test', 'threads', 'profile-contention.ts')],
    { encoding: 'utf8', cwd: REPOSITORY, env: { ...process.env, CT_PROFILE: '1' } },
  );
  ({ waitedMs, profile } = JSON.parse(output) as { waitedMs: number; profile: LockProfile });
  analysis = analyseProfile(profile, 1000);
  file = {
    format: 'ct-bucket profile',
    what: 'a test',
    machine: machineFingerprint(),
    options: {},
    durationMs: 1000,
    profile,
  };
}, 60_000);

describe('a thread that waits for a bucket which another one holds', () => {
  it('is at the top: lock, site and bucket', () => {
    expect(analysis.locks[0]!.name).toBe('bucket');
    expect(analysis.sites[0]!.name).toBe('remove connection');
    expect(analysis.buckets[0]).toMatchObject({ bucket: 2, acquisitions: 2 * ROUNDS, contended: ROUNDS });
  });

  it('has waited as long as its own clock says, to a tenth', () => {
    const waited = analysis.waitNs / 1e6;
    expect(waited).toBeGreaterThan(ROUNDS * 4);
    expect(Math.abs(waited - waitedMs)).toBeLessThan(waitedMs / 10);
    expect(Math.abs(analysis.buckets[0]!.waitNs / 1e6 - waited)).toBeLessThan(waited / 10);
  });

  it('is charged to the holder, by thread and by site', () => {
    const [waiter, holder] = [0, 1];
    expect(analysis.matrix.waitNs[waiter]![holder]! / analysis.waitNs).toBeGreaterThan(0.99);
    expect(analysis.matrix.waitNs[holder]![waiter]).toBe(0);
    const creating = analysis.sites.find(({ name }) => name === 'create connection')!;
    expect(creating.caused.ns / analysis.waitNs).toBeGreaterThan(0.99);
    expect(creating.figures.wait.total).toBe(0);
  });

  it('waits for a holder that is said to have held for long', () => {
    expect(analysis.suspected).toEqual([{ threads: 'thread 1', waits: ROUNDS, ns: expect.any(Number) }]);
    const holds = analysis.sites.find(({ name }) => name === 'create connection')!.figures.hold;
    expect(holds.count).toBe(ROUNDS);
    expect(holds.min).toBeGreaterThan(4.9e6);
  });

  it('sees the lock come from another thread', () => {
    const { bounces, predecessors } = analysis.sites[0]!.figures;
    expect(bounces).toBe(predecessors);
    expect(bounces).toBe(ROUNDS);
  });
});

describe('a profile as', () => {
  it('tables shows chosen columns and the top rows only', () => {
    const [locks] = profileTables(analysis, { top: 1, columns: ['acquisitions', 'wait total'] });
    expect(locks!.head).toEqual(['lock', 'acquisitions', 'wait total']);
    expect(locks!.rows).toHaveLength(1);
  });

  it('speedscope adds up to the waiting', () => {
    const { profiles, shared } = speedscopeOf(file) as {
      profiles: { samples: number[][]; weights: number[] }[];
      shared: { frames: { name: string }[] };
    };
    expect(profiles[0]!.weights.reduce((sum, ns) => sum + ns, 0)).toBeCloseTo(analysis.waitNs, -3);
    expect(profiles[0]!.samples[0]!.map((frame) => shared.frames[frame]!.name)).toEqual([
      'bucket lock',
      'remove connection',
      'waiter thread 0',
      'held by thread 1',
    ]);
  });

  it('pprof has its strings, sample types and one sample of four locations', () => {
    const bytes = gunzipSync(pprofOf(file));
    const fields = decode(bytes);
    const strings = fields.filter(({ field }) => field === 6).map(({ bytes: text }) => text!.toString());
    expect(strings[0]).toBe('');
    expect(strings).toEqual(expect.arrayContaining(['contentions', 'delay', 'nanoseconds', 'bucket lock']));
    expect(fields.filter(({ field }) => field === 1)).toHaveLength(2);
    const samples = fields.filter(({ field }) => field === 2);
    expect(samples).toHaveLength(1);
    const [locations, values] = decode(samples[0]!.bytes!);
    expect([...locations!.bytes!]).toHaveLength(4);
    expect(values!.bytes![0]).toBe(ROUNDS);
    expect(fields.filter(({ field }) => field === 4)).toHaveLength(4);
    expect(fields.filter(({ field }) => field === 5)).toHaveLength(4);
  });

  it('HTML has a square for each bucket and needs nothing from elsewhere', () => {
    const html = profileHtml(file, analysis, DEFAULT_TABLES);
    expect(html.match(/<title>bucket \d+:/g)).toHaveLength(4);
    expect(html).not.toMatch(/(src|href)=/);
  });

  it('a difference to itself shows the same on both sides', () => {
    const { rows } = profileDiff(file, file);
    for (const { cells } of rows) {
      for (let i = 1; i < cells.length; i += 2) {
        expect(cells[i]).toBe(cells[i + 1]);
      }
    }
    expect(rows.map(({ cells }) => cells[0])).toContain('remove connection');
  });
});

/** The fields of a message of protocol buffers, numbers and bytes only. */
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
