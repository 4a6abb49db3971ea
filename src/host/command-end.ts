/**
 * The exit status of a command. This file alone decides it:
 *
 *   0        done, or the check passed
 *   1        the check failed
 *   2        wrong use, an unexpected error (one line on standard error), or output that cannot be written
 *   3        `regress` only: inconclusive
 *   128 + n  ended by signal n (host/signals.ts). 141 (SIGPIPE): the reader of a command that only prints has gone
 *
 * A reader that goes away does not change the result of a check: the command goes on without output. With CT_DEBUG=1 every error
 * prints its stack.
 */

import { writeSync } from 'node:fs';
import { constants, EOL } from 'node:os';
import { getSystemErrorMap } from 'node:util';
import { onOneLine, UsageError } from '../core/errors.ts';

/** Exit codes of the command. */
export const ExitCode = {
  ok: 0,
  checkFailed: 1,
  /** Wrong use, a broken file, an unexpected error. */
  usage: 2,
} as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

const SIGPIPE_CODE: number = 128 + constants.signals.SIGPIPE;

/** The error in the words of the system: "no space left on device". */
export function systemReason(error: unknown): string {
  const { code, errno, message } = error as NodeJS.ErrnoException;
  const words = errno === undefined ? undefined : getSystemErrorMap().get(errno)?.[1];
  return words ?? code ?? message;
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && typeof (error as NodeJS.ErrnoException).syscall === 'string';
}

/** The error in one line, without the program's name. */
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

/** Prints one line about an error, and with CT_DEBUG=1 its stack. @returns the exit code */
export function printError(error: unknown): ExitCode {
  const stack = process.env['CT_DEBUG'] === '1' && error instanceof Error ? `${error.stack}\n` : '';
  process.stderr.write(`ct-bucket: ${lineOfError(error)}\n${stack}`);
  return ExitCode.usage;
}

let outputProblem: string | undefined;
let endsWithItsReader = false;
let verdict: string | undefined;
let isGuarding = false;

/** For a command that only prints: it ends with 141 when its reader has gone. */
export function endWithReader(): void {
  endsWithItsReader = true;
}

/** The result of the command in one line. If standard output cannot be written, the line goes to standard error at the end. */
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

/** Reports that standard output could not be written. Runs at exit, where nothing can be awaited. */
function onExit(): void {
  if (outputProblem !== undefined) {
    process.exitCode = ExitCode.usage;
    const lines = [...(verdict === undefined ? [] : [verdict]), `cannot write standard output: ${outputProblem}`];
    try {
      writeSync(2, lines.map((line) => `ct-bucket: ${line}${EOL}`).join(''));
    } catch {
      /* Standard error cannot be written either. */
    }
  }
}

/** From now on, errors of the standard streams and uncaught errors end this process as described above. */
export function guardProcess(): void {
  if (isGuarding) {
    return;
  }
  isGuarding = true;
  process.stdout.on('error', onOutputError);
  /* An error of standard error cannot be reported anywhere. */
  process.stderr.on('error', () => {});
  process.on('exit', onExit);
  process.on('uncaughtException', (error) => {
    process.exit(printError(error));
  });
}
