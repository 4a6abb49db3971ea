/**
 * Help of commands with a default: `regress --help` shows the options of `regress run` as well, since `regress --base main` is
 * what people write.
 */

import type { Command } from 'commander';

/** The command that is meant if none is named. */
function defaultOf(command: Command): Command | undefined {
  const name = (command as unknown as { _defaultCommandName?: string | null })._defaultCommandName;
  return command.commands.find((child) => child.name() === name);
}

/** Appends the options of the default commands to the help of their parents. */
export function addHelpOfDefaults(program: Command): void {
  for (const command of program.commands) {
    const child = defaultOf(command);
    if (child !== undefined) {
      command.addHelpText('after', () => {
        const help = child.helpInformation();
        const from = help.indexOf('\nOptions:');
        return `\nOptions of ${command.name()} ${child.name()}, which is meant if no command is named:${help.slice(from + '\nOptions:'.length).trimEnd()}`;
      });
    }
    addHelpOfDefaults(command);
  }
}
