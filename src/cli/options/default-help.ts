/**
 * Commands with a default command. People write `regress --base main` for `regress run --base main`, so `regress --help` shows the options
 * of `regress run` as well.
 */

import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { onOneLine, UsageError } from '../../core/errors.ts';
import { didYouMean, nearestName } from '../../core/options/nearest-name.ts';

/** The default command of a command. */
function defaultOf(command: Command): Command | undefined {
  const name = (command as unknown as { _defaultCommandName?: string | null })._defaultCommandName;
  return command.commands.find((child) => child.name() === name);
}

/**
 * Refuses a misspelt command, as in `regress mrege a.json`. Otherwise the default command would complain about its arguments.
 * @throws UsageError
 */
export function refuseMisspelt(program: Command, args: readonly string[]): void {
  const command = program.commands.find((each) => each.name() === args[0]);
  const [, name] = args;
  if (args[0] === 'help' && args.length === 2 && name !== undefined && !name.startsWith('-')) {
    const names = program.commands.map((each) => each.name());
    if (![...names, 'help'].includes(name)) {
      throw new UsageError(`there is no command '${onOneLine(name)}'${didYouMean(name, names)}`);
    }
  }
  if (command === undefined || name === undefined || name.startsWith('-') || existsSync(name)) {
    return;
  }
  const child = defaultOf(command);
  const names = command.commands.map((each) => each.name());
  if (child === undefined || [...names, 'help'].includes(name)) {
    return;
  }
  const takesNone = child.registeredArguments.length === 0;
  const others = names.filter((each) => each !== child.name());
  const near = nearestName(name, others);
  if (takesNone || (near !== undefined && command.name() === 'profile' && args.length > 2)) {
    throw new UsageError(`${command.name()} has no command '${onOneLine(name)}'${didYouMean(name, names)}`);
  }
}

/** Appends the options of the default command to the help of its parent. */
export function withHelpOfDefault(parent: Command): Command {
  const child = defaultOf(parent)!;
  const title = `Options of ${parent.name()} ${child.name()}, the default command:`;
  return parent.addHelpText('after', () => `\n${title}\n${optionsOf(child)}`);
}

/** The options part of a command's help, without -h. */
function optionsOf(command: Command): string {
  const help = command.helpInformation();
  const heading = command.options[0]?.helpGroupHeading ?? 'Options:';
  const last = help.lastIndexOf('\nOptions:');
  return help.slice(help.indexOf(`\n${heading}`), last > 0 ? last : undefined).trimEnd();
}
