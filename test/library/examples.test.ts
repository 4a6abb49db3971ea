/** Runs the programs of examples/library unchanged, and checks their output. */

import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { CT_BUCKET, REPOSITORY, run } from '../support/child.ts';
import { fixtureCaptures } from '../support/fixtures.ts';

const FOLDER = join(REPOSITORY, 'examples', 'library');
const CAPTURE = join(REPOSITORY, 'test', 'fixtures', 'captures', 'communityid_tcp.pcap');
const out = mkdtempSync(join(tmpdir(), 'ct-bucket-examples-'));
afterAll(() => rmSync(out, { recursive: true }));

async function linesOf(name: string, ...args: string[]): Promise<string[]> {
  const { code, stdout, stderr } = await run(process.execPath, [join(FOLDER, name), ...args]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout.trimEnd().split('\n');
}

it.each(readdirSync(FOLDER).filter((name) => name.endsWith('.mjs')))('%s has at most 40 lines', (name) => {
  expect(readFileSync(join(FOLDER, name), 'utf8').split('\n').length - 1).toBeLessThanOrEqual(40);
});

describe('track-capture.mjs', () => {
  it('prints the recorded verdict on each packet, and then the connections', async () => {
    const lines = await linesOf('track-capture.mjs', CAPTURE);
    const recorded = (await fixtureCaptures()).find(({ name }) => name === 'communityid_tcp')!;
    const states = lines.slice(0, recorded.states.length).map((line) => line.replace(/ \(.*/, ''));
    expect(states).toEqual(recorded.states);
    expect(lines.at(-2)).toMatch(/^tcp,orig=\(src=128\.232\.110\.120,/);
    expect(lines.at(-1)).toBe('1 connections');
    expect(lines.filter((line) => line === 'inv|trk (truncated)')).toHaveLength(3);
  });
});

describe('nat.mjs', () => {
  it("writes the client's frames with the address of the gateway", async () => {
    const path = join(out, 'nat.pcap');
    expect(await linesOf('nat.mjs', CAPTURE, path)).toEqual([
      expect.stringMatching(/^8 packets sent on, \d connections \{ .*truncated: 3.*\}$/),
    ]);
    const { stdout } = await run(process.execPath, [...CT_BUCKET, 'replay', path, '--format', 'states']);
    expect(stdout.trimEnd().split('\n')).toHaveLength(8);
    const bytes = readFileSync(path);
    expect(bytes.subarray(24 + 16 + 26, 24 + 16 + 30).join('.')).toBe('192.0.2.1');
  });
});

describe('threads-and-events.mjs', () => {
  it('prints an event when a connection opens, gets a reply, and ends', async () => {
    const lines = await linesOf('threads-and-events.mjs');
    const count = (word: string): number => lines.filter((line) => line.includes(word)).length;
    expect([count('[NEW]'), count('[UPDATE]'), count('[DESTROY]')]).toEqual([20, 20, 10]);
    expect(lines.filter((line) => line.includes('[DESTROY]')).every((line) => line.endsWith('zone=1'))).toBe(true);
    expect(lines.at(-1)).toBe('packets of each thread: some');
  });
});

describe('own-workers.mjs', () => {
  it('counts the connections of all threads', async () => {
    expect(await linesOf('own-workers.mjs')).toEqual(['300 connections of 3 threads', 'created: 300']);
  });
});

describe('filter-and-dump.mjs', () => {
  it('finds and removes the connections that match its filters', async () => {
    const lines = await linesOf('filter-and-dump.mjs');
    expect(lines.filter((line) => !line.startsWith('  '))).toEqual([
      'DNS, mark 1: 5',
      'with a reply: 1',
      'removed: 15',
      'left: 15',
      'Connections Stats:',
    ]);
  });
});
