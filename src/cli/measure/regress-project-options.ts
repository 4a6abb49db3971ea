/** Options of `regress` and `regress bisect` for projects other than ct-bucket. They leave out what the configuration says. */

import { type Command, Option } from 'commander';
import { percent, wholeNumber } from '../options/option-parsers.ts';

const SUBJECTS = ['module', 'command', 'tinybench', 'vitest'];
/** Options that only have a meaning for ct-bucket itself. */
const OWN = ['config', 'quick', 'shard', 'counters'];

/** What is measured, and by which thresholds. @param others options that go without them */
export function withSubjectOptions(command: Command, others: readonly string[]): Command {
  const subject = (flags: string, description: string): Option => {
    const option = new Option(flags, description);
    return option.conflicts([...SUBJECTS.filter((name) => name !== option.name()), ...others]);
  };
  return command
    .optionsGroup('Another project (instead of a configuration):')
    .addOption(subject('--module <file>', 'Measure the functions of the object `cases` that this module exports'))
    .addOption(
      subject(
        '--command <command>',
        'Measure this command. sh runs it in the folder of each state, with the name of the case in place of {case}. If it ' +
          'prints a line of JSON (a positive number, or an object of them), the last one is its result, and less is better. ' +
          'Otherwise its result is its run time',
      ),
    )
    .addOption(subject('--tinybench <file>', 'Measure the tasks of the tinybench `Bench` that this module exports'))
    .addOption(
      subject(
        '--vitest <files>',
        'Measure the benchmarks that `vitest bench` finds in files with this part in their path',
      ),
    )
    .option('--prepare <command>', 'sh runs this command once in the folder of each state, for example to build it')
    .option('--tolerate <percent>', 'A slowdown up to this is no regression (default: 2)', percent)
    .option(
      '--alarm <percent>',
      'A verdict of "no slowdown" excludes slowdowns as large as this (default: 5)',
      percent,
    );
}

export function withProjectOptions(command: Command): Command {
  const ofStates = [...SUBJECTS, 'prepare', ...OWN];
  return withSubjectOptions(command, OWN)
    .addOption(
      new Option(
        '--base-command <command>',
        'Instead of two states: a command for the base, run in this folder',
      ).conflicts(ofStates),
    )
    .addOption(new Option('--head-command <command>', 'The command for the head').conflicts(ofStates))
    .addOption(
      new Option(
        '--cases <list>',
        'Cases to measure, separated by commas (default: all of the module; a command has one)',
      )
        .argParser((text: string) => [...new Set(text.split(','))])
        .conflicts(['tinybench', 'vitest']),
    )
    .option('--seconds <seconds>', 'Time limit (default: 55)', wholeNumber(10, 86_400));
}
