#!/usr/bin/env node
/** The command `ct-bucket`. */

import { watchSignals } from '../host/signals.ts';
import { ExitCode } from './exit-code.ts';
import { runCommandLine } from './program.ts';

/* Whoever reads our output may have seen enough (`| head`). */
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') {
    throw error;
  }
  process.exit(ExitCode.ok);
});

watchSignals();
await runCommandLine(process.argv.slice(2));
