/**
 * The output files of a command. All are opened before work begins, so that a wrong path fails at once, not after an hour.
 *
 * Output goes into FILE.PID-xxxxxx.part, which is renamed to FILE at the end. So FILE is never half-written. When work begins, an
 * earlier FILE is renamed to FILE.previous. It is removed when the new one is complete. So nobody takes old results for new ones
 * after a failed run, and nothing is lost.
 *
 * `-` and /dev/stdout are standard output. Text for people then goes to standard error. Pipes and devices are written directly. If
 * the folder takes no new files, FILE is written in place.
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
   * Opens all files. Call `begin` before work begins. Until then an earlier FILE can still be read.
   * @throws UsageError, with no file left open
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

  /** @throws UsageError if the input is one of the output files: `begin` would rename it */
  refuseInput(path: string): void {
    const input = path === '-' ? undefined : statSync(path, { throwIfNoEntry: false });
    for (const [option, { target, way }] of this.#files) {
      const found = way === 'aside' || way === 'in place' ? statSync(target, { throwIfNoEntry: false }) : undefined;
      if (input !== undefined && found !== undefined && input.dev === found.dev && input.ino === found.ino) {
        throw new UsageError(`--${option} names the input file, ${path}: name another one`);
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

  /** Whether the file is standard output. */
  isPrinted(option: string): boolean {
    return this.#files.get(option)?.way === 'stdout';
  }

  /** See OutputFile.part. */
  partOf(option: string): string | undefined {
    return this.#files.get(option)?.part;
  }

  /**
   * Writes all files, and gives them their names.
   * @param contents by option. A function is called only if its file was asked for
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

  /** Keeps an incomplete file as FILE.unfinished. */
  keepUnfinished(option: string): void {
    const file = this.#files.get(option);
    const { part } = file ?? {};
    if (file !== undefined && part !== undefined && statSync(part).size > 0) {
      const kept = `${file.target}${UNFINISHED}`;
      renameSync(part, kept);
      console.error(`ct-bucket: the unfinished output is in ${kept}`);
    }
  }

  /** All files are complete and get their names. @throws UsageError */
  commit(): void {
    this.#files.forEach((file) => file.commit());
    this.#files.clear();
    this.#restorePrinting();
  }

  /** Drops all files that were not committed. May be called at any time. */
  discard(): void {
    this.#files.forEach((file) => file.discard());
    this.#files.clear();
    this.#restorePrinting();
  }
}

/**
 * Opens the files, runs the work, and drops files that it has not written.
 * @param input path of the input file, which must not be among the outputs
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
