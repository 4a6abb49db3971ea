/** `ct-bucket verify`: its options and help. */

import { type Command, Option } from 'commander';
import { describe, endHelp } from '../options/help-style.ts';
import { engineOption } from '../options/shared-options.ts';
import type { VerifyOptions } from './verify.ts';

/** Adds the command to the program. */
export function addVerify(program: Command): void {
  const command = describe(
    program.command('verify'),
    'Run scenario files and compare every answer with the recorded one',
    "A scenario file holds operations in JSON Lines, with the answers of Open vSwitch's tracker.",
  )
    .argument('<files...>', 'Scenario files, or - for standard input')
    .addOption(
      new Option(
        '--reclaim <mode>',
        'Remove expired connections only when they are swept, as recorded (sweep), or also when a packet meets one ' +
          '(lookup-and-sweep)',
      )
        .choices(['sweep', 'lookup-and-sweep'])
        .default('sweep'),
    )
    .addOption(engineOption())
    .option('--json', 'Print the counts of each file as JSON', false)
    .action(async (files: string[], options: VerifyOptions) => {
      /* Loaded here: other commands need not load the schemas of files. */
      const { verify } = await import('./verify.ts');
      process.exitCode = await verify(files, options);
    });
  endHelp(command, {
    examples: ['verify recorded/*.jsonl'],
    exitStatus: '0 every answer agrees, 1 one differs, 2 a file is not a scenario',
  });
}
