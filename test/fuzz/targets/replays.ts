/** Captures through `replay` and its threads, with all of its options, and truncated files. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expectProperEnd, printedBy } from '../command-line.ts';
import type { Random } from '../random.ts';
import { Finding, type Tally, type Target } from '../target.ts';
import { captureFile, captures } from './captures.ts';

interface ReplayInput {
  file: Uint8Array;
  options: string[];
}

let folder = '';

function generate(random: Random): ReplayInput {
  const file = random.oneIn(2) ? captureFile(random) : captures.generate(random).file;
  const options: string[] = ['--format', random.pick(['states', 'json', 'summary'])];
  const maybe = (...more: string[]) => {
    if (random.oneIn(2)) {
      options.push(...more);
    }
  };
  maybe('--threads', random.pick(['1', '2']));
  maybe('--engine', random.pick(['ct-bucket', 'baseline', 'ct-scale', 'wheel', 'zones', 'shards']));
  maybe('--batch', random.pick(['1', '7', '32']));
  maybe('--zone', '65535');
  maybe('--no-commit');
  maybe('--clock', random.pick(['capture', 'frozen']));
  maybe('--events', '--timestamps');
  return { file, options };
}

async function run({ file, options }: ReplayInput, tally: Tally): Promise<number> {
  const path = join(folder, 'capture');
  const late = join(folder, 'late');
  writeFileSync(path, file);
  const printed = await printedBy(['replay', path, '--late', late, ...options]);
  expectProperEnd(
    printed.error.includes('flow events have been shown') ? { ...printed, error: lastLine(printed.error) } : printed,
  );
  if (options.includes('json') && !options.includes('--events') && printed.out !== '') {
    const { packets, verdicts } = JSON.parse(printed.out) as { packets: number; verdicts: Record<string, number> };
    const judged = Object.values(verdicts).reduce((sum, count) => sum + count, 0);
    if (judged !== packets) {
      throw new Finding(`${packets} packets have ${judged} verdicts`);
    }
    tally.add('packets', packets);
  }
  tally.add(`exit code ${printed.exitCode}`);
  return 1;
}

function lastLine(text: string): string {
  return text.trimEnd().split('\n').at(-1)!;
}

export const replays: Target<ReplayInput> = {
  name: 'replays',
  about: 'captures through `replay`, its threads and its options',
  weight: 0.7,
  deadlineMs: 60_000,
  prepare: async (options) => {
    await captures.prepare!(options);
    folder = mkdtempSync(join(tmpdir(), 'ct-bucket-fuzz-'));
  },
  generate,
  run,
  end: () => rmSync(folder, { recursive: true }),
};
