/** The command, from its first line to its exit code. */

import { guardProcess, printError } from '../host/command-end.ts';
import { watchSignals } from '../host/signals.ts';
import { runCommandLine } from './command-line.ts';

/** @param args without program and script */
export async function start(args: readonly string[]): Promise<void> {
  guardProcess();
  watchSignals();
  try {
    await runCommandLine(args);
  } catch (error) {
    process.exitCode = printError(error);
  }
}
