/** The path of the control socket: only its owner has access, one tracker listens, and a stale socket is removed. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { defaultSocketPath, prepareSocketPath } from '../../src/workers/control/socket-path.ts';

const folder = mkdtempSync(join(tmpdir(), 'ct-bucket-socket-'));
afterAll(() => rmSync(folder, { recursive: true }));

let count = 0;
function freshFolder(): string {
  const path = join(folder, `${++count}`);
  mkdirSync(path, { mode: 0o700 });
  return path;
}

/** A socket whose owner was killed. */
async function staleSocket(path: string): Promise<void> {
  const code = 'require("node:net").createServer().listen(process.argv[1], () => console.log("up"))';
  const child = spawn(process.execPath, ['-e', code, path]);
  await once(child.stdout, 'data');
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(existsSync(path)).toBe(true);
}

describe('the default path of the control socket', () => {
  it("is in XDG_RUNTIME_DIR, or else in the temporary folder under the user's uid", () => {
    expect(defaultSocketPath({ XDG_RUNTIME_DIR: '/run/user/7' })).toBe('/run/user/7/ct-bucket/control.sock');
    const name = `ct-bucket-${process.getuid!()}`;
    expect(defaultSocketPath({})).toBe(join(tmpdir(), name, 'control.sock'));
    expect(defaultSocketPath({ XDG_RUNTIME_DIR: '' })).toBe(join(tmpdir(), name, 'control.sock'));
  });

  it('gets a folder that only the user may enter', async () => {
    vi.stubEnv('XDG_RUNTIME_DIR', freshFolder());
    onTestFinished(() => void vi.unstubAllEnvs());
    const path = await prepareSocketPath(undefined);
    expect(path).toBe(defaultSocketPath());
    expect(statSync(dirname(path)).mode & 0o777).toBe(0o700);
    await expect(prepareSocketPath(undefined)).resolves.toBe(path);
  });

  it.each<[what: string, make: (folder: string) => void]>([
    [
      'open to others',
      (path) => {
        mkdirSync(path);
        chmodSync(path, 0o755);
      },
    ],
    ['a symbolic link', (path) => symlinkSync(freshFolder(), path)],
    ['a file', (path) => writeFileSync(path, '')],
  ])('is refused if its folder is %s', async (_what, make) => {
    vi.stubEnv('XDG_RUNTIME_DIR', freshFolder());
    onTestFinished(() => void vi.unstubAllEnvs());
    make(dirname(defaultSocketPath()));
    await expect(prepareSocketPath(undefined)).rejects.toThrow(/--socket/);
  });
});

describe('a given path of the control socket', () => {
  it('is refused if another process listens on it, whose socket stays', async () => {
    const path = join(freshFolder(), 'a.sock');
    const server = createServer().listen(path);
    onTestFinished(() => void server.close());
    await once(server, 'listening');
    await expect(prepareSocketPath(path)).rejects.toThrow(/another ct-bucket uses it/);
    expect(statSync(path).isSocket()).toBe(true);
  });

  it('is freed if the process that listened on it is dead', async () => {
    const path = join(freshFolder(), 'a.sock');
    await staleSocket(path);
    await expect(prepareSocketPath(path)).resolves.toBe(path);
    expect(readdirSync(dirname(path))).toEqual([]);
  });

  it.each<[what: string, make: (path: string) => void]>([
    ['a file', (path) => writeFileSync(path, 'precious')],
    ['a folder', (path) => mkdirSync(path)],
    ['a symbolic link', (path) => symlinkSync('/nowhere', path)],
  ])('is refused if it names %s, which is left alone', async (_what, make) => {
    const path = join(freshFolder(), 'a.sock');
    make(path);
    await expect(prepareSocketPath(path)).rejects.toThrow(/exists and is not a socket/);
    expect(readdirSync(dirname(path))).toEqual(['a.sock']);
  });

  it('is refused if its folder does not exist', async () => {
    await expect(prepareSocketPath(join(folder, 'none', 'a.sock'))).rejects.toThrow(/no such folder/);
  });

  it('may have at most 103 bytes, as a socket address holds', async () => {
    const start = `${freshFolder()}/`;
    const fits = start + 'a'.repeat(103 - start.length);
    await expect(prepareSocketPath(fits)).resolves.toBe(fits);
    await expect(prepareSocketPath(`${fits}a`)).rejects.toThrow(/may have at most 103 bytes/);
    await expect(prepareSocketPath(`${fits.slice(0, -1)}ä`)).rejects.toThrow(/may have at most 103 bytes/);
  });
});
