/** All commands of the control socket, named as Open vSwitch's dpctl names them. */

import { UsageError } from '../../core/errors.ts';
import { didYouMean } from '../../core/options/nearest-name.ts';
import { command, requireNoMore, type Command, type CommandContext } from './command.ts';
import { DATAPATH_NOTE, withoutDatapathName } from './datapath-name.ts';
import { DUMP_COMMANDS } from './dump-commands.ts';
import { EVENT_COMMANDS } from './event-commands.ts';
import { FRAGMENT_COMMANDS } from './fragment-commands.ts';
import { POLICY_COMMANDS } from './policy-commands.ts';
import { SETTING_COMMANDS } from './setting-commands.ts';

const NAME_COLUMNS = 34;
/** Help indents lines by two, and they must fit a terminal of 80 columns. */
const LINE_COLUMNS = 76;
const CONTINUED = '    ';

/** Text in lines of at most `columns`, broken between words. */
function wrapped(text: string, columns: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= columns) {
      lines[lines.length - 1] = `${last} ${word}`;
    } else {
      lines.push(word);
    }
  }
  return lines;
}

/** Help on all commands, in lines: name and arguments, description. */
export function commandList(): string[] {
  const lines = Object.entries(COMMANDS).flatMap(([name, { usage, help }]) => {
    const left = wrapped(`${name} ${usage}`.trimEnd(), LINE_COLUMNS - CONTINUED.length);
    const [first, ...rest] = wrapped(help, LINE_COLUMNS - NAME_COLUMNS - 2);
    const indented = (line: string): string => `${''.padEnd(NAME_COLUMNS)}  ${line}`;
    const head = left.map((line, index) => (index === 0 ? line : `${CONTINUED}${line}`));
    return left.length > 1 || left[0]!.length > NAME_COLUMNS
      ? [...head, indented(first!), ...rest.map(indented)]
      : [`${left[0]!.padEnd(NAME_COLUMNS)}  ${first}`, ...rest.map(indented)];
  });
  return [...lines, ...wrapped(DATAPATH_NOTE, LINE_COLUMNS)];
}

export const COMMANDS: Record<string, Command> = {
  ...DUMP_COMMANDS,
  ...SETTING_COMMANDS,
  ...FRAGMENT_COMMANDS,
  ...POLICY_COMMANDS,
  ...EVENT_COMMANDS,
  'list-commands': command('', 'Show this list', (_context, args) => {
    requireNoMore(args);
    const list = Object.entries(COMMANDS).map(([name, { usage, help }]) => ({ name, usage, help }));
    return {
      text: ['The available commands are:', ...commandList().map((line) => `  ${line}`)].join('\n'),
      json: list,
    };
  }),
};

/** @throws UsageError for an unknown name */
export function requireCommand(name: string): void {
  if (!Object.hasOwn(COMMANDS, name)) {
    throw new UsageError(
      `unknown command '${name}'${didYouMean(name, Object.keys(COMMANDS))}; list-commands lists all commands`,
    );
  }
}

/** Runs a command, and yields its reply. Error messages begin with the command's name. @throws UsageError */
export async function* replyTo(
  name: string,
  context: CommandContext,
  args: string[],
): AsyncGenerator<string, void, void> {
  requireCommand(name);
  try {
    yield* COMMANDS[name]!.run(context, withoutDatapathName(args));
  } catch (error) {
    throw error instanceof UsageError ? new UsageError(`${name}: ${error.message}`) : error;
  }
}
