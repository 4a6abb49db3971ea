#!/usr/bin/env node
/** The command `ct-bucket`. */

import { guardProcess, tellError } from '../host/command-end.ts';
import { watchSignals } from '../host/signals.ts';
import { runCommandLine } from './command-line.ts';

guardProcess();
watchSignals();
try {
  await runCommandLine(process.argv.slice(2));
} catch (error) {
  process.exitCode = tellError(error);
}
