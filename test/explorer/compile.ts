/**
 * The sources as JavaScript in a temporary folder, and copies of them with a fault put in. Compiled once for all mutants:
 * a thread then loads a copy in some tens of milliseconds.
 */

import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Edit, type Mutant, MUTANTS } from './mutants.ts';

const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url));

/** What threads and scenarios need. */
const NEEDED = [
  'src/shared',
  'src/core',
  'test/explorer',
  'test/support/frames.ts',
  'test/support/participant-slots.ts',
];

const COMPILER_OPTIONS = {
  target: 'es2023',
  module: 'nodenext',
  moduleDetection: 'force',
  types: [],
  noResolve: true,
  noCheck: true,
  isolatedModules: true,
  verbatimModuleSyntax: true,
  allowImportingTsExtensions: true,
  rewriteRelativeImportExtensions: true,
  rootDir: '.',
  outDir: 'out',
  skipLibCheck: true,
};

/** Without what stands for the order of locks: what happens when it is wrong, not that it is. */
const NO_LOCK_ORDER: readonly Edit[] = [
  {
    file: 'src/shared/sync/lockdep.ts',
    find: 'if (lock.lockClass > lockClass) {',
    replace: 'if (false as boolean) {',
  },
  {
    file: 'src/shared/sync/lockdep.ts',
    find: 'if (lock.lockClass === lockClass && !(lockClass === LockClass.bucket && sameRegion && lock.index < index)) {',
    replace: 'if (false as boolean) {',
  },
];

/** Without the ledger of records and blocks. */
const NO_LEDGER: Edit = {
  file: 'test/explorer/tables.ts',
  find: 'return { shared: { memory: ct.memory }, regions: regionsOf(ct) };',
  replace: 'return { shared: { memory: { ...ct.memory, ledger: undefined } }, regions: regionsOf(ct) };',
};

/** @throws Error if there is none of that name */
export function mutantNamed(name: string): Mutant {
  const mutant = MUTANTS.find((candidate) => candidate.name === name);
  if (mutant === undefined) {
    throw new Error(
      `there is no mutant ${JSON.stringify(name)}; they are ${MUTANTS.map((known) => known.name).join(', ')}`,
    );
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

/** The edited files of a mutant, by path. */
function filesOf(mutant: Mutant): Map<string, string> {
  const files = new Map<string, string>();
  const edits = [...mutant.edits, ...(mutant.ignoresLockOrder === true ? NO_LOCK_ORDER : [])];
  for (const edit of mutant.hasLedger === true ? edits : [...edits, NO_LEDGER]) {
    const text = files.get(edit.file) ?? readFileSync(join(REPOSITORY, edit.file), 'utf8');
    files.set(edit.file, edited(text, edit));
  }
  for (const [file, text] of files) {
    const seam = relative(dirname(file), 'src/shared/access.ts');
    files.set(file, `import * as seam from '${seam.startsWith('.') ? seam : `./${seam}`}';\n${text}`);
  }
  return files;
}

function isNeeded(path: string): boolean {
  return !/\.(test|tmp)\.ts$/.test(path);
}

export class CompiledSources {
  /** Folder with src/ and test/, as they are. */
  readonly root: string;
  readonly #folder: string;
  readonly #mutants: readonly Mutant[];

  /** @throws Error where the code has become another than one of the mutants changes */
  constructor(mutants: readonly Mutant[] = []) {
    this.#folder = mkdtempSync(join(tmpdir(), 'ct-bucket-explorer-'));
    this.#mutants = mutants;
    this.root = join(this.#folder, 'out', 'base');
    try {
      this.#stage();
      const compiler = createRequire(import.meta.url).resolve('typescript/package.json');
      execFileSync(process.execPath, [join(dirname(compiler), 'bin', 'tsc'), '-p', this.#folder], { stdio: 'pipe' });
    } catch (error) {
      this.remove();
      const output = (error as { stdout?: Buffer }).stdout?.toString().trim();
      throw output ? new Error(`the sources do not compile: ${output}`, { cause: error }) : error;
    }
  }

  #stage(): void {
    const folder = this.#folder;
    for (const path of NEEDED) {
      cpSync(join(REPOSITORY, path), join(folder, 'base', path), { recursive: true, filter: isNeeded });
    }
    for (const [n, mutant] of this.#mutants.entries()) {
      for (const [file, text] of filesOf(mutant)) {
        const path = join(folder, `mutant-${n}`, file);
        mkdirSync(dirname(path), { recursive: true });
        writeFileSync(path, text);
      }
    }
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ type: 'module' }));
    const include = readdirSync(folder).filter((name) => name !== 'package.json');
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions: COMPILER_OPTIONS, include }));
  }

  /** Folder with a mutant's src/ and test/. */
  rootOf(mutant: Mutant): string {
    const n = this.#mutants.indexOf(mutant);
    const root = join(this.#folder, 'out', `root-${n}`);
    const changed = join(this.#folder, 'out', `mutant-${n}`);
    if (existsSync(root)) {
      return root;
    }
    /* Links: a module is another one by its path alone. */
    for (const entry of readdirSync(this.root, { recursive: true, withFileTypes: true })) {
      if (entry.isFile()) {
        const path = join(entry.parentPath, entry.name);
        const name = relative(this.root, path);
        const change = join(changed, name);
        mkdirSync(dirname(join(root, name)), { recursive: true });
        linkSync(existsSync(change) ? change : path, join(root, name));
      }
    }
    return root;
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
