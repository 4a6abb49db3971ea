/**
 * A history to search: a temporary clone with commits of its own, one of which makes the packet path slower. All others change the code,
 * comments, or other parts of the program, and make nothing slower.
 */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { UsageError } from '../../../src/core/errors.ts';
import { seededRandom } from '../../statistics/statistics.ts';
import type { Patch } from '../../studies/variants.ts';
import { filesOf, git, GitError, repositoryOf } from '../builds/git.ts';
import { cloneHere, patchSource } from './planted-clone.ts';

export interface PlantedHistory {
  /** The clone. It ends with its process at the latest. */
  folder: string;
  /** The commit before all others, and the last one. */
  good: string;
  bad: string;
  /** The id of the commit with the plant, and its number from 1. */
  planted: string;
  place: number;
  remove(): void;
}

export interface PlantOptions {
  /** A folder inside the repository. Its commit HEAD is the good one. */
  repository: string;
  commits: number;
  /** The plant, as patches of sources. */
  patches: readonly Patch[];
  seed: number;
}

const USER = ['-c', 'user.name=selftest', '-c', 'user.email=selftest@localhost', '-c', 'commit.gpgsign=false'];
const NO_HOOKS = ['-c', 'core.hooksPath=/dev/null'];
/** Where packets pass, and what the package has besides. The build replaces the first source by the packet module. */
const PACKET_PATH = /^src\/(core|shared)\/(?!.*compiled-module\.ts$).*\.ts$/;
const OTHERS = /^src\/cli\/.*\.ts$/;

/** A change without effect. Its kind says what the commit changes. */
interface Harmless {
  kind: string;
  files: RegExp;
  line: (number: number) => string;
}

/* A statement runs once, when its module is loaded. The build cannot leave it out. */
const statement = (number: number) => `Reflect.set(globalThis, 'ctHarmless${number}', ${number});\n`;
const HARMLESS: readonly Harmless[] = [
  { kind: 'A statement in the packet path', files: PACKET_PATH, line: statement },
  { kind: 'Another statement in the packet path', files: PACKET_PATH, line: statement },
  { kind: 'A comment in the packet path', files: PACKET_PATH, line: (number) => `/* Change ${number}. */\n` },
  { kind: 'A statement in the command line', files: OTHERS, line: statement },
];

/** Makes the clone and its commits. @throws UsageError with git's reason, or if the plant does not fit the sources */
export function plantHistory({ repository, commits, patches, seed }: PlantOptions): PlantedHistory {
  const { root } = repositoryOf(repository);
  let remove = (): void => {};
  try {
    const clone = cloneHere(repository);
    const { folder } = clone;
    remove = clone.remove;
    const head = (): string => git(folder, ['rev-parse', 'HEAD']).trim();
    const good = head();
    const random = seededRandom(seed);
    const place = 1 + Math.floor(random() * commits);
    const names = [...filesOf(good, repositoryOf(folder)).keys()];
    const one = <Item>(items: readonly Item[]): Item => items[Math.floor(random() * items.length)]!;
    let planted = good;
    for (let number = 1; number <= commits; number++) {
      const { kind, files, line } = one(HARMLESS);
      const file = one(names.filter((name) => files.test(name)));
      if (file === undefined) {
        throw new UsageError(`${root} has no sources like ${files}: selftest --bisections needs a clone of ct-bucket`);
      }
      if (number === place) {
        patches.forEach((patch) => patchSource(folder, patch));
      } else {
        const source = join(folder, file);
        writeFileSync(source, `${readFileSync(source, 'utf8')}${line(number)}`);
      }
      const title = number === place ? `Change ${number}: the plant` : `Change ${number}: ${kind}`;
      git(folder, [...USER, ...NO_HOOKS, 'commit', '--quiet', '--all', '--no-verify', '-m', title]);
      planted = number === place ? head() : planted;
    }
    return { folder, good, bad: head(), planted, place, remove };
  } catch (error) {
    remove();
    throw error instanceof GitError ? new UsageError(`${root}: ${error.message}`) : error;
  }
}
