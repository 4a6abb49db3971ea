/** The releases of Node that CI tests, and what the pages say of them. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { NODE_RELEASES } from '../../bench/runtimes/packages.ts';
import { REPOSITORY } from '../support/child.ts';
import { endOfLife, isPastEndOfLife, majorOf, otherRelease } from './releases.ts';

const page = readFileSync(join(REPOSITORY, 'docs', 'node.md'), 'utf8');

describe('the other release of Node', () => {
  it.each([
    [20, `node${NODE_RELEASES.at(-1)}`],
    [22, `node${NODE_RELEASES.at(-1)}`],
    [NODE_RELEASES.at(-1)!, 'node20.19'],
  ])('beside Node %i is %s', (running, expected) => {
    expect(otherRelease(running, '>=20.19')).toBe(expected);
  });
});

describe('the end of life of a release', () => {
  it('is a day of the schedule of the Node project', () => {
    expect(endOfLife(majorOf('v20.20.2'))).toBe('2026-04-30');
    expect(() => endOfLife(1000)).toThrow('the package node-releases knows no Node 1000');
  });

  it('is past from the next day on', () => {
    expect(isPastEndOfLife(20, new Date('2026-04-30T23:00:00Z'))).toBe(false);
    expect(isPastEndOfLife(20, new Date('2026-05-01T00:00:00Z'))).toBe(true);
  });

  it('is on the page for every supported release, and for no other', () => {
    const rows = Array.from(page.matchAll(/^\| Node (\d+) \| (\S+) \|/gm), ([, major, end]) => [Number(major), end]);
    expect(rows).toEqual(NODE_RELEASES.map((major) => [major, endOfLife(major)]));
  });
});
