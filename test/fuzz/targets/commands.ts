/** Command lines of every command: the program accepts them or prints a one-line error. The commands do not run. */

import type { Command, Option } from 'commander';
import { makeProgram } from '../../../src/cli/program.ts';
import { expectProperEnd, printedBy } from '../command-line.ts';
import type { Random } from '../random.ts';
import { Finding, type Tally, type Target } from '../target.ts';
import { mutatedText } from '../text.ts';

interface CommandInput {
  args: string[];
}

const VALUES = [
  ['0', '1', '2', '3', '32', '33', '64', '65', '1000', '1024', '65535', '65536', '50000000', '50000001'],
  ['-1', '1e3', '0x10', '1.5', ' 1', '٣', 'NaN', 'Infinity', '', 'true', 'null', '-', '--', '--json', '-h'],
  ['1,2', '1,,2', ',', '1,1', 'ct-bucket', 'baseline', 'ct-bucket,ct-scale', 'sweep', 'capture', 'wall', 'stay'],
  ['states', 'json', 'trust', 'early-drop', 'flow', 'addresses', '1/2', '0/2', '2/1', '1/0', 'buckets', 'insert'],
  ['nowhere.pcap', 'zone=5', '__proto__', 'x'.repeat(3000), 'a\nb'],
].flat();

let program: Command | undefined;
let all: Command[] = [];
let seen: Record<string, unknown> | undefined;

/** Every command of the program, including subcommands. */
function commandsOf(command: Command): Command[] {
  return [command, ...command.commands.flatMap(commandsOf)];
}

function pathOf(command: Command): string[] {
  return command.parent === null ? [] : [...pathOf(command.parent), command.name()];
}

/** Options that accept fractions. */
const FRACTIONS: readonly string[] = ['minutes'];

/** @throws Finding if the parsed value of an option is NaN, infinite, or wrongly a fraction */
function expectUsable(value: unknown, name: string): void {
  const isOfUse = FRACTIONS.includes(name) ? Number.isFinite : Number.isSafeInteger;
  if (typeof value === 'number' && !isOfUse(value)) {
    throw new Finding(`--${name} is taken for ${value}`);
  }
  if (Array.isArray(value)) {
    value.forEach((item) => expectUsable(item, name));
  }
}

function prepare(): void {
  program = makeProgram();
  all = commandsOf(program);
  for (const command of all) {
    if (command.commands.length === 0) {
      command.action(() => {
        seen = command.opts();
      });
    }
  }
}

function value(random: Random): string {
  const text = random.pick(VALUES);
  return random.oneIn(5) ? mutatedText(random, text) : text;
}

function generate(random: Random): CommandInput {
  const command = random.pick(all);
  const args = pathOf(command);
  for (let count = random.below(4); count > 0; count--) {
    args.push(value(random));
  }
  const { options } = command;
  for (let count = options.length === 0 ? 0 : random.below(4); count > 0; count--) {
    const option: Option = random.pick(options as Option[]);
    const flag = option.long ?? option.short ?? '--json';
    const name = random.oneIn(20) ? mutatedText(random, flag) : flag;
    const isAlone = option.isBoolean() ? !random.oneIn(10) : random.oneIn(15);
    args.push(...(isAlone ? [name] : random.oneIn(5) ? [`${name}=${value(random)}`] : [name, value(random)]));
  }
  if (random.oneIn(15)) {
    args.splice(random.below(args.length + 1), 1, value(random));
  }
  return { args };
}

async function run({ args }: CommandInput, tally: Tally): Promise<number> {
  seen = undefined;
  const printed = await printedBy(args, program);
  expectProperEnd(printed);
  for (const [name, parsed] of Object.entries(seen ?? {})) {
    expectUsable(parsed, name);
  }
  tally.add(seen !== undefined ? 'understood' : printed.exitCode === 0 ? 'help' : 'refused');
  return 1;
}

export const commands: Target<CommandInput> = {
  name: 'commands',
  about: 'command lines of every command',
  weight: 0.5,
  prepare,
  generate,
  run,
  shrink: function* ({ args }) {
    for (let at = args.length - 1; at >= 0; at--) {
      yield { args: args.toSpliced(at, 1) };
    }
  },
};
