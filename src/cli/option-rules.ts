/**
 * Rules for all options of all commands: none is taken and ignored. An option that is given twice, without the value it
 * needs, or where it can do nothing is refused. They are applied to whole programs, so that a new option has them too.
 */

import type { Command } from 'commander';
import type { WorkloadName } from '../../bench/workloads/registry.ts';
import { UsageError } from '../core/errors.ts';

function refuseTwiceAndEmpty(command: Command): void {
  const given = new Set<string>();
  for (const option of command.options) {
    const name = option.name();
    command.on(`option:${name}`, (value: string | null | undefined) => {
      if (given.has(name)) {
        command.error(`error: option '${option.flags}' is given twice`);
      }
      given.add(name);
      if (value === '') {
        command.error(`error: option '${option.flags}' needs a value: it is empty`);
      }
    });
  }
}

/** Buckets are those of ct-bucket: the other engines have one table. */
function refuseBucketsWithoutUse(command: Command): void {
  const engines = command.getOptionValue('engine') as string | string[] | undefined;
  if (engines !== undefined && command.getOptionValueSource('buckets') === 'cli' && !engines.includes('ct-bucket')) {
    throw new UsageError('--buckets is for --engine ct-bucket: the other engines have one table');
  }
}

/** A window is for workloads in which connections talk side by side. */
async function refuseWindowWithoutUse(command: Command): Promise<void> {
  const workload = command.getOptionValue('workload') as WorkloadName | undefined;
  if (workload !== undefined && command.getOptionValueSource('window') === 'cli') {
    const { workloadOf, WORKLOAD_NAMES } = await import('../../bench/workloads/registry.ts');
    if (workloadOf(workload).hasWindow !== true) {
      const those = WORKLOAD_NAMES.filter((name) => workloadOf(name).hasWindow === true);
      throw new UsageError(`${workload} has no --window, ${those.join(', ')} have`);
    }
  }
}

/** Applies the rules to a program and all commands in it. */
export function applyOptionRules(program: Command): void {
  const visit = (command: Command): void => {
    refuseTwiceAndEmpty(command);
    command.commands.forEach(visit);
  };
  visit(program);
  program.hook('preAction', async (_program, command) => {
    refuseBucketsWithoutUse(command);
    await refuseWindowWithoutUse(command);
  });
}
