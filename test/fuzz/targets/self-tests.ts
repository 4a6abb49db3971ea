/** Targets that fail on purpose, to test the fuzzer itself. */

import type { Random } from '../random.ts';
import { Finding, type Target } from '../target.ts';

interface Digits {
  digits: number[];
}

function digits(random: Random): Digits {
  return { digits: Array.from({ length: 20 }, () => random.below(100)) };
}

function selfTest(name: string, run: (input: Digits) => void): Target<Digits> {
  return {
    name,
    about: 'fails on purpose',
    weight: 1,
    generate: digits,
    run: (input, tally) => {
      tally.add('digits', input.digits.length);
      run(input);
      return 1;
    },
    shrink: function* (input) {
      for (let at = 0; at < input.digits.length; at++) {
        yield { digits: input.digits.toSpliced(at, 1) };
      }
    },
  };
}

const kept: Uint8Array[] = [];

export const SELF_TESTS: readonly Target[] = [
  selfTest('self-throws', (input) => {
    if (input.digits.includes(7)) {
      throw new Finding('there is a 7');
    }
  }),
  selfTest('self-hangs', (input) => {
    /* eslint-disable-next-line no-empty -- it must hang */
    while (input.digits.includes(7)) {}
  }),
  selfTest('self-dies', (input) => {
    if (input.digits.includes(7)) {
      process.exit(0);
    }
  }),
  selfTest('self-grows', () => {
    kept.push(new Uint8Array(1 << 16).fill(1));
  }),
] as Target[];
