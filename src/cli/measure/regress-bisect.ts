/** `ct-bucket regress bisect`: its options and help. */

import { type Command, Option } from 'commander';
import { CONFIG_FILE } from '../../../bench/regress/shard.ts';
import { describe, endHelp } from '../options/help-style.ts';
import { wholeNumber } from '../options/option-parsers.ts';
import { Group } from '../options/shared-options.ts';
import type { BisectOptions } from './regress-bisect-run.ts';
import { withSubjectOptions } from './regress-project-options.ts';

export function addBisect(regress: Command): void {
  const command = describe(
    regress.command('bisect'),
    'Find the commit that made it slower',
    'It measures the bad commit against the good one, and follows the figure that regressed most. It halves the range of commits, ' +
      'with few pairs where the slowdown is large, and more where it is close. Then it compares the commit with the one before it. If ' +
      'that shows no slowdown, the search goes back.',
    'It follows first parents: a merge counts as one commit. Commits that cannot be built or measured are skipped.',
  )
    .optionsGroup(Group.input)
    .requiredOption('--good <commit>', 'A commit that is fast')
    .option('--bad <commit>', 'A later commit that is slow', 'HEAD')
    .option('--case <name>', 'Measure this case only')
    .addOption(new Option('--config <file>', 'Cases and tolerances').default(CONFIG_FILE));
  withSubjectOptions(command, ['config'])
    .optionsGroup(Group.measurement)
    .option('--seconds <seconds>', 'Time limit of the whole search, with builds', wholeNumber(10, 86_400), 600)
    .addOption(
      new Option('--seed <number>', 'Seed of the order of samples')
        .argParser(wholeNumber(0, 0x7fffffff))
        .default(undefined, 'from the clock'),
    )
    .optionsGroup(Group.output)
    .option('--json <file>', 'Write the answer as JSON')
    .option('--markdown <file>', 'Write the answer for a pull request')
    .action(async (options: BisectOptions) => {
      const { bisectCommand } = await import('./regress-bisect-run.ts');
      await bisectCommand(options);
    });
  endHelp(command, {
    examples: [
      'regress bisect --good v1.0 --bad main --case insert',
      'regress bisect --good HEAD~32 --module bench/cases.mjs --case parse',
      "regress bisect --good v1.0 --command 'node bench.js' --prepare 'npm ci && npm run build'",
    ],
    exitStatus: '0 found, 1 the bad commit is not slower, 2 error, 3 not to be told',
  });
}
