/** The look of `--help`: short summaries in lists, choices and defaults in brackets, examples and exit status at the end. */

import type { Argument, Command, Help, Option } from 'commander';

function defaultOf({ defaultValue, defaultValueDescription }: Option | Argument): string | undefined {
  if (defaultValueDescription !== undefined) {
    return defaultValueDescription;
  }
  /* Flags are off by default: help need not say that. */
  return defaultValue === undefined || typeof defaultValue === 'boolean' ? undefined : String(defaultValue);
}

function described(item: Option | Argument, isRequired: boolean): string {
  const preset = defaultOf(item);
  const notes = [
    ...(item.argChoices === undefined ? [] : [`one of ${item.argChoices.join(', ')}`]),
    ...(preset === undefined ? [] : [`default: ${preset}`]),
    ...(isRequired ? ['required'] : []),
  ];
  return notes.length === 0 ? item.description : `${item.description} (${notes.join('; ')})`;
}

/** For `configureHelp`. Commands inherit it from their parents. */
export const HELP_STYLE: Partial<Help> = {
  optionDescription: (option) => described(option, option.mandatory),
  argumentDescription: (argument) => described(argument, false),
  /* The command's own help shows its arguments. */
  subcommandTerm: (command) => command.name(),
  subcommandDescription: (command) => command.summary() || command.description(),
};

/** Sets summary and description of a command. Lists of commands show the summary. */
export function describe(command: Command, summary: string, ...paragraphs: readonly string[]): Command {
  return command.summary(summary).description([`${summary}.`, ...paragraphs].join('\n\n'));
}

export interface HelpEnd {
  /** Command lines, without "ct-bucket". */
  examples: readonly string[];
  /** Meaning of the exit status, if there is more than 0 (done) and 2 (error). */
  exitStatus?: string;
}

const LINE_COLUMNS = 80;

function wrapped(text: string): string[] {
  return text.match(new RegExp(`.{1,${LINE_COLUMNS}}(?= |$)`, 'g'))?.map((line) => line.trimStart()) ?? [];
}

/** Adds examples and exit status below the options. */
export function endHelp(command: Command, { examples, exitStatus }: HelpEnd): Command {
  const lines = [
    '',
    examples.length === 1 ? 'Example:' : 'Examples:',
    ...examples.map((example) => (example.includes(' | ') ? `  ${example}` : `  ct-bucket ${example}`)),
    ...(exitStatus === undefined ? [] : ['', ...wrapped(`Exit status: ${exitStatus}`)]),
  ];
  return command.addHelpText('after', lines.join('\n'));
}

/** Gives a command with subcommands a `help` command. */
export function holdsCommands(command: Command): Command {
  return command.helpCommand('help [command]', 'Show the help of a command');
}
