/** Starts the soak in a process of its own, on the compiled build. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { compiledBench } from '../compiled.ts';
import { requireWritable } from '../samples.ts';
import type { SoakOptions } from './options.ts';

/** @returns the process's exit code: 0 all is right, 1 it is not */
export async function runSoak(options: SoakOptions): Promise<number> {
  if (options.json !== undefined) {
    requireWritable(options.json);
    writeFileSync(options.json, '');
  }
  const module = await compiledBench('soak/process.js');
  const child = spawn(process.execPath, [module, JSON.stringify(options)], { stdio: 'inherit' });
  const exited = once(child, 'exit') as Promise<[number | null]>;
  /* From a terminal both processes are told; the other one ends it. */
  const forward = (signal: NodeJS.Signals) => child.kill(signal);
  process.on('SIGINT', forward);
  process.on('SIGTERM', forward);
  const [code] = await exited;
  process.off('SIGINT', forward);
  process.off('SIGTERM', forward);
  return code ?? 1;
}
