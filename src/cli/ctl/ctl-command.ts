/** `ct-bucket ctl`: its options and help. */

import type { Command } from 'commander';
import { commandList } from '../../workers/control/commands.ts';
import { describe, endHelp } from '../options/help-style.ts';
import { socketOption } from '../options/shared-options.ts';

interface CtlOptions {
  more: boolean;
  statistics: boolean;
  json: boolean;
  socket?: string;
}

/** Adds the command to the program. */
export function addCtl(program: Command): void {
  const command = describe(
    program.command('ctl'),
    'Inspect or steer a running ct-bucket run',
    "Commands have the names and the output of Open vSwitch's dpctl.",
  )
    .argument('<command>', 'One of the commands below')
    .argument('[args...]', 'Arguments of the command')
    .option('-m, --more', 'Print all details', false)
    .option('-s, --statistics', 'Print timeouts of connections, or times of events', false)
    .option('--json', 'Print JSON', false)
    .addOption(socketOption())
    .addHelpText('after', () => ['', 'Commands:', ...commandList().map((line) => `  ${line}`)].join('\n'))
    .action(async (name: string, args: string[], { more, statistics, json, ...options }: CtlOptions) => {
      const { ctl } = await import('./ctl.ts');
      process.exitCode = await ctl({ command: name, args, more, statistics, json }, options);
    });
  endHelp(command, {
    examples: ['ctl dump-conntrack -m zone=7', 'ctl ct-set-limits default=1000 zone=7,limit=50'],
    exitStatus: '0 done, 1 the tracker ended before its reply was complete, 2 error',
  });
}
