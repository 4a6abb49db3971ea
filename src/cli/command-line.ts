/**
 * Runs a command line. A command that tracks packets starts without what the measuring commands need: these are more than half of
 * all modules, and loading them takes as long as everything else at the start.
 */

import { type Command, CommanderError } from 'commander';
import { UsageError } from '../core/errors.ts';
import { printError } from '../host/command-end.ts';
import { refuseMisspelt } from './default-help.ts';
import { ExitCode } from './exit-code.ts';
import { applyOptionRules } from './option-rules.ts';
import { makeTrackingProgram } from './tracking-commands.ts';

/** The program, or the part of it that knows the command. The help of the program tells of all. */
async function programFor([name]: readonly string[]): Promise<Command> {
  const tracking = makeTrackingProgram();
  const isKnown = name === '--version' || tracking.commands.some((command) => command.name() === name);
  if (!isKnown) {
    const { makeProgram } = await import('./program.ts');
    return makeProgram();
  }
  applyOptionRules(tracking);
  return tracking;
}

/**
 * Runs a command line and sets the exit code of the process; what is wrong with it is printed.
 * @param args without program and script
 */
export async function runCommandLine(args: readonly string[], given?: Command): Promise<void> {
  const program = given ?? (await programFor(args));
  try {
    refuseMisspelt(program, args);
    await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) {
      /* Commander has printed what was wrong, or the help that was asked for. */
      process.exitCode = error.exitCode === 0 ? ExitCode.ok : ExitCode.usage;
    } else if (error instanceof UsageError) {
      process.exitCode = printError(error);
    } else {
      throw error;
    }
  }
}
