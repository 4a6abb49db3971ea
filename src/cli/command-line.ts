/**
 * Runs a command line. A tracking command does not load the modules of the measuring commands: more than half of all modules, and half
 * of the time of the start.
 */

import { type Command, CommanderError } from 'commander';
import { UsageError } from '../core/errors.ts';
import { printError } from '../host/command-end.ts';
import { refuseMisspelt } from './options/default-help.ts';
import { ExitCode } from './exit-code.ts';
import { applyOptionRules } from './options/option-rules.ts';
import { makeTrackingProgram } from './tracking-commands.ts';

/** The program with the tracking commands if that suffices, else the whole program. */
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
 * Runs a command line, prints errors, and sets the exit code of the process.
 * @param args command-line arguments, without program and script
 */
export async function runCommandLine(args: readonly string[], given?: Command): Promise<void> {
  const program = given ?? (await programFor(args));
  try {
    refuseMisspelt(program, args);
    await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) {
      /* Commander has already printed the error, or the help. */
      process.exitCode = error.exitCode === 0 ? ExitCode.ok : ExitCode.usage;
    } else if (error instanceof UsageError) {
      process.exitCode = printError(error);
    } else {
      throw error;
    }
  }
}
