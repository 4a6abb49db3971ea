/** Runs command lines in this thread, with what they print caught. */

import type { Command } from 'commander';
import { runCommandLine } from '../../src/cli/command-line.ts';
import { expectClearLine } from './complaints.ts';
import { Finding } from './target.ts';

export interface Printed {
  exitCode: number;
  out: string;
  error: string;
}

/** Runs `ct-bucket` with these arguments; or another program. What it throws comes out. */
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

/** @throws Finding unless it ended as commands end: of what is wrong one line on standard error, and exit code 2 */
export function expectProperEnd({ exitCode, error }: Printed): void {
  if (![0, 1, 2, 3].includes(exitCode)) {
    throw new Finding(`exit code ${exitCode}`);
  }
  if (exitCode !== 2) {
    return;
  }
  /* Of several files each may have its line. */
  for (const line of error.trimEnd().split(/\n(?=ct-bucket: )/)) {
    /* Without a command, it shows what commands there are. */
    if (line.startsWith('Usage: ')) {
      return;
    }
    if (!line.startsWith('ct-bucket: ')) {
      throw new Finding(`exit code 2 without a complaint: ${JSON.stringify(error.slice(0, 300))}`);
    }
    expectClearLine(line);
  }
}
