/**
 * The files that a command writes. All are opened before work begins: a folder that is not there is said at once, not after
 * an hour. What is written goes into a file beside it, FILE.PID-xxxxxx.part, which gets its name in one step at the end. So FILE is
 * never half a file. An earlier FILE steps aside when work begins, as FILE.previous, and is removed when the new one is
 * there: after a failed or interrupted run nobody takes yesterday's results for today's, and nothing is lost.
 *
 * `-` is standard output, as is /dev/stdout; what the command prints for people goes to standard error then. Pipes and
 * devices are written directly. A file in a folder that takes no new files is written in place.
 */

import { renameSync, statSync } from 'node:fs';
import { UsageError } from '../core/errors.ts';
import { OutputFile } from './output-file.ts';

const UNFINISHED = '.unfinished';

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
