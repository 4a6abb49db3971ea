/**
 * Rules for all options of all commands. An option is refused if it is given twice, if its value is empty, or if it would have no
 * effect. The rules apply to the whole program, so new options have them, too.
 */

import type { Command } from 'commander';
import { ENGINES, type EngineName } from '../../core/engines/engine.ts';
import { engineKind } from '../../core/engines/registry.ts';
import { UsageError } from '../../core/errors.ts';

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

/** Refuses --buckets without an engine that has buckets. */
function refuseBucketsWithoutUse(command: Command): void {
  const engines = command.getOptionValue('engine') as EngineName | EngineName[] | undefined;
  if (engines === undefined || command.getOptionValueSource('buckets') !== 'cli') {
    return;
  }
  if (![engines].flat().some((engine) => engineKind(engine).hasBuckets)) {
    const withBuckets = ENGINES.filter((engine) => engineKind(engine).hasBuckets);
    throw new UsageError(`--buckets is for --engine ${withBuckets.join(' or ')}: the other engines have no buckets`);
  }
}

/** Applies the rules to a program and all its commands. */
export function applyOptionRules(program: Command): void {
  const visit = (command: Command): void => {
    refuseTwiceAndEmpty(command);
    command.commands.forEach(visit);
  };
  visit(program);
  program.hook('preAction', (_program, command) => refuseBucketsWithoutUse(command));
}
