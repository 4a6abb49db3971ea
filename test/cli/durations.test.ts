/** Times on the command line have a unit. */

import { describe, expect, it } from 'vitest';
import { duration } from '../../src/cli/options/option-parsers.ts';
import { printedBy } from '../fuzz/command-line.ts';

const parse = duration('24h');

describe('a time with its unit', () => {
  it.each([
    ['30s', 30_000],
    ['5m', 300_000],
    ['1.5h', 5_400_000],
    ['24h', 86_400_000],
  ])('%s is %d ms', (text, ms) => {
    expect(parse(text)).toBe(ms);
  });

  it.each(['5', '5 m', '5min', '-1s', '0s', '1e3s', '24.1h', 'm', ''])('%j is refused', (text) => {
    expect(() => parse(text)).toThrow('It must be a time with its unit, above 0 and up to 24h: 30s, 5m.');
  });

  it('is asked for in one line by every measuring command', async () => {
    for (const command of [['bench', 'insert'], ['bench', 'attack'], ['profile', 'insert'], ['soak'], ['regress']]) {
      const { exitCode, error } = await printedBy([...command, '--wait-quiet', '5']);
      expect(exitCode).toBe(2);
      expect(error).toMatch(
        /^ct-bucket: .*'--wait-quiet <time>' argument '5' is invalid\. It must be a time [^\n]+\n$/,
      );
    }
  });
});
