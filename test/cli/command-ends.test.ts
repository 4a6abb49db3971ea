/** How commands end: with the right exit code and a one-line error, even if their output fails. */

import { spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { lineOfError } from '../../src/host/command-end.ts';
import { UsageError } from '../../src/core/errors.ts';
import { type ChildResult, CT_BUCKET, REPOSITORY, run } from '../support/child.ts';
import { capturePath, scenarioPath } from '../support/fixtures.ts';

const CAPTURE = capturePath('zeek_dnp3');
const SLOWER = join(import.meta.dirname, '..', 'fixtures', 'commands', 'slower-verdict.json');
const FINE = join(import.meta.dirname, '..', 'fixtures', 'commands', 'fine-verdict.json');

const folder = mkdtempSync(join(tmpdir(), 'ct-bucket-ends-'));
afterAll(() => rmSync(folder, { recursive: true }));

function temporary(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const wrongScenario = temporary(
  'wrong.jsonl',
  readFileSync(scenarioPath('udp-basic-v4'), 'utf8').replace('"state":["new"', '"state":["est"'),
);
const brokenCapture = temporary('broken.pcap', readFileSync(CAPTURE).subarray(0, -3));

function ctBucket(args: readonly string[]): Promise<ChildResult> {
  return run(process.execPath, [...CT_BUCKET, ...args]);
}

/** Runs the command with a pipe as its standard output, whose reader has ended before the command writes. */
function withoutReader(args: readonly string[]): Promise<ChildResult> {
  const line = [process.execPath, ...CT_BUCKET, ...args].map((part) => `'${part}'`).join(' ');
  return run('/bin/bash', ['-c', `{ sleep 0.05; ${line}; echo "exit $?" >&2; } | (exec <&-; :)`]).then((result) => ({
    ...result,
    code: Number(/exit (\d+)\n$/.exec(result.stderr)![1]),
    stderr: result.stderr.replace(/exit \d+\n$/, ''),
  }));
}

/** Runs the command with a full device as its standard output. */
function withFullOutput(args: readonly string[]): Promise<ChildResult> {
  return new Promise((done, fail) => {
    const full = openSync('/dev/full', 'w');
    const child = spawn(process.execPath, [...CT_BUCKET, ...args], {
      cwd: REPOSITORY,
      stdio: ['ignore', full, 'pipe'],
    });
    closeSync(full);
    let stderr = '';
    child.stderr!.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    child.on('error', fail);
    child.on('close', (code) => done({ code, stdout: '', stderr }));
  });
}

describe.concurrent('a reader that closes the pipe', () => {
  it.each<[what: string, code: number, args: string[]]>([
    ['verify of a scenario that fails', 1, ['verify', wrongScenario]],
    ['verify of a scenario that passes', 0, ['verify', scenarioPath('udp-basic-v4')]],
    ['regress with a slower build', 1, ['regress', 'merge', SLOWER]],
    ['replay of a broken capture', 2, ['replay', brokenCapture]],
    ['replay that prints each verdict', 141, ['replay', CAPTURE, '--format', 'states']],
  ])('does not change the end of %s: exit code %i', async (_what, code, args) => {
    const result = await withoutReader(args);
    expect(result.code).toBe(code);
    expect(result.stderr).not.toMatch(/^ {4}at |EPIPE/m);
  });
});

describe.concurrent('a full standard output', () => {
  it.each<[what: string, verdict: RegExp, args: string[]]>([
    ['replay', /^/, ['replay', CAPTURE]],
    ['replay, line by line', /^/, ['replay', CAPTURE, '--format', 'states']],
    ['verify', /^ct-bucket: 0 passed, 1 failed$/m, ['verify', wrongScenario]],
    ['regress', /^ct-bucket: .* against .*: fine/m, ['regress', 'merge', FINE]],
    ['help', /^/, ['--help']],
    ['the version', /^/, ['--version']],
  ])(
    'makes %s end with exit code 2, a one-line error, and the verdict on standard error',
    async (_what, verdict, args) => {
      const { code, stderr } = await withFullOutput(args);
      expect(code).toBe(2);
      expect(stderr).toMatch(/^ct-bucket: cannot write standard output: no space left on device$/m);
      expect(stderr).toMatch(verdict);
      expect(stderr).not.toMatch(/^ {4}at /m);
    },
  );
});

describe('the line of an error', () => {
  it('is its message if it is a UsageError', () => {
    expect(lineOfError(new UsageError('no such thing'))).toBe('no such thing');
  });

  it('names the file and the reason if it is a system error', () => {
    let error: unknown;
    try {
      readFileSync(join(folder, 'nowhere'));
    } catch (thrown) {
      error = thrown;
    }
    expect(lineOfError(error)).toBe(`${join(folder, 'nowhere')}: no such file or directory`);
  });

  it.each([new Error('two\nlines'), new Error(''), 'text', undefined])(
    'says how to see the stack if the error is unexpected (%s)',
    (error) => {
      expect(lineOfError(error)).toMatch(/^unexpected error: [^\n]+ \(CT_DEBUG=1 prints the stack\)$/);
    },
  );

  it('ends the process with exit code 2 if the error is uncaught; CT_DEBUG=1 adds its stack', async () => {
    const module = join(REPOSITORY, 'dist', 'src', 'host', 'command-end.js');
    const program = temporary(
      'throws.mjs',
      `import { guardProcess } from ${JSON.stringify(module)};
       guardProcess();
       setTimeout(() => { throw new Error('surprise'); });`,
    );
    const plain = await run(process.execPath, [program]);
    expect(plain).toEqual({
      code: 2,
      stdout: '',
      stderr: 'ct-bucket: unexpected error: surprise (CT_DEBUG=1 prints the stack)\n',
    });
    const debugged = await run('/usr/bin/env', ['CT_DEBUG=1', process.execPath, program]);
    expect(debugged.stderr).toMatch(/\n {4}at .*throws\.mjs/);
  });
});

it('regress merge ends with exit code 2 for a file that does not exist', async () => {
  expect((await ctBucket(['regress', 'merge', join(folder, 'nowhere.json')])).code).toBe(2);
});
