/**
 * One file that a command writes. What is written goes into a file beside it, FILE.PID-xxxxxx.part, which gets its name in one step
 * at the end. A file in a folder that takes no new files is written in place, pipes and devices directly.
 */

import { randomBytes } from 'node:crypto';
import {
  accessSync,
  closeSync,
  constants,
  ftruncateSync,
  openSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { UsageError } from '../core/errors.ts';
import { atEnd } from './cleanup.ts';
import { cannotWrite, isStdout, openPipe, targetOf, writeAll } from './output-paths.ts';

const PART = '.part';
const PREVIOUS = '.previous';
const NEW_FILE_MODE = 0o666;

export type Way = 'stdout' | 'aside' | 'in place' | 'directly';

export class OutputFile {
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
