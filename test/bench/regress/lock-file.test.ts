/** Lock files between processes: their holder, dead holders, and timeouts. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { tryLock, withLock } from '../../../bench/machine/lock-file.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ct-bucket-lock-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('a lock file', () => {
  it('is held by one process, and is released even if its action throws', async () => {
    const lock = join(folder, 'lock');
    expect(await withLock(lock, () => tryLock(lock))).toBe(process.pid);
    await expect(
      withLock(lock, () => {
        throw new Error('broken');
      }),
    ).rejects.toThrow('broken');
    expect(readdirSync(folder)).not.toContain('lock');
  });

  it('of an ended process is taken over, even if another process has the same id now', async () => {
    const lock = join(folder, 'lock');
    const child = spawn(process.execPath, ['-e', '']);
    await once(child, 'close');
    const host = (JSON.parse(await lockText(lock)) as { host: string }).host;
    for (const holder of [
      { pid: child.pid, start: '1', host },
      { pid: process.pid, start: '1', host },
    ]) {
      writeFileSync(lock, JSON.stringify(holder));
      expect(await withLock(lock, () => 'mine')).toBe('mine');
    }
    writeFileSync(lock, 'torn');
    expect(await withLock(lock, () => 'mine')).toBe('mine');
  });

  it('of a process on another host is waited for until a timeout, with a message', async () => {
    const lock = join(folder, 'lock');
    writeFileSync(lock, JSON.stringify({ pid: 1, start: '1', host: 'elsewhere' }));
    const waits: number[] = [];
    await expect(withLock(lock, () => 1, { onWait: (holder) => waits.push(holder), timeoutMs: 150 })).rejects.toThrow(
      /lock: process 1 has held this lock for too long. End the process, or remove the file$/,
    );
    expect(waits).toEqual([1]);
    expect(existsSync(lock)).toBe(true);
  });

  async function lockText(lock: string): Promise<string> {
    return await withLock(lock, () => readFileSync(lock, 'utf8'));
  }
});
