/** The cache of builds of `regress`: its place, its owner, and what it removes. */

import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { defaultCache } from '../../../bench/machine/cache-folder.ts';
import { keptBuild, measuring } from '../../../bench/regress/builds/build-cache.ts';
import { REPOSITORY } from '../../support/child.ts';

let folder: string;
let cache: string;
let said: string[];
const say = (line: string): void => {
  said.push(line);
};

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ct-bucket-build-cache-'));
  cache = join(folder, 'cache');
  said = [];
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

describe('the cache of builds', () => {
  const make = (result: string): void => {
    mkdirSync(join(result, 'dist'), { recursive: true });
    writeFileSync(join(result, 'dist', '.complete'), '');
    mkdirSync(join(result, 'node_modules'));
  };
  const keep = (): Promise<string> => keptBuild({ cache, key: 'key', label: 'a', make });

  it('is a folder that only the user may enter', async () => {
    await keep();
    expect(statSync(cache).mode & 0o777).toBe(0o700);
  });

  it.each([0o755, 0o777, 0o710])('is refused with mode %o, which lets others read or write', async (mode) => {
    mkdirSync(cache);
    chmodSync(cache, mode);
    await expect(keep()).rejects.toThrow(
      /cache must be a folder of this user with mode 700 \(it is: mode 7\d\d, user \d+\)/,
    );
  });

  it('is refused if it is a symbolic link or a file', async () => {
    mkdirSync(join(folder, 'elsewhere'), { mode: 0o700 });
    symlinkSync(join(folder, 'elsewhere'), cache);
    await expect(keep()).rejects.toThrow(/must be a folder of this user/);
    rmSync(cache);
    writeFileSync(cache, '');
    await expect(keep()).rejects.toThrow(/cannot create it/);
  });

  it.runIf(process.getuid?.() === 0)('is refused if it belongs to another user', async () => {
    mkdirSync(cache, { mode: 0o700 });
    execFileSync('chown', ['65534', cache]);
    await expect(keep()).rejects.toThrow(/must be a folder of this user with mode 700 \(it is: mode 700, user 65534\)/);
  });

  it('is in XDG_CACHE_HOME if that is an absolute path, or else in HOME, without a look-up of the user', () => {
    expect(defaultCache({ XDG_CACHE_HOME: '/x/y' })).toBe('/x/y/ct-bucket');
    vi.stubEnv('HOME', '/home/somebody');
    expect(defaultCache({})).toBe('/home/somebody/.cache/ct-bucket');
    expect(defaultCache({ XDG_CACHE_HOME: 'y' })).toBe('/home/somebody/.cache/ct-bucket');
    expect(defaultCache({ XDG_CACHE_HOME: '' })).toBe('/home/somebody/.cache/ct-bucket');
    vi.stubEnv('HOME', 'relative');
    expect(() => defaultCache({})).toThrow(/set XDG_CACHE_HOME/);
  });

  it('is never a folder with a predictable name in the shared temporary folder', () => {
    const texts = [
      'regress/builds/builds.ts',
      'regress/builds/build-cache.ts',
      'regress/builds/git.ts',
      'studies/variants.ts',
    ].map((name) => readFileSync(join(REPOSITORY, 'bench', name), 'utf8'));
    for (const text of texts) {
      expect(text).not.toContain('userInfo');
      expect(text.match(/tmpdir\(\)/g)?.length ?? 0).toBe(text.match(/mkdtempSync\(join\(tmpdir\(\)/g)?.length ?? 0);
    }
  });

  it('loses builds without use for a month, and the remains of killed builds', async () => {
    const old = await keep();
    const left = join(cache, 'builds', '.building-x');
    mkdirSync(left);
    const longAgo = new Date(Date.now() - 40 * 86_400_000);
    utimesSync(old, longAgo, longAgo);
    utimesSync(left, longAgo, longAgo);
    await keptBuild({ cache, key: 'other', label: 'b', make });
    expect(readdirSync(join(cache, 'builds'))).toEqual(['other']);
  });

  it('reports that another measurement runs at the same time', async () => {
    vi.stubEnv('XDG_CACHE_HOME', folder);
    expect(await measuring(say, () => measuring(say, () => 7))).toBe(7);
    expect(said).toEqual([
      `another regress (process ${process.pid}) measures at the same time: each disturbs the other`,
    ]);
    await measuring(say, () => 7);
    expect(said).toHaveLength(1);
  });
});
