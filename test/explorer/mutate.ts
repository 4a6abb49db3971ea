/** Copies of the sources with a fault put in, outside the tree. */

import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { SOURCES } from './crew.ts';
import { type Edit, type Mutant, MUTANTS } from './mutants.ts';

export interface MutantBuild {
  /** Folder with src/ and test/. */
  root: string;
  remove(): void;
}

/** What scenarios need. */
const NEEDED = ['package.json', 'src/shared', 'src/core', 'test/explorer', 'test/support/frames.ts'];

/** Without what stands for the order of locks: what happens when it is wrong, not that it is. */
const NO_LOCK_ORDER: Edit[] = [
  {
    file: 'src/shared/lockdep.ts',
    find: 'if (lock.lockClass > lockClass) {',
    replace: 'if (false as boolean) {',
  },
  {
    file: 'src/shared/lockdep.ts',
    find: 'if (lock.lockClass === lockClass && !(lockClass === LockClass.bucket && sameRegion && lock.index < index)) {',
    replace: 'if (false as boolean) {',
  },
];

export function mutantNamed(name: string): Mutant {
  const mutant = MUTANTS.find((candidate) => candidate.name === name);
  if (mutant === undefined) {
    throw new Error(`there is no mutant ${JSON.stringify(name)}`);
  }
  return mutant;
}

/** The text with the fault. @throws Error unless what is to be replaced stands there exactly once */
export function edited(text: string, { file, find, replace }: Edit): string {
  const parts = text.split(find);
  if (parts.length !== 2) {
    throw new Error(`${file}: expected once, found ${parts.length - 1} times: ${find}`);
  }
  return parts.join(replace);
}

/** @throws Error where the code has become another than a mutant changes */
export function buildMutant(mutant: Mutant): MutantBuild {
  const root = mkdtempSync(join(tmpdir(), 'ct-bucket-mutant-'));
  const remove = () => rmSync(root, { recursive: true, force: true });
  try {
    for (const path of NEEDED) {
      cpSync(join(SOURCES, path), join(root, path), { recursive: true });
    }
    symlinkSync(join(SOURCES, 'node_modules'), join(root, 'node_modules'));
    for (const edit of [...mutant.edits, ...(mutant.ignoresLockOrder === true ? NO_LOCK_ORDER : [])]) {
      const path = join(root, edit.file);
      writeFileSync(path, edited(readFileSync(path, 'utf8'), edit));
    }
    for (const file of new Set(mutant.edits.map((edit) => edit.file))) {
      const path = join(root, file);
      const seam = relative(dirname(path), join(root, 'src/shared/access.ts'));
      const from = seam.startsWith('.') ? seam : `./${seam}`;
      writeFileSync(path, `import * as seam from '${from}';\n${readFileSync(path, 'utf8')}`);
    }
  } catch (error) {
    remove();
    throw error;
  }
  return { root, remove };
}
