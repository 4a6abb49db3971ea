/** Runs each target of the fuzzer for a moment. `npm run fuzz` does more. */

import { describe, expect, it } from 'vitest';
import { runSession, type SessionOptions, type SessionReport } from './session.ts';
import { TARGETS, targetOf } from './targets.ts';
import { watchedSession } from './watch.ts';

const SEED = 20_260_701;
/** Number of inputs by target: about half a second each. */
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
/** Targets that capture output. They run in a thread of their own, where vitest does not capture it too. */
const INPUTS_OF_PRINTERS: Record<string, number> = { files: 40, replays: 2 };
/** States that the inputs of the target packets must reach. */
const STATES = ['new|trk', 'est|trk', 'est|rpl|trk', 'rel|trk', 'inv|trk', 'new|trk|snat', 'est|trk|dnat', 'held'];

function limits(inputs: number): SessionOptions {
  return { seed: SEED, first: 0, ms: Number.POSITIVE_INFINITY, inputs, shared: false };
}

function expectNothing({ target, inputs, found }: SessionReport, atLeast: number): void {
  expect(found.map(({ number, message, text }) => `${target} ${number}: ${message}\n${text.slice(0, 2000)}`)).toEqual(
    [],
  );
  expect(inputs).toBeGreaterThanOrEqual(atLeast);
}

describe('the fuzzer finds no fault with a fixed seed', () => {
  it.each(Object.entries(INPUTS))('in the target %s', async (name, inputs) => {
    const report = await runSession(targetOf(name), limits(inputs));
    expectNothing(report, inputs);
    if (name === 'packets') {
      expect(STATES.filter((state) => (report.tally[state] ?? 0) === 0)).toEqual([]);
    }
  });

  it.each(Object.entries(INPUTS_OF_PRINTERS))('in the target %s, which prints', async (name, inputs) => {
    expectNothing(await watchedSession(name, limits(inputs)), inputs);
  });

  it('in all targets, each of which is in one of the two lists', () => {
    expect(TARGETS.map(({ name }) => name).toSorted()).toEqual(
      Object.keys({ ...INPUTS, ...INPUTS_OF_PRINTERS }).toSorted(),
    );
  });
});
