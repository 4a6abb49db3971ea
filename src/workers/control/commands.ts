/** All commands of the control socket, named as Open vSwitch's dpctl names them. */

import { UsageError } from '../../core/errors.ts';
import { didYouMean } from '../../core/nearest-name.ts';
import { command, requireNoMore, type Command, type CommandContext } from './command.ts';
import { DATAPATH_NOTE, withoutDatapathName } from './datapath-name.ts';
import { DUMP_COMMANDS } from './dump-commands.ts';
import { EVENT_COMMANDS } from './event-commands.ts';
import { FRAGMENT_COMMANDS } from './fragment-commands.ts';
import { POLICY_COMMANDS } from './policy-commands.ts';
import { SETTING_COMMANDS } from './setting-commands.ts';

const NAME_COLUMNS = 34;

/** Lines for people: name and arguments, what it does. */
export function commandList(): string[] {
  const lines = Object.entries(COMMANDS).flatMap(([name, { usage, help }]) => {
    const left = `${name} ${usage}`.trimEnd();
    return left.length > NAME_COLUMNS
      ? [left, `${''.padEnd(NAME_COLUMNS)}  ${help}`]
      : [`${left.padEnd(NAME_COLUMNS)}  ${help}`];
  });
  return [...lines, DATAPATH_NOTE];
}

export const COMMANDS: Record<string, Command> = {
  ...DUMP_COMMANDS,
  ...SETTING_COMMANDS,
  ...FRAGMENT_COMMANDS,
  ...POLICY_COMMANDS,
  ...EVENT_COMMANDS,
  'list-commands': command('', 'this list', (_context, args) => {
    requireNoMore(args);
    const list = Object.entries(COMMANDS).map(([name, { usage, help }]) => ({ name, usage, help }));
    return {
      text: ['The available commands are:', ...commandList().map((line) => `  ${line}`)].join('\n'),
      json: list,
    };
  }),
};

/** Lets a command answer; its complaints name it. @throws UsageError */
export async function* answerCommand(
  name: string,
  context: CommandContext,
  args: string[],
): AsyncGenerator<string, void, void> {
  if (!Object.hasOwn(COMMANDS, name)) {
    throw new UsageError(`unknown command '${name}'${didYouMean(name, Object.keys(COMMANDS))}; list-commands lists those there are`);
  }
  try {
    yield* COMMANDS[name]!.run(context, withoutDatapathName(args));
  } catch (error) {
    throw error instanceof UsageError ? new UsageError(`${name}: ${error.message}`) : error;
  }
}
