/** Commands that a signal ends leave no process and no temporary file behind, but still print their results. */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CT_BUCKET, REPOSITORY } from '../support/child.ts';
import { capturePath } from '../support/fixtures.ts';

const CAPTURE = capturePath('zeek_dnp3');

let folder: string;
/** The temporary folder of the commands. */
let temporary: string;
let child: ChildProcess | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ct-bucket-stopping-'));
  temporary = join(folder, 'tmp');
  mkdirSync(temporary);
});
afterEach(() => {
  child?.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});

interface Started {
  child: ChildProcess;
  text: { out: string; error: string };
  ended: Promise<{ code: number | null; signal: string | null }>;
  until(isSo: () => boolean): Promise<void>;
}

function start(program: string, args: readonly string[]): Started {
  child = spawn(program, args, {
    cwd: REPOSITORY,
    env: { ...process.env, TMPDIR: temporary },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const started = child;
  const text = { out: '', error: '' };
  started.stdout!.on('data', (chunk: Buffer) => (text.out += chunk.toString()));
  started.stderr!.on('data', (chunk: Buffer) => (text.error += chunk.toString()));
  const ended = once(started, 'close').then(([code, signal]) => ({
    code: code as number | null,
    signal: signal as string | null,
  }));
  const until = async (isSo: () => boolean): Promise<void> => {
    while (!isSo()) {
      if (started.exitCode !== null || started.signalCode !== null) {
        throw new Error(`it ended with ${started.exitCode ?? started.signalCode}: ${text.error}`);
      }
      await new Promise((done) => setTimeout(done, 10));
    }
  };
  return { child: started, text, ended, until };
}

const ctBucket = (args: readonly string[]): Started => start(process.execPath, [...CT_BUCKET, ...args]);

/** Ids of running processes with this text in their command line. */
function processesWith(text: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => {
      try {
        return (
          readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(text) &&
          !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
        );
      } catch {
        return false;
      }
    });
}

const CODES = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

describe('a command that measures', () => {
  /* No other test uses this number: the test searches all processes for it. */
  const connections = 3_000_000 - process.pid;

  it.each(Object.keys(CODES) as (keyof typeof CODES)[])(
    'ends at once with %s and leaves no process, no folder and no file',
    async (signal) => {
      const json = join(folder, 'results.json');
      writeFileSync(json, 'yesterday');
      const args = ['bench', 'insert', '--connections', String(connections), '--runs', '50', '--json', json];
      const { child: bench, ended, text, until } = ctBucket(args);
      await until(() => processesWith(`"connections":${connections}`).length === 1);
      bench.kill(signal);
      expect(await ended).toEqual({ code: CODES[signal], signal: null });
      expect(processesWith(`"connections":${connections}`)).toEqual([]);
      expect(readdirSync(temporary)).toEqual([]);
      expect(existsSync(json)).toBe(false);
      expect(readdirSync(folder).toSorted()).toEqual(['results.json.previous', 'tmp']);
      expect(text.error).toContain(`${json} was not written; the earlier one is ${json}.previous`);
    },
  );

  it.each([
    ['for variants', 'ct-bucket-variant-', ['bench', 'study', 'spin', '--connections', '2999999', '--runs', '50']],
    ['for a profile', 'ct-bucket-profile-', ['profile', CAPTURE, '--runs', '100']],
  ])('removes its folders %s', async (_what, prefix, args) => {
    const { child: bench, ended, until } = ctBucket(args);
    await until(() => readdirSync(temporary).some((name) => name.startsWith(prefix)));
    bench.kill('SIGINT');
    expect((await ended).code).toBe(130);
    expect(readdirSync(temporary)).toEqual([]);
  });
});

describe('the program of bench peer', () => {
  it('ends with the command, and so do the processes that it has started', async () => {
    const script = join(folder, 'peer.sh');
    const seconds = 100_000 + process.pid;
    const sleepers = `sleep\0${seconds}`;
    writeFileSync(script, `sleep ${seconds} & exec sleep ${seconds}\n`);
    const { child: bench, ended, until } = ctBucket(['bench', 'peer', '--command', `sh ${script} {threads}; :`]);
    await until(() => processesWith(sleepers).length >= 2);
    bench.kill('SIGTERM');
    expect((await ended).code).toBe(143);
    expect(processesWith(sleepers)).toEqual([]);
  });
});

describe('run', () => {
  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    'on a pipe without a writer ends at %s with its totals and exit code 0',
    async (signal) => {
      const pipe = join(folder, 'pipe');
      execFileSync('mkfifo', [pipe]);
      const { child: tracker, ended, text, until } = ctBucket(['run', pipe, '--socket', join(folder, 's')]);
      await until(() => text.error.includes('answering on'));
      tracker.kill(signal);
      expect(await ended).toEqual({ code: 0, signal: null });
      expect(text.out).toContain('0 packets, 0 connections at the end');
      expect(existsSync(join(folder, 's'))).toBe(false);
    },
  );

  it('counts a repeated signal as one, because npm repeats the signal of the terminal', async () => {
    const { child: tracker, ended, text, until } = ctBucket(['run', CAPTURE, '--socket', join(folder, 's')]);
    await until(() => text.error.includes('answering until stopped'));
    tracker.kill('SIGINT');
    tracker.kill('SIGINT');
    setTimeout(() => tracker.kill('SIGINT'), 5);
    expect(await ended).toEqual({ code: 0, signal: null });
    expect(text.out).toMatch(/connections? at the end/);
  });
});

it('a soak that a signal ends prints its verdict and completes its file', async () => {
  const json = join(folder, 'soak.jsonl');
  const {
    child: soak,
    ended,
    text,
    until,
  } = ctBucket(['soak', '--connections', '200', '--interval', '1', '--json', json]);
  await until(() => text.out.includes('packets/s'));
  expect(existsSync(json)).toBe(false);
  soak.kill('SIGTERM');
  expect((await ended).signal).toBeNull();
  expect(text.out).toMatch(/All invariants held|An invariant was violated/);
  const lines = readFileSync(json, 'utf8').trimEnd().split('\n');
  expect(JSON.parse(lines.at(-1)!)).toMatchObject({ type: 'verdict', isInterrupted: true });
  expect(readdirSync(folder).toSorted()).toEqual(['soak.jsonl', 'tmp']);
});

it('a second signal, a second after the first, kills a command that does not end', async () => {
  const module = join(REPOSITORY, 'dist', 'src', 'host', 'signals.js');
  const program = join(folder, 'stuck.mjs');
  writeFileSync(
    program,
    `import { stopOnSignals } from ${JSON.stringify(module)};
     const { stop } = stopOnSignals();
     stop.signal.addEventListener('abort', () => console.log('stopping'));
     console.log('up');
     setInterval(() => {}, 1000);`,
  );
  const { child: stuck, ended, text, until } = start(process.execPath, [program]);
  await until(() => text.out.includes('up'));
  stuck.kill('SIGINT');
  await until(() => text.out.includes('stopping'));
  await new Promise((done) => setTimeout(done, 1100));
  stuck.kill('SIGINT');
  expect(await ended).toEqual({ code: 130, signal: null });
});
