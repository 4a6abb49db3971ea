/** The program `ct-bucket` with its tracking commands: replay, run, ctl, verify. */

import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { onOneLine } from '../core/errors.ts';
import { addCtl } from './ctl/ctl-command.ts';
import { endHelp, HELP_STYLE, holdsCommands } from './options/help-style.ts';
import { addReplay } from './replay/replay-command.ts';
import { addRun } from './run/run-command.ts';
import { addVerify } from './verify/verify-command.ts';

function packageVersion(): string {
  for (const up of ['../..', '../../..', '../../../..']) {
    try {
      const text = readFileSync(new URL(`${up}/package.json`, import.meta.url), 'utf8');
      return (JSON.parse(text) as { version: string }).version;
    } catch {
      /* Compiled, this file lies one or two folders deeper. */
    }
  }
  return 'unknown';
}

/** Commander's error message as one line in our style. */
function complaint(text: string): string {
  const line = text
    .replace(/^error: /, '')
    .trimEnd()
    .replace(/\n\(Did you mean (.*)\?\)$/, '; did you mean $1?')
    .replace(/^unknown command '[^']*'$/, '$&; `ct-bucket --help` lists all commands');
  return `ct-bucket: ${onOneLine(line)}\n`;
}

/** Makes a fresh program with these commands only, still without the option rules (option-rules.ts). */
export function makeTrackingProgram(): Command {
  const program = holdsCommands(new Command('ct-bucket'))
    .description("Track connections of packets, with the verdicts of Open vSwitch's userspace connection tracker.")
    .version(packageVersion(), '-V, --version', 'Print the version')
    .helpOption('-h, --help', 'Show this help')
    .configureHelp(HELP_STYLE)
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(complaint(text)) });
  addReplay(program);
  addRun(program);
  addCtl(program);
  addVerify(program);
  return endHelp(program, {
    examples: ['replay capture.pcap', 'help run'],
    exitStatus: '0 done, 1 a check failed, 2 error. The help of a command lists other values',
  });
}
