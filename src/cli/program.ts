/** The program `ct-bucket` with all its commands. */

import type { Command } from 'commander';
import { addBench } from './measure/bench.ts';
import { applyOptionRules } from './options/option-rules.ts';
import { addProfile } from './measure/profile.ts';
import { addRegress } from './measure/regress.ts';
import { addSoak } from './measure/soak.ts';
import { makeTrackingProgram } from './tracking-commands.ts';

/** Makes a fresh program: commander keeps parsed options in it. */
export function makeProgram(): Command {
  const program = makeTrackingProgram();
  addBench(program);
  addProfile(program);
  addRegress(program);
  addSoak(program);
  applyOptionRules(program);
  return program;
}
