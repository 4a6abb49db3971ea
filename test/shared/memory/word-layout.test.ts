/** Offsets computed from the sizes of fields. */

import { describe, expect, it } from 'vitest';
import { wordLayout } from '../../../src/shared/memory/word-layout.ts';

describe('a layout of words', () => {
  it('puts each field behind the one before, and gives no offset to gaps', () => {
    expect(wordLayout('a test', 10, { FIRST: 1, LONG: 4, _GAP: 2, LAST: 3 })).toEqual({ FIRST: 0, LONG: 1, LAST: 7 });
  });

  it('is refused unless its fields fill the whole', () => {
    expect(() => wordLayout('a test', 4, { A: 1, B: 4 })).toThrow('the fields of a test take 5 words, not 4');
    expect(() => wordLayout('a test', 8, { A: 1, B: 4 })).toThrow('the fields of a test take 5 words, not 8');
  });
});
