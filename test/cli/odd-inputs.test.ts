/** Inputs that are not regular files, and outputs that name the input file. */

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, linkSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readTextFile } from '../../src/host/input-file.ts';
import { OutputFiles } from '../../src/host/output-files.ts';
import { pcapHeader } from '../../src/cli/capture/open-capture.ts';
import { type ChildResult, CT_BUCKET, run } from '../support/child.ts';
import { capturePath } from '../support/fixtures.ts';

const CAPTURE = capturePath('zeek_dnp3');

let folder: string;
let capture: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ct-bucket-odd-inputs-'));
  capture = join(folder, 'own.pcap');
  copyFileSync(CAPTURE, capture);
});
afterEach(() => rmSync(folder, { recursive: true }));

function ctBucket(...args: string[]): Promise<ChildResult> {
  return run(process.execPath, [...CT_BUCKET, ...args]);
}

describe('an output that names the input file', () => {
  it.each([
    ['by the same name', (path: string) => path],
    [
      'by a symbolic link',
      (path: string) => {
        symlinkSync(path, `${path}.link`);
        return `${path}.link`;
      },
    ],
    [
      'by a hard link',
      (path: string) => {
        linkSync(path, `${path}.hard`);
        return `${path}.hard`;
      },
    ],
  ])('is refused %s, and the capture stays unchanged', async (_how, nameOf) => {
    const before = readFileSync(capture);
    const late = nameOf(capture);
    const names = readdirSync(folder);
    const commands = [
      ['replay', capture, '--late', late],
      ...(late === capture ? [['profile', capture, '--json', late]] : []),
    ];
    for (const args of commands) {
      const { code, stderr } = await ctBucket(...args);
      expect(stderr).toBe(`ct-bucket: ${args[2]} names the input file, ${capture}: name another one\n`);
      expect(code).toBe(2);
    }
    expect(readFileSync(capture)).toEqual(before);
    expect(readdirSync(folder)).toEqual(names);
  });
});

it('an output through a symbolic link into a missing folder is refused by the name of that folder', () => {
  const link = join(folder, 'link');
  symlinkSync('nowhere/x', link);
  expect(() => new OutputFiles({ json: link })).toThrow(`cannot write ${link}: no such folder: ${folder}/nowhere`);
});

describe('verify', () => {
  it('refuses an endless device and a folder', async () => {
    const { code, stderr } = await ctBucket('verify', '/dev/zero', folder);
    expect(stderr).toBe(
      `ct-bucket: /dev/zero: more than 256 MiB: not a scenario file\nct-bucket: ${folder}: is a directory, not a file\n`,
    );
    expect(code).toBe(2);
  });

  it('reads standard input', async () => {
    const child = spawn(process.execPath, [...CT_BUCKET, 'verify', '-'], { stdio: ['pipe', 'ignore', 'pipe'] });
    const errors = child.stderr.setEncoding('utf8').toArray();
    child.stdin.end('{"what": 1}\n');
    const [code] = await once(child, 'exit');
    expect((await errors).join('')).toMatch(/^ct-bucket: -: line 1: a scenario file starts with/);
    expect(code).toBe(2);
  });

  it('ends at a signal while it reads a pipe', async () => {
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    const child = spawn(process.execPath, [...CT_BUCKET, 'verify', pipe], { stdio: 'ignore' });
    /* The writer writes nothing. Once it has opened the pipe, the command reads. */
    const writer = spawn('sh', ['-c', `exec 3>"${pipe}"; echo open; exec sleep 1000`], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const gone = once(child, 'exit');
    await once(writer.stdout, 'data');
    child.kill('SIGINT');
    const [code] = await gone;
    writer.kill('SIGKILL');
    expect(code).toBe(130);
  });
});

describe('a file that is read as a whole', () => {
  it('is refused if it is a folder, an endless device, or a pipe without a writer', () => {
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    expect(() => readTextFile(folder)).toThrow(`cannot read ${folder}: it is a folder`);
    expect(() => readTextFile('/dev/zero')).toThrow('cannot read /dev/zero: it has more than 256 MiB');
    expect(() => readTextFile(pipe)).toThrow('nothing came through this pipe for 5 s: start its writer first');
    expect(() => readTextFile('/no/such')).toThrow('cannot read /no/such: no such file or directory');
  });

  it('may be a pipe', () => {
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    spawn('sh', ['-c', `echo some text > "${pipe}"`], { stdio: 'ignore' });
    expect(readTextFile(pipe)).toBe('some text\n');
  });
});

it('an empty file name is refused as empty', async () => {
  expect((await ctBucket('replay', '')).stderr).toBe('ct-bucket: the name of the file to read is empty\n');
});

it('help for an unknown command is refused, with a suggestion', async () => {
  const { code, stdout, stderr } = await ctBucket('help', 'replya');
  expect([code, stdout]).toEqual([2, '']);
  expect(stderr).toBe("ct-bucket: there is no command 'replya'; did you mean replay?\n");
});

it('a capture without packets prints no line of counters', async () => {
  const child = spawn(process.execPath, [...CT_BUCKET, 'replay', '-'], { stdio: ['pipe', 'pipe', 'ignore'] });
  const printed = child.stdout.setEncoding('utf8').toArray();
  child.stdin.end(pcapHeader());
  expect((await printed).join('')).not.toMatch(/counters/);
});
