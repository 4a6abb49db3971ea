import { closeSync, fstatSync, ftruncateSync, openSync, readSync, rmSync, statSync } from 'node:fs';
import { atEnd } from './cleanup.ts';
import { cannotWrite, isStdout, openPipe, STDOUT, writeAll } from './output-paths.ts';

/** A history: a file to which lines are added. Each line is written whole or not at all. */
export class LineLog {
  readonly #path: string;
  readonly #file: number;
  readonly #isNew: boolean;
  readonly #forget: () => void;
  #isUsed = false;

  /** Opens the file, and creates it if it does not exist. @throws UsageError */
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
      /* If an earlier process wrote half a line, the new line must not continue it. */
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

  /** Closes the file. Removes it if this object created it and added no line. */
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
