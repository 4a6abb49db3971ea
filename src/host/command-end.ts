/**
 * What a command ends with. This file alone decides it:
 *
 *   0        it is so; it is done
 *   1        the thing that was checked is not so
 *   2        wrong use, or an error that nobody foresaw: one line on standard error; also where output cannot be written
 *   3        `regress` only: inconclusive
 *   128 + n  signal n ended it (host/signals.ts). 141 (SIGPIPE): the reader of a command that only prints went away
 *
 * A reader that goes away does not change what a check found: the command goes on without output. CT_DEBUG=1 prints the
 * stack of every error.
 */

import { writeSync } from 'node:fs';
import { constants, EOL } from 'node:os';
import { getSystemErrorMap } from 'node:util';
import { onOneLine, UsageError } from '../core/errors.ts';

/** Exit codes of the command. */
export const ExitCode = {
  ok: 0,
  /** The thing that was checked is not so. */
  checkFailed: 1,
  /** Wrong use, a broken file, an error that nobody foresaw. */
  usage: 2,
} as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

const SIGPIPE_CODE: number = 128 + constants.signals.SIGPIPE;

/** The system's own words: "no space left on device". */
export function systemReason(error: unknown): string {
  const { code, errno, message } = error as NodeJS.ErrnoException;
  const words = errno === undefined ? undefined : getSystemErrorMap().get(errno)?.[1];
  return words ?? code ?? message;
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && typeof (error as NodeJS.ErrnoException).syscall === 'string';
}

/** What is wrong, in one line, without the program's name. */
export function lineOfError(error: unknown): string {
  if (error instanceof UsageError) {
    return error.message;
  }
  if (isSystemError(error)) {
    const { path, syscall } = error;
    return onOneLine(`${path === undefined ? `${syscall} failed` : path}: ${systemReason(error)}`);
  }
  if (error instanceof Error && error.name === 'SampleFailure') {
    return onOneLine(error.message);
  }
  const message = onOneLine(error instanceof Error ? error.message : String(error));
  return `unexpected error: ${message || 'without a message'} (CT_DEBUG=1 prints the stack)`;
}

/** Prints one line about an error; with CT_DEBUG=1 the stack too. @returns the exit code */
export function printError(error: unknown): ExitCode {
  const stack = process.env['CT_DEBUG'] === '1' && error instanceof Error ? `${error.stack}\n` : '';
  process.stderr.write(`ct-bucket: ${lineOfError(error)}\n${stack}`);
  return ExitCode.usage;
}

let outputProblem: string | undefined;
let endsWithItsReader = false;
let verdict: string | undefined;
let isGuarding = false;

/** This command does nothing but print: once nobody reads it, it ends with 141. */
export function endWithReader(): void {
  endsWithItsReader = true;
}

/** The line that must reach somebody: if standard output cannot be written, it goes to standard error at the end. */
export function concludeWith(line: string): void {
  verdict = line;
}

function onOutputError(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') {
    if (endsWithItsReader) {
      process.exit(SIGPIPE_CODE);
    }
    return;
  }
  if (outputProblem === undefined) {
    outputProblem = systemReason(error);
    if (endsWithItsReader) {
      process.exit(ExitCode.usage);
    }
  }
}

/** The last word about standard output; nothing can be awaited any more. */
function onExit(): void {
  if (outputProblem !== undefined) {
    process.exitCode = ExitCode.usage;
    const lines = [...(verdict === undefined ? [] : [verdict]), `cannot write standard output: ${outputProblem}`];
    try {
      writeSync(2, lines.map((line) => `ct-bucket: ${line}${EOL}`).join(''));
    } catch {
      /* Standard error is gone, too. */
    }
  }
}

/** From now on errors of the standard streams, and errors that nobody catches, end this process as said above. */
export function guardProcess(): void {
  if (isGuarding) {
    return;
  }
  isGuarding = true;
  process.stdout.on('error', onOutputError);
  /* Nobody is left to be told. */
  process.stderr.on('error', () => {});
  process.on('exit', onExit);
  process.on('uncaughtException', (error) => {
    process.exit(printError(error));
  });
}
