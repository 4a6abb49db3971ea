/** Made-up and broken input of every kind, for a few seconds: `npm run fuzz` has more of it. And that the fuzzer finds what is there. */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Random } from './random.ts';
import { growthOf, runSession, type SessionOptions, type SessionReport } from './session.ts';
import { inputOf, inputText } from './target.ts';
import { TARGETS, targetOf } from './targets.ts';
import { watchedSession } from './watch.ts';

const SEED = 20_260_701;
/** Half a second each, about. */
const INPUTS: Record<string, number> = {
  packets: 16_000,
  frames: 30_000,
  tables: 20_000,
  captures: 600,
  scenarios: 100,
  options: 600,
  control: 600,
  commands: 400,
};
/** Those that print are caught in a thread of their own, where nobody else takes what is printed. */
const INPUTS_OF_PRINTERS: Record<string, number> = { files: 40, replays: 2 };
/** Kinds of verdicts that packets must reach. */
const STATES = ['new|trk', 'est|trk', 'est|rpl|trk', 'rel|trk', 'inv|trk', 'new|trk|snat', 'est|trk|dnat', 'held'];

const folder = mkdtempSync(join(tmpdir(), 'ct-bucket-fuzzing-'));
afterAll(() => rmSync(folder, { recursive: true }));

function fuzz(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, ['--import', 'tsx', 'test/fuzz/fuzz.ts', '--out', folder, ...args], {
    encoding: 'utf8',
  });
}

function limits(inputs: number): SessionOptions {
  return { seed: SEED, first: 0, ms: Number.POSITIVE_INFINITY, inputs, shared: false };
}

function expectNothing({ target, inputs, found }: SessionReport, atLeast: number): void {
  expect(found.map(({ number, message, text }) => `${target} ${number}: ${message}\n${text.slice(0, 2000)}`)).toEqual(
    [],
  );
  expect(inputs).toBeGreaterThanOrEqual(atLeast);
}

describe('nothing throws, contradicts itself or reads outside', () => {
  it.each(Object.entries(INPUTS))('of %s', async (name, inputs) => {
    const report = await runSession(targetOf(name), limits(inputs));
    expectNothing(report, inputs);
    if (name === 'packets') {
      expect(STATES.filter((state) => (report.tally[state] ?? 0) === 0)).toEqual([]);
    }
  });

  it.each(Object.entries(INPUTS_OF_PRINTERS))('of %s', async (name, inputs) => {
    expectNothing(await watchedSession(name, limits(inputs)), inputs);
  });

  it('of all targets, here or above', () => {
    expect(TARGETS.map(({ name }) => name).toSorted()).toEqual(
      Object.keys({ ...INPUTS, ...INPUTS_OF_PRINTERS }).toSorted(),
    );
  });
});

describe('the fuzzer', () => {
  const session = { seed: 1, first: 0, ms: 20_000, inputs: 1000, shared: false };

  it('makes the same inputs of a seed, and others of another', () => {
    const made = (seed: number) => inputText(targetOf('self-throws').generate(new Random(seed, 'self-throws', 3)));
    expect(made(1)).toBe(made(1));
    expect(made(1)).not.toBe(made(2));
  });

  it('keeps inputs as text', () => {
    const input = { bytes: Uint8Array.of(1, 255), numbers: [Number.NaN, 1.5], big: 10n, none: undefined, text: '"' };
    expect(inputOf(inputText(input))).toEqual(input);
  });

  it('finds what throws once, and shrinks the input', async () => {
    const { found, inputs } = await watchedSession('self-throws', session);
    expect(inputs).toBeGreaterThan(900);
    expect(found.map(({ message, text }) => [message, text])).toEqual([['there is a 7', '{"digits":[7]}']]);
  });

  it('ends an input that hangs, and names it', async () => {
    const { found } = await watchedSession('self-hangs', session, 500);
    expect(found).toHaveLength(1);
    expect(found[0]!.message).toMatch(/^hangs: no end within 500 ms/);
    expect((inputOf(found[0]!.text) as { digits: number[] }).digits).toContain(7);
  });

  it('names an input that kills the thread', async () => {
    const { found } = await watchedSession('self-dies', session);
    expect(found.map(({ message }) => message)).toEqual([expect.stringMatching(/^the thread died/)]);
    expect((inputOf(found[0]!.text) as { digits: number[] }).digits).toContain(7);
  });

  it('tells memory that grows from memory that breathes', () => {
    const mib = (...samples: number[]) => samples.map((sample) => sample * 2 ** 20);
    expect(growthOf(mib(10, 60, 60, 60, 80, 90, 100, 110))).toMatch(/^memory grows: 60\.0, 80\.0/);
    expect(growthOf(mib(10, 60, 90, 70, 65, 90, 70, 110))).toBeUndefined();
    expect(growthOf(mib(10, 60, 60.1, 60.2, 60.3, 60.4, 60.5, 1900))).toBeUndefined();
    expect(growthOf(mib(10, 60, 60.1, 60.2, 60.3, 60.4, 60.5, 60.6))).toBeUndefined();
  });

  it('ends with exit code 1 when it found something, and says how to repeat it', () => {
    const { status, stdout } = fuzz('--target', 'self-throws', '--inputs', '200', '--seed', '5');
    expect(status).toBe(1);
    const [, command] = /npm run -s fuzz -- (.*--repeat \S+)/.exec(stdout)!;
    expect(stdout).toMatch(/^seed 5$/m);
    const again = fuzz(...command!.split(' '));
    expect(again.status).toBe(1);
    expect(again.stdout).toMatch(/there is a 7/);
  });

  it.each([
    ['a target that there is not', ['--target', 'nothing'], /"nothing" is none of packets, /],
    ['a file of something else', ['--repeat', 'package.json'], /package\.json is no input that the fuzzer wrote/],
  ])('refuses %s with one line and exit code 2', (_what, args, message) => {
    const { status, stderr } = fuzz(...args);
    expect(status).toBe(2);
    expect(stderr.trimEnd().split('\n')).toEqual([expect.stringMatching(message)]);
  });
});
