/** `ct-bucket bench`: see bench/. */

import type { Command } from 'commander';
import { addAging, addAnatomy, addAttack, addCompare, addFlood, addNat } from './bench-study-commands.ts';
import { addCount } from './bench-count-command.ts';
import { addRate, addTable } from './bench-load-commands.ts';
import { addStudy } from './bench-study-command.ts';
import { addPeer, addSuite, addWorkloads } from './bench-workload-commands.ts';
import { withHelpOfDefault } from '../options/default-help.ts';
import { describe, endHelp, holdsCommands } from '../options/help-style.ts';

/** Adds the command to the program. */
export function addBench(program: Command): void {
  const bench = holdsCommands(
    describe(program.command('bench'), 'Measure the tracker', 'Without a command, run the suite.'),
  );
  bench.commandsGroup('Overview:');
  addSuite(bench);
  bench.commandsGroup('Workloads:');
  addWorkloads(bench);
  bench.commandsGroup('Other measurements:');
  addCount(bench);
  addRate(bench);
  addAging(bench);
  addFlood(bench);
  addAttack(bench);
  addNat(bench);
  addStudy(bench);
  addAnatomy(bench);
  bench.commandsGroup('Comparisons:');
  addTable(bench);
  addPeer(bench);
  addCompare(bench);
  endHelp(withHelpOfDefault(bench), {
    examples: ['bench', 'bench insert --threads 1,2 --html insert.html', 'bench insert --help'],
  });
}
