/** Runs command lines in this thread and captures their output. */

import type { Command } from 'commander';
import { runCommandLine } from '../../src/cli/command-line.ts';
import { expectClearLine } from './complaints.ts';
import { Finding } from './target.ts';

export interface Printed {
  exitCode: number;
  out: string;
  error: string;
}

/** Runs `ct-bucket`, or another program, with these arguments. Passes its errors on. */
export async function printedBy(args: readonly string[], program?: Command): Promise<Printed> {
  const printed = { exitCode: 0, out: '', error: '' };
  const streams = [
    [process.stdout, 'out'],
    [process.stderr, 'error'],
  ] as const;
  const before = streams.map(([stream]) => stream.write);
  const codeBefore = process.exitCode;
  process.exitCode = 0;
  for (const [stream, name] of streams) {
    stream.write = ((chunk: unknown, ...rest: unknown[]) => {
      printed[name] += typeof chunk === 'string' ? chunk : new TextDecoder().decode(chunk as Uint8Array);
      const done = rest.find((each) => typeof each === 'function') as (() => void) | undefined;
      done?.();
      return true;
    }) as typeof stream.write;
  }
  try {
    await (program === undefined ? runCommandLine(args) : runCommandLine(args, program));
    printed.exitCode = Number(process.exitCode ?? 0);
  } finally {
    streams.forEach(([stream], i) => {
      stream.write = before[i]!;
    });
    process.exitCode = codeBefore;
  }
  return printed;
}

/** @throws Finding unless the exit code is one of a command's, and exit code 2 comes with a one-line error on standard error */
export function expectProperEnd({ exitCode, error }: Printed): void {
  if (![0, 1, 2, 3].includes(exitCode)) {
    throw new Finding(`exit code ${exitCode}`);
  }
  if (exitCode !== 2) {
    return;
  }
  /* A command with several files may print a line for each of them. */
  for (const line of error.trimEnd().split(/\n(?=ct-bucket: )/)) {
    /* Without a command name, the program prints the list of its commands. */
    if (line.startsWith('Usage: ')) {
      return;
    }
    if (!line.startsWith('ct-bucket: ')) {
      throw new Finding(`exit code 2 without a complaint: ${JSON.stringify(error.slice(0, 300))}`);
    }
    expectClearLine(line);
  }
}
