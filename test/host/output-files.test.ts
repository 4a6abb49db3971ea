/** A command writes its output files whole or not at all. */

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { LineLog } from '../../src/host/line-log.ts';
import { OutputFiles } from '../../src/host/output-files.ts';
import { type ChildResult, CT_BUCKET, run } from '../support/child.ts';
import { capturePath } from '../support/fixtures.ts';

const CAPTURE = capturePath('zeek_dnp3');
const FINE = join(import.meta.dirname, '..', 'fixtures', 'commands', 'fine-verdict.json');

let folder: string;
let file: string;
let said: string[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ct-bucket-outputs-'));
  file = join(folder, 'result.json');
  said = [];
  vi.spyOn(console, 'error').mockImplementation((line: string) => void said.push(line));
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true });
});

function ctBucket(args: readonly string[]): Promise<ChildResult> {
  return run(process.execPath, [...CT_BUCKET, ...args]);
}

function write(json: string, text: string): void {
  new OutputFiles({ json }).begin().write({ json: () => text });
}

describe('an output file', () => {
  it('appears in one step, and replaces an earlier file', () => {
    const outputs = new OutputFiles({ json: file }).begin();
    expect(existsSync(file)).toBe(false);
    outputs.write({ json: () => 'first' });
    expect(readFileSync(file, 'utf8')).toBe('first');
    write(file, 'second');
    expect(readFileSync(file, 'utf8')).toBe('second');
    expect(readdirSync(folder)).toEqual(['result.json']);
  });

  it('is missing after a failed run, and the earlier file stays as .previous', () => {
    write(file, 'yesterday');
    new OutputFiles({ json: file }).begin().discard();
    expect(readdirSync(folder)).toEqual(['result.json.previous']);
    expect(readFileSync(`${file}.previous`, 'utf8')).toBe('yesterday');
    expect(said).toEqual([`ct-bucket: ${file} was not written; the earlier one is ${file}.previous`]);
  });

  it('stays readable until the work begins, because a run may be compared with it', () => {
    write(file, 'yesterday');
    const outputs = new OutputFiles({ json: file });
    expect(readFileSync(file, 'utf8')).toBe('yesterday');
    outputs.discard();
    expect(readdirSync(folder)).toEqual(['result.json']);
  });

  it('keeps the mode of the earlier file, and a symbolic link to it stays a link', () => {
    write(file, 'first');
    chmodSync(file, 0o640);
    const link = join(folder, 'link.json');
    symlinkSync('result.json', link);
    write(link, 'second');
    expect(readFileSync(file, 'utf8')).toBe('second');
    expect(statSync(file).mode & 0o777).toBe(0o640);
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
  });

  it('is written directly if it is a device or a pipe', async () => {
    write('/dev/null', 'text');
    expect(statSync('/dev/null').isCharacterDevice()).toBe(true);
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    expect(() => new OutputFiles({ json: pipe })).toThrow(`cannot write ${pipe}: this pipe has no reader`);
    const reader = spawn('cat', [pipe], { stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    reader.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
    let outputs: OutputFiles | undefined;
    while (outputs === undefined) {
      try {
        outputs = new OutputFiles({ json: pipe });
      } catch {
        await new Promise((done) => setTimeout(done, 5));
      }
    }
    outputs.begin().write({ json: () => 'through the pipe' });
    await once(reader, 'close');
    expect(text).toBe('through the pipe');
    expect(statSync(pipe).isFIFO()).toBe(true);
  });

  it.each([
    ['in a folder that does not exist', () => join(folder, 'no', 'result.json'), /no such folder: .*\/no$/],
    ['that is a folder', () => folder, /it is a folder$/],
    ['below a file', () => join(CAPTURE, 'x'), /no such folder: /],
    ['on a full device', () => '/dev/full', /no space left on device$/],
  ])('%s is refused with a one-line error', (_what, path, reason) => {
    expect(() => write(path(), 'text')).toThrow(reason);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('that cannot be written removes the others of the same command', () => {
    const outputs = new OutputFiles({ json: file, html: '/dev/full' }).begin();
    expect(() => outputs.write({ json: () => 'a', html: () => 'b' })).toThrow('cannot write /dev/full');
    expect(readdirSync(folder)).toEqual([]);
  });

  it('is refused if two options name it or its name is empty', () => {
    expect(() => new OutputFiles({ json: file, html: join(folder, '.', 'result.json') })).toThrow(
      '--json and --html name the same file',
    );
    expect(() => new OutputFiles({ json: '-', html: '/dev/stdout' })).toThrow('name the same file');
    expect(() => new OutputFiles({ json: '' })).toThrow('--json needs the name of a file');
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe('a history file', () => {
  it('grows by whole lines, even after a truncated line', () => {
    writeFileSync(file, 'one\ntw');
    const log = new LineLog(file);
    log.add('three');
    log.add('four');
    log.close();
    expect(readFileSync(file, 'utf8')).toBe('one\ntw\nthree\nfour\n');
  });

  it('is removed if it was new and got no line', () => {
    new LineLog(file).close();
    expect(existsSync(file)).toBe(false);
    writeFileSync(file, '');
    new LineLog(file).close();
    expect(existsSync(file)).toBe(true);
  });

  it('on a full device is refused with a one-line error', () => {
    expect(() => new LineLog('/dev/full').add('line')).toThrow(/^cannot write \/dev\/full: no space left on device$/);
  });
});

describe('a command with an output file', () => {
  it.each([
    ['replay', ['replay', CAPTURE, '--late']],
    ['regress merge --json', ['regress', 'merge', FINE, '--json']],
    ['regress merge --markdown', ['regress', 'merge', FINE, '--markdown']],
    ['regress merge --junit', ['regress', 'merge', FINE, '--junit']],
    ['regress merge --html', ['regress', 'merge', FINE, '--html']],
    ['regress merge --history', ['regress', 'merge', FINE, '--history']],
    ['bench insert', ['bench', 'insert', '--html']],
    ['bench flood', ['bench', 'flood', '--json']],
    ['profile', ['profile', 'insert', '--pprof']],
    ['soak', ['soak', '--json']],
  ])('(%s) refuses a path that it cannot write before it begins its work', async (_what, args) => {
    const path = join(folder, 'no', 'such');
    const { code, stdout, stderr } = await ctBucket([...args, path]);
    expect({ code, stdout, stderr }).toEqual({
      code: 2,
      stdout: '',
      stderr: `ct-bucket: cannot write ${path}: no such folder: ${join(folder, 'no')}\n`,
    });
  });

  it('ends with exit code 2 instead of its verdict if the device is full', async () => {
    for (const option of ['--json', '--markdown', '--junit', '--html', '--history']) {
      const { code, stderr } = await ctBucket(['regress', 'merge', FINE, option, '/dev/full']);
      expect({ code, stderr }).toEqual({
        code: 2,
        stderr: 'ct-bucket: cannot write /dev/full: no space left on device\n',
      });
    }
  });

  it('prints the file on standard output for -, and its text on standard error', async () => {
    const { code, stdout, stderr } = await ctBucket(['regress', 'merge', FINE, '--json', '-']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ verdict: 'fine' });
    expect(stderr).toContain('fine: every figure');
  });

  it('may overwrite its own input', async () => {
    writeFileSync(file, readFileSync(FINE));
    expect((await ctBucket(['regress', 'merge', file, '--json', file])).code).toBe(0);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({ verdict: 'fine' });
    expect(readdirSync(folder)).toEqual(['result.json']);
  });

  it('leaves the file unchanged if it is refused', async () => {
    mkdirSync(join(folder, 'x'));
    writeFileSync(file, 'yesterday');
    expect((await ctBucket(['regress', 'merge', join(folder, 'none'), '--json', file])).code).toBe(2);
    expect(readFileSync(file, 'utf8')).toBe('yesterday');
  });
});
