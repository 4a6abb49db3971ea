/**
 * The files that a command writes. All are opened before work begins: a folder that is not there is said at once, not after
 * an hour. What is written goes into a file beside it, FILE.PID-xxxxxx.part, which gets its name in one step at the end. So FILE is
 * never half a file. An earlier FILE steps aside when work begins, as FILE.previous, and is removed when the new one is
 * there: after a failed or interrupted run nobody takes yesterday's results for today's, and nothing is lost.
 *
 * `-` is standard output, as is /dev/stdout; what the command prints for people goes to standard error then. Pipes and
 * devices are written directly. A file in a folder that takes no new files is written in place.
 */

import { randomBytes } from 'node:crypto';
import {
  accessSync,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  ftruncateSync,
  openSync,
  realpathSync,
  readlinkSync,
  readSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, isAbsolute, join, resolve } from 'node:path';
import { UsageError } from '../core/errors.ts';
import { atEnd } from './cleanup.ts';
import { systemReason } from './command-end.ts';

const STDOUT = 1;
const PART = '.part';
const PREVIOUS = '.previous';
const UNFINISHED = '.unfinished';
const NEW_FILE_MODE = 0o666;
/** Links of a link: as many as Linux follows. */
const MOST_LINKS = 40;

function cannotWrite(path: string, error: unknown): UsageError {
  const reason = error instanceof UsageError ? error.message : reasonOf(path, error);
  return new UsageError(`cannot write ${path}: ${reason}`, { cause: error });
}

function isLinkAt(path: string): boolean {
  try {
    return lstatSync(path).isSymbolicLink();
  } catch {
    return false;
  }
}

function reasonOf(path: string, error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    /* Of a link that leads nowhere the folder of its end is missing, not its own. */
    const isLink = isLinkAt(path);
    return `there is no folder ${dirname(isLink ? targetOf(path) : path)}`;
  }
  return code === 'EISDIR' ? 'it is a folder' : systemReason(error);
}

/** Writes all of it; a pipe may take it in pieces. */
function writeAll(file: number, content: string | Uint8Array): void {
  const bytes = typeof content === 'string' ? Buffer.from(content) : content;
  for (let at = 0; at < bytes.length; ) {
    at += writeSync(file, bytes, at);
  }
}

/** Where a path leads: links followed to their end, which need not be there. */
function targetOf(path: string): string {
  let target = resolve(path);
  for (let links = 0; links < MOST_LINKS; links++) {
    try {
      return realpathSync(target);
    } catch {
      let next: string;
      try {
        next = readlinkSync(target);
      } catch {
        return target;
      }
      target = isAbsolute(next) ? next : join(dirname(target), next);
    }
  }
  return target;
}

function isStdout(path: string, found: Stats | undefined): boolean {
  if (path === '-' || ['/dev/stdout', '/dev/fd/1', '/proc/self/fd/1'].includes(path)) {
    return true;
  }
  if (found === undefined || !found.isFile()) {
    return false;
  }
  const own = fstatSync(STDOUT);
  return own.dev === found.dev && own.ino === found.ino;
}

type Way = 'stdout' | 'aside' | 'in place' | 'directly';

class OutputFile {
  readonly path: string;
  readonly way: Way;
  readonly target: string;
  #file = -1;
  #part: string | undefined;
  #previous: string | undefined;
  #isInPlaceNew = false;
  #forget = (): unknown => undefined;

  /** @throws UsageError if it cannot be written */
  constructor(path: string) {
    this.path = path;
    this.target = path === '-' ? '-' : targetOf(path);
    try {
      const found = path === '-' ? undefined : statSync(this.target, { throwIfNoEntry: false });
      if (isStdout(path, found)) {
        this.way = 'stdout';
        return;
      }
      if (found?.isDirectory() === true || path.endsWith('/')) {
        throw new UsageError('it is a folder');
      }
      if (found !== undefined && !found.isFile()) {
        this.way = 'directly';
        this.#file = found.isFIFO() ? openPipe(this.target) : openSync(this.target, 'w');
      } else {
        if (found !== undefined) {
          accessSync(this.target, constants.W_OK);
        }
        this.way = this.#openAside(found) ? 'aside' : 'in place';
      }
    } catch (error) {
      throw cannotWrite(path, error);
    }
    this.#forget = atEnd(() => this.discard());
  }

  /** @returns false where the folder takes no new file and the old one can be written */
  #openAside(found: Stats | undefined): boolean {
    const part = join(
      dirname(this.target),
      `${basename(this.target)}.${process.pid}-${randomBytes(3).toString('hex')}${PART}`,
    );
    try {
      this.#file = openSync(part, 'wx', found === undefined ? NEW_FILE_MODE : found.mode & 0o777);
      this.#part = part;
      return true;
    } catch (error) {
      if (found === undefined || !['EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) {
        throw error;
      }
      this.#file = openSync(this.target, 'r+');
      return false;
    }
  }

  /** The path of the file beside it, for another process that writes it; undefined if it is written otherwise. */
  get part(): string | undefined {
    return this.#part;
  }

  /** Work begins: what an earlier run has left is no result any more. */
  begin(): void {
    if (this.way === 'in place') {
      ftruncateSync(this.#file);
      this.#isInPlaceNew = true;
    } else if (this.way === 'aside' && statSync(this.target, { throwIfNoEntry: false }) !== undefined) {
      const previous = `${this.target}${PREVIOUS}`;
      renameSync(this.target, previous);
      this.#previous = previous;
    }
  }

  /** @throws UsageError */
  write(content: string | Uint8Array): void {
    try {
      if (this.way === 'stdout') {
        process.stdout.write(content);
      } else {
        writeAll(this.#file, content);
      }
    } catch (error) {
      throw cannotWrite(this.path, error);
    }
  }

  /** It is complete. @throws UsageError */
  commit(): void {
    try {
      this.#close();
      if (this.#part !== undefined) {
        renameSync(this.#part, this.target);
        this.#part = undefined;
      }
    } catch (error) {
      throw cannotWrite(this.path, error);
    }
    this.#forget();
    if (this.#previous !== undefined) {
      rmSync(this.#previous, { force: true });
    }
  }

  /** It is not to be. */
  discard(): void {
    this.#forget();
    this.#close();
    if (this.#part !== undefined) {
      rmSync(this.#part, { force: true });
      this.#part = undefined;
    }
    if (this.#previous !== undefined) {
      console.error(`ct-bucket: ${this.path} was not written; the earlier one is ${this.path}${PREVIOUS}`);
      this.#previous = undefined;
    } else if (this.#isInPlaceNew) {
      console.error(`ct-bucket: ${this.path} was not written; it is empty`);
    }
  }

  #close(): void {
    if (this.#file >= 0) {
      const file = this.#file;
      this.#file = -1;
      closeSync(file);
    }
  }
}

/** A pipe without a reader would hold this process up, deaf to signals. @throws UsageError */
function openPipe(path: string): number {
  let first: number;
  try {
    first = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENXIO') {
      throw new UsageError('nobody reads this pipe: start its reader first');
    }
    throw error;
  }
  /* Its reader is there: opened once more it waits for that reader, as a writer should. */
  const file = openSync(path, 'w');
  closeSync(first);
  return file;
}

/** Paths by the option that names them, without its dashes. */
export type OutputPaths = Readonly<Record<string, string | undefined>>;

export class OutputFiles {
  readonly #files = new Map<string, OutputFile>();
  #restorePrinting = (): void => {};

  /**
   * Opens all files. Call `begin` before work begins; between both, files may be read that are among them.
   * @throws UsageError, with none left open
   */
  constructor(paths: OutputPaths) {
    try {
      for (const [option, path] of Object.entries(paths)) {
        if (path !== undefined) {
          this.#open(option, path);
        }
      }
    } catch (error) {
      this.discard();
      throw error;
    }
    if ([...this.#files.values()].some(({ way }) => way === 'stdout')) {
      this.#printToStandardError();
    }
  }

  #open(option: string, path: string): void {
    if (path === '') {
      throw new UsageError(`--${option} needs the name of a file`);
    }
    const file = new OutputFile(path);
    const same = [...this.#files].find(
      ([, { target, way }]) => way !== 'directly' && (target === file.target || (way === 'stdout' && file.way === way)),
    );
    if (same !== undefined) {
      file.discard();
      throw new UsageError(`--${same[0]} and --${option} name the same file, ${path}`);
    }
    this.#files.set(option, file);
  }

  #printToStandardError(): void {
    const { log } = console;
    console.log = (...parts: unknown[]) => console.error(...parts);
    this.#restorePrinting = () => {
      console.log = log;
    };
  }

  /** @throws UsageError if one of them is the file that is read: `begin` would take it away */
  refuseInput(path: string): void {
    const input = path === '-' ? undefined : statSync(path, { throwIfNoEntry: false });
    for (const [option, { target, way }] of this.#files) {
      const found = way === 'aside' || way === 'in place' ? statSync(target, { throwIfNoEntry: false }) : undefined;
      if (input !== undefined && found !== undefined && input.dev === found.dev && input.ino === found.ino) {
        throw new UsageError(`--${option} names the file that is read, ${path}: name another one`);
      }
    }
  }

  /** Work begins. */
  begin(): this {
    this.#files.forEach((file) => file.begin());
    return this;
  }

  has(option: string): boolean {
    return this.#files.has(option);
  }

  /** Does it go to standard output? */
  isPrinted(option: string): boolean {
    return this.#files.get(option)?.way === 'stdout';
  }

  /** See OutputFile.part. */
  partOf(option: string): string | undefined {
    return this.#files.get(option)?.part;
  }

  /**
   * Writes what was asked for, and gives the files their names.
   * @param contents by option; asked only for files that are wanted
   * @throws UsageError, with no file written
   */
  write(contents: Readonly<Record<string, () => string | Uint8Array>>): void {
    try {
      for (const [option, file] of this.#files) {
        file.write(contents[option]!());
      }
      this.commit();
    } catch (error) {
      this.discard();
      throw error;
    }
  }

  /** It will not be completed, but what is there may be of use: it gets the name FILE.unfinished. */
  keepUnfinished(option: string): void {
    const file = this.#files.get(option);
    const { part } = file ?? {};
    if (file !== undefined && part !== undefined && statSync(part).size > 0) {
      const kept = `${file.target}${UNFINISHED}`;
      renameSync(part, kept);
      console.error(`ct-bucket: what was written before is in ${kept}`);
    }
  }

  /** They are complete. @throws UsageError */
  commit(): void {
    this.#files.forEach((file) => file.commit());
    this.#files.clear();
    this.#restorePrinting();
  }

  /** What was not committed is not to be. May be called at any time. */
  discard(): void {
    this.#files.forEach((file) => file.discard());
    this.#files.clear();
    this.#restorePrinting();
  }
}

/**
 * Opens files, lets work be done, and discards what was not written.
 * @param input the file that the work reads
 * @throws UsageError
 */
export async function withOutputFiles<Result>(
  paths: OutputPaths,
  work: (outputs: OutputFiles) => Result | Promise<Result>,
  input?: string,
): Promise<Result> {
  const outputs = new OutputFiles(paths);
  try {
    if (input !== undefined) {
      outputs.refuseInput(input);
    }
    return await work(outputs.begin());
  } finally {
    outputs.discard();
  }
}

export function jsonText(content: unknown): string {
  return `${JSON.stringify(content, undefined, 2)}\n`;
}

/** A file to which lines are added: a history. A line is there as a whole or not at all. */
export class LineLog {
  readonly #path: string;
  readonly #file: number;
  readonly #isNew: boolean;
  readonly #forget: () => void;
  #isUsed = false;

  /** Opens it, and makes it if it is not there. @throws UsageError */
  constructor(path: string) {
    this.#path = path;
    const found = path === '-' ? undefined : statSync(path, { throwIfNoEntry: false });
    this.#isNew = path !== '-' && found === undefined;
    try {
      this.#file = isStdout(path, found) ? STDOUT : found?.isFIFO() === true ? openPipe(path) : openSync(path, 'a+');
    } catch (error) {
      throw cannotWrite(path, error);
    }
    this.#forget = atEnd(() => this.close());
  }

  /** @throws UsageError */
  add(line: string): void {
    if (this.#file === STDOUT) {
      process.stdout.write(`${line}\n`);
      return;
    }
    const before = fstatSync(this.#file);
    try {
      /* A line that an earlier process could not end stays a line of its own. */
      const start = before.isFile() && before.size > 0 && !endsWithLineFeed(this.#file, before.size) ? '\n' : '';
      writeAll(this.#file, `${start}${line}\n`);
      this.#isUsed = true;
    } catch (error) {
      if (before.isFile()) {
        ftruncateSync(this.#file, before.size);
      }
      throw cannotWrite(this.#path, error);
    }
  }

  /** A file that was made for nothing is removed. */
  close(): void {
    this.#forget();
    if (this.#file !== STDOUT) {
      closeSync(this.#file);
      if (this.#isNew && !this.#isUsed) {
        rmSync(this.#path, { force: true });
      }
    }
  }
}

function endsWithLineFeed(file: number, size: number): boolean {
  const last = Buffer.alloc(1);
  readSync(file, last, 0, 1, size - 1);
  return last[0] === 0x0a;
}
