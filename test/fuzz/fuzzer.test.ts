/** The fuzzer finds faults that were planted, reports and repeats them, and refuses wrong command lines. */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Random } from './random.ts';
import { growthOf } from './session.ts';
import { inputOf, inputText } from './target.ts';
import { targetOf } from './targets.ts';
import { watchedSession } from './watch.ts';

const folder = mkdtempSync(join(tmpdir(), 'ct-bucket-fuzzing-'));
afterAll(() => rmSync(folder, { recursive: true }));

function fuzz(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, ['--import', 'tsx', 'test/fuzz/fuzz.ts', '--out', folder, ...args], {
    encoding: 'utf8',
  });
}

describe('the fuzzer', () => {
  const session = { seed: 1, first: 0, ms: 20_000, inputs: 1000, shared: false };

  it('makes the same inputs from the same seed, and others from another seed', () => {
    const made = (seed: number) => inputText(targetOf('self-throws').generate(new Random(seed, 'self-throws', 3)));
    expect(made(1)).toBe(made(1));
    expect(made(1)).not.toBe(made(2));
  });

  it('writes inputs as text and reads them back', () => {
    const input = { bytes: Uint8Array.of(1, 255), numbers: [Number.NaN, 1.5], big: 10n, none: undefined, text: '"' };
    expect(inputOf(inputText(input))).toEqual(input);
  });

  it('finds an input that throws, reports it once, and shrinks it', async () => {
    const { found, inputs } = await watchedSession('self-throws', session);
    expect(inputs).toBeGreaterThan(900);
    expect(found.map(({ message, text }) => [message, text])).toEqual([['there is a 7', '{"digits":[7]}']]);
  });

  it('ends a thread that hangs, and reports its input', async () => {
    const { found } = await watchedSession('self-hangs', session, 500);
    expect(found).toHaveLength(1);
    expect(found[0]!.message).toMatch(/^hangs: no end within 500 ms/);
    expect((inputOf(found[0]!.text) as { digits: number[] }).digits).toContain(7);
  });

  it('reports an input that kills the thread', async () => {
    const { found } = await watchedSession('self-dies', session);
    expect(found.map(({ message }) => message)).toEqual([expect.stringMatching(/^the thread died/)]);
    expect((inputOf(found[0]!.text) as { digits: number[] }).digits).toContain(7);
  });

  it('reports memory that grows, but not memory that goes up and down', () => {
    const mib = (...samples: number[]) => samples.map((sample) => sample * 2 ** 20);
    expect(growthOf(mib(10, 60, 60, 60, 80, 90, 100, 110))).toMatch(/^memory grows: 60\.0, 80\.0/);
    expect(growthOf(mib(10, 60, 90, 70, 65, 90, 70, 110))).toBeUndefined();
    expect(growthOf(mib(10, 60, 60.1, 60.2, 60.3, 60.4, 60.5, 1900))).toBeUndefined();
    expect(growthOf(mib(10, 60, 60.1, 60.2, 60.3, 60.4, 60.5, 60.6))).toBeUndefined();
  });

  it('ends with exit code 1 after a finding, and prints a command to repeat it', () => {
    const { status, stdout } = fuzz('--target', 'self-throws', '--inputs', '200', '--seed', '5');
    expect(status).toBe(1);
    const [, command] = /npm run -s fuzz -- (.*--repeat \S+)/.exec(stdout)!;
    expect(stdout).toMatch(/^seed 5$/m);
    const again = fuzz(...command!.split(' '));
    expect(again.status).toBe(1);
    expect(again.stdout).toMatch(/there is a 7/);
  });

  it.each([
    ['an unknown target', ['--target', 'nothing'], /"nothing" is not one of packets, /],
    [
      'a file that the fuzzer did not write',
      ['--repeat', 'package.json'],
      /package\.json is no input that the fuzzer wrote/,
    ],
  ])('refuses %s with a one-line error and exit code 2', (_what, args, message) => {
    const { status, stderr } = fuzz(...args);
    expect(status).toBe(2);
    expect(stderr.trimEnd().split('\n')).toEqual([expect.stringMatching(message)]);
  });
});
