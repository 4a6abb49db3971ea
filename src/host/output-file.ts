/** One output file of a command. output-files.ts says how it is written. */

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

/** 'aside': into FILE.PID-xxxxxx.part first. 'in place': the folder takes no new file. 'directly': a pipe or a device. */
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

  /** @throws UsageError if the path cannot be written */
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

  /** @returns false if the folder takes no new file, so that the old file is written in place */
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

  /** Path of the .part file, for another process that writes it; undefined if there is none. */
  get part(): string | undefined {
    return this.#part;
  }

  /** Work begins: the file of an earlier run becomes FILE.previous. */
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

  /** The file is complete and gets its name. @throws UsageError */
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

  /** Drops the file. An earlier one stays as FILE.previous. */
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
