/** Starts the soak as a process of its own, on the compiled build. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { atEnd } from '../../src/host/cleanup.ts';
import { ExitCode } from '../../src/host/command-end.ts';
import { type OutputFiles, withOutputFiles } from '../../src/host/output-files.ts';
import { stopOnSignals } from '../../src/host/signals.ts';
import { compiledBench } from '../samples/compiled.ts';
import type { SoakOptions } from './options.ts';

/** @returns the exit code of the process: 0 all invariants held, 1 one was violated, 2 error */
export function runSoak(options: SoakOptions): Promise<number> {
  return withOutputFiles({ json: options.json }, (outputs) => soakInto(outputs, options));
}

async function soakInto(outputs: OutputFiles, { json, ...options }: SoakOptions): Promise<number> {
  const module = await compiledBench('soak/process.js');
  const lines = json === undefined ? {} : { json: outputs.isPrinted('json') ? '-' : (outputs.partOf('json') ?? json) };
  const { stop, release } = stopOnSignals();
  const child = spawn(process.execPath, [module, JSON.stringify({ ...options, ...lines })], { stdio: 'inherit' });
  const forget = atEnd(() => child.kill('SIGKILL'));
  const exited = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
  /* A terminal signals both processes. Pass on a signal that only this process got. */
  stop.signal.addEventListener('abort', () => child.kill('SIGTERM'), { once: true });
  const [code, signal] = await exited;
  release();
  forget();
  if (code === ExitCode.ok || code === ExitCode.checkFailed) {
    outputs.commit();
    return code;
  }
  outputs.keepUnfinished('json');
  if (signal !== null) {
    console.error(`ct-bucket: ${signal} ended the soak before a verdict`);
  }
  return ExitCode.usage;
}
